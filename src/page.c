/* SPDX-License-Identifier: MIT */
#include "page.h"
#include "conf.h"
#include "dump.h"
#include "fail.h"
#include "file.h"
#include "heap.h"
#include "identity.h"
#include "option.h"
#include "os.h"
#include "report.h"
#include "superslab.h"
#include "text.h"
#include "trim.h"

#include <errno.h>
#include <string.h>

#define FIGURES \
    ((sizeof(struct hakmem_stats) - offsetof(struct hakmem_stats, small_bytes)) / 8)
_Static_assert(FIGURES <= HM_PAGE_STATS, "figures have room");
_Static_assert(HM_PAGE_CLASSES == HM_CLASSES, "classes have rows");

/* Of a name in the directory. */
#define NAME_SIZE 24
/* Entries of the directory that are looked at for being stale: what a start may cost. */
#define SWEPT_BYTES 2048

enum { NONE, INHERITED, OPENING, OPEN, CLOSED };

static struct {
    _Atomic uint32_t state;      /* [any] release with `map`; INHERITED: a fork's child */
    struct hm_page *_Atomic map; /* [any] stays mapped once it is */
    _Atomic int pid;             /* [any] whose it is: a child without handlers sees it */
    _Atomic uint32_t served;     /* [serving] what was asked last */
    _Atomic bool serving;        /* [any] acquire, release: one thread at a time */
} page;

/* Names. */

static const char *format(char *buf, size_t size, const char *how, unsigned number)
{
    struct hm_text text;
    hm_text_init(&text, buf, size, -1);
    hm_text_printf(&text, how, number);
    hm_text_flush(&text);
    return buf;
}

static long directory(void)
{
    char path[sizeof HM_PAGE_DIR + NAME_SIZE];
    unsigned user = (unsigned)hm_sys_geteuid();
    return hm_file_private_dir(format(path, sizeof path, HM_PAGE_DIR "%u", user));
}

static void remove_both(int dir, unsigned pid)
{
    char name[NAME_SIZE];
    hm_file_remove(dir, format(name, sizeof name, "%u.dump", pid));
    hm_file_remove(dir, format(name, sizeof name, "%u", pid));
}

/* Stale files (P4). */

static bool is_stale(int dir, const char *name, uint64_t own_namespace)
{
    struct hm_page head;
    long fd = hm_file_open(dir, name);
    if (hm_sys_failed(fd))
        return false;
    long got = hm_sys_read((int)fd, &head, offsetof(struct hm_page, library));
    bool stale = got == offsetof(struct hm_page, library) &&
                 hm_load_relaxed(&head.magic) == HM_PAGE_MAGIC && head.start_time != 0 &&
                 head.pid_namespace == own_namespace &&
                 hm_identity_start_time(head.pid) != head.start_time;
    /* Its number may have been given to a process that starts just now. */
    stale = stale && hm_file_is((int)fd, dir, name);
    hm_sys_close((int)fd);
    return stale;
}

static void sweep(int dir, uint64_t own_namespace)
{
    _Alignas(uint64_t) char entries[SWEPT_BYTES];
    long got = hm_sys_getdents(dir, entries, sizeof entries);
    uint16_t length;
    for (long at = 0; at < got; at += length) {
        const char *name = entries + at + 19, *end; /* struct linux_dirent64 */
        memcpy(&length, entries + at + 16, sizeof length);
        unsigned pid = (unsigned)hm_identity_number(name, &end);
        if (end != name && *end == '\0' && is_stale(dir, name, own_namespace))
            remove_both(dir, pid);
    }
}

/* Opening. */

static void put_word(char *to, size_t size, const char *word)
{
    size_t length = hm_min(strlen(word), size - 1);
    memcpy(to, word, length);
    to[length] = '\0';
}

static void introduce(struct hm_page *p, unsigned pid)
{
    p->version = HM_PAGE_VERSION;
    p->size = sizeof *p;
    p->pid = pid;
    p->stats = FIGURES;
    p->start_time = hm_identity_start_time(0);
    p->pid_namespace = hm_identity_namespace();
    put_word(p->library, sizeof p->library, hakmem_version());
    put_word(p->profile, sizeof p->profile, hm_conf_profile());
    hm_store_release(&p->magic, HM_PAGE_MAGIC);
}

/* A negated errno in *error. */
static struct hm_page *make(int dir, unsigned pid, long *error)
{
    char name[NAME_SIZE];
    struct hm_page *p = NULL;
    sweep(dir, hm_identity_namespace());
    /* Of an earlier process of that number, or of this one before an exec. */
    remove_both(dir, pid);
    long fd = hm_file_make(dir, format(name, sizeof name, "%u", pid));
    *error = fd;
    if (hm_sys_failed(fd))
        return NULL;
    *error = hm_file_reserve((int)fd, hm_round_up(sizeof *p, hm_os_page));
    if (!hm_sys_failed(*error)) {
        p = hm_os_map_file((int)fd, sizeof *p);
        *error = -ENOMEM;
    }
    hm_sys_close((int)fd);
    if (p == NULL)
        remove_both(dir, pid);
    else
        introduce(p, pid);
    return p;
}

static void open_page(uint32_t from)
{
    unsigned pid = (unsigned)hm_sys_getpid();
    struct hm_page *p = NULL;
    if (!atomic_compare_exchange_strong_explicit(
            &page.state, &from, OPENING, memory_order_relaxed, memory_order_relaxed))
        return;
    long error, dir = directory();
    error = dir;
    if (!hm_sys_failed(dir)) {
        p = make((int)dir, pid, &error);
        hm_sys_close((int)dir);
    }
    if (p == NULL) {
        hm_warn("stats_page: no file for this process in " HM_PAGE_DIR
                "%u, error %d; off",
                (unsigned)hm_sys_geteuid(), (int)-error);
        hm_store_relaxed(&page.state, NONE);
        return;
    }
    hm_store_relaxed(&page.pid, (int)pid);
    hm_store_relaxed(&page.served, 0);
    hm_store_release(&page.map, p);
    uint32_t opening = OPENING;
    if (!atomic_compare_exchange_strong_explicit(
            &page.state, &opening, OPEN, memory_order_release, memory_order_relaxed))
        hm_page_close(); /* the process ended meanwhile */
}

void hm_page_open(void)
{
    open_page(NONE);
}

void hm_page_close(void)
{
    uint32_t before = atomic_exchange_explicit(&page.state, CLOSED, memory_order_acq_rel);
    int pid = hm_load_relaxed(&page.pid);
    if ((before != OPEN && before != CLOSED) || pid == 0 || pid != hm_sys_getpid())
        return;
    long dir = directory();
    if (hm_sys_failed(dir))
        return;
    remove_both((int)dir, (unsigned)pid);
    hm_sys_close((int)dir);
}

void hm_page_fork_child(void)
{
    struct hm_page *parents = hm_load_relaxed(&page.map);
    uint32_t state = hm_load_relaxed(&page.state);
    hm_store_relaxed(&page.serving, false);
    if (state == NONE || state == CLOSED)
        return;
    hm_store_relaxed(&page.map, NULL);
    hm_store_relaxed(&page.pid, 0);
    hm_store_relaxed(&page.state, INHERITED);
    if (parents != NULL)
        hm_os_unmap(parents, hm_round_up(sizeof *parents, hm_os_page));
}

/* Serving. */

HM_HOT _Atomic uint32_t *hm_page_bell(void)
{
    struct hm_page *p = hm_load_acquire(&page.map);
    return p != NULL ? &p->bell : NULL;
}

static HM_HOT bool is_asked(struct hm_page *p)
{
    return p != NULL && hm_load_acquire(&p->asked) != hm_load_relaxed(&page.served);
}

HM_HOT bool hm_page_waits(void)
{
    return hm_load_relaxed(&page.state) == INHERITED ||
           is_asked(hm_load_acquire(&page.map));
}

/* P2 */
static bool publish(struct hm_page *p)
{
    struct hm_report r;
    if (!hm_report_gather(&r))
        return false;
    const uint64_t *figures = (const uint64_t *)(const void *)
        ((const char *)&r.stats + offsetof(struct hakmem_stats, small_bytes));
    uint64_t sequence = hm_load_relaxed(&p->sequence) | 1;
    hm_store_relaxed(&p->sequence, sequence);
    for (size_t i = 0; i < FIGURES; i++)
        hm_store_release(&p->figures[i], figures[i]);
    for (unsigned c = 1; c < HM_CLASSES; c++) {
        const struct hm_report_class *row = &r.classes[c];
        bool any = row->slabs != 0 || row->cached != 0;
        hm_store_release(&p->classes[c][HM_PAGE_SIZE], any ? hm_classes[c].size : 0);
        hm_store_release(&p->classes[c][HM_PAGE_SLABS], row->slabs);
        hm_store_release(&p->classes[c][HM_PAGE_BLOCKS], row->blocks);
        hm_store_release(&p->classes[c][HM_PAGE_CACHED], row->cached);
    }
    hm_store_release(&p->published_at, hm_clock_update());
    hm_store_release(&p->sequence, sequence + 1);
    return true;
}

static int set(char *text)
{
    char *value = text;
    while (*value != '=' && *value != '\0')
        value++;
    if (*value == '\0')
        return EINVAL;
    *value = '\0';
    int error = hm_option_set(text, value + 1);
    if (error == 0)
        hm_heap_options();
    return error;
}

/* Under another name first, so that what has the name is whole. */
static int dump(void)
{
    char made[NAME_SIZE], name[NAME_SIZE];
    unsigned pid = (unsigned)hm_load_relaxed(&page.pid);
    long dir = directory();
    if (hm_sys_failed(dir))
        return (int)-dir;
    format(made, sizeof made, "%u.new", pid);
    format(name, sizeof name, "%u.dump", pid);
    hm_file_remove((int)dir, made);
    long fd = hm_file_make((int)dir, made), result = fd;
    if (!hm_sys_failed(fd)) {
        result = -hm_dump_write((int)fd);
        hm_sys_close((int)fd);
        if (result == 0)
            result = hm_file_rename((int)dir, made, name);
        if (result != 0)
            hm_file_remove((int)dir, made);
    }
    hm_sys_close((int)dir);
    return (int)-result;
}

static int64_t answer(uint32_t kind, char *argument)
{
    switch (kind) {
    case HM_PAGE_PUBLISH:
        return 0;
    case HM_PAGE_TRIM:
        hm_trim_ask_all();
        return (int64_t)hm_heap_trim();
    case HM_PAGE_SET:
        return set(argument);
    case HM_PAGE_DUMP:
        return dump();
    default:
        return ENOSYS;
    }
}

/* While another thread forks it stays to be served. */
static void serve(struct hm_page *p)
{
    uint32_t asked = hm_load_acquire(&p->asked), kind = p->kind;
    char argument[HM_PAGE_TEXT];
    memcpy(argument, p->argument, sizeof argument);
    argument[sizeof argument - 1] = '\0';
    if (hm_lock_fork_elsewhere())
        return;
    int64_t result = answer(kind, argument);
    if (!publish(p))
        return;
    p->result = result;
    hm_store_relaxed(&page.served, asked);
    hm_store_release(&p->answered, asked);
    hm_sys_futex_wake_shared(&p->answered, INT32_MAX);
}

void hm_page_serve(void)
{
    if (hm_load_relaxed(&page.state) == INHERITED)
        open_page(INHERITED);
    struct hm_page *p = hm_load_acquire(&page.map);
    if (!is_asked(p) || hm_load_relaxed(&page.pid) != hm_sys_getpid() ||
        atomic_exchange_explicit(&page.serving, true, memory_order_acquire))
        return;
    serve(p);
    hm_store_release(&page.serving, false);
}
