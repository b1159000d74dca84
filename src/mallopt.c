/* SPDX-License-Identifier: MIT */
#include "mallopt.h"
#include "conf.h"
#include "heap.h"

#include <malloc.h>

/* Parameters of bionic's mallopt, which glibc's headers do not have. */
enum { DECAY_TIME = -100, PURGE = -101, PURGE_ALL = -104 };

/* trim_interval in milliseconds as it was before a program changed it here, plus one; 0:
 * it has not. [any, relaxed] Programs call mallopt when they start, if at all. */
static _Atomic uint64_t own_interval HM_COLD_DATA;

static void set_interval(uint64_t ms)
{
    char value[32];
    struct hm_text text;
    hm_text_init(&text, value, sizeof value, -1);
    hm_text_printf(&text, "%lums", (unsigned long)ms);
    hm_text_flush(&text);
    hm_option_set("trim_interval", value);
    hm_heap_options();
}

static void change_interval(uint64_t ms)
{
    if (hm_load_relaxed(&own_interval) == 0)
        hm_store_relaxed(&own_interval, HM_LIVE(trim_interval) + 1);
    set_interval(ms);
}

static void restore_interval(void)
{
    uint64_t own = atomic_exchange_explicit(&own_interval, 0, memory_order_relaxed);
    if (own != 0)
        set_interval(own - 1);
}

int hm_mallopt(int param, int value)
{
    enum { NEVER_MS = 60 * 60 * 1000 /* the longest that trim_interval can be */ };
    switch (param) {
    case M_TRIM_THRESHOLD:
        /* To glibc it is a size: a negative one is more than there can be, and what
         * programs set that want no memory to go back. Other sizes are about the end of
         * a heap that grows by brk. */
        if (value < 0)
            change_interval(NEVER_MS);
        else
            restore_interval();
        return 1;
    case DECAY_TIME: /* 0: at once, 1: in time, -1: never */
        if (value > 0)
            restore_interval();
        else
            change_interval(value < 0 ? NEVER_MS : 0);
        return 1;
    case PURGE:
    case PURGE_ALL:
        hm_heap_trim();
        return 1;
    /* There is no arena, no brk heap and no threshold for mappings to change, and what
     * comes nearest is fixed at start: shards, superslab_size, zero_on_free. */
    case M_MXFAST:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_PERTURB:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
        return 1;
    default:
        return 0;
    }
}
