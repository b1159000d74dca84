/* SPDX-License-Identifier: MIT */
/* api: the hakmem_* functions. Their contracts are in hakmem/hakmem.h. */
#include "check.h"
#include "conf.h"
#include "conf_origin.h"
#include "heap.h"
#include "report.h"

#include <errno.h>
#include <string.h>

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

HM_EXPORT const char *hakmem_version(void)
{
    return STRING(HAKMEM_VERSION_MAJOR) "." STRING(HAKMEM_VERSION_MINOR) "." STRING(
        HAKMEM_VERSION_PATCH);
}

HM_EXPORT const char *hakmem_profile(void)
{
    return hm_heap_profile();
}

/* Hands a text out as snprintf does. The sink is there to be terminated here. */
static int hand_out(struct hm_text *text, char *buf, size_t size)
{
    hm_text_flush(text);
    size_t length = strlen(text->buf);
    if (size > 0) {
        size_t fit = hm_min(length, size - 1);
        memcpy(buf, text->buf, fit);
        buf[fit] = '\0';
    }
    return (int)length;
}

HM_EXPORT int hakmem_option_get(const char *name, char *buf, size_t size)
{
    hm_heap_init();
    char value[HM_OPTION_TEXT_MAX];
    struct hm_text text;
    hm_text_init(&text, value, sizeof value, -1);
    if (!hm_option_get(name, &text)) {
        errno = ENOENT;
        return -1;
    }
    return hand_out(&text, buf, size);
}

HM_EXPORT int hakmem_option_origin(const char *name, char *buf, size_t size)
{
    hm_heap_init();
    char origin[HM_CONF_ORIGIN_MAX];
    struct hm_text text;
    hm_text_init(&text, origin, sizeof origin, -1);
    if (!hm_option_origin(name, &text)) {
        errno = ENOENT;
        return -1;
    }
    return hand_out(&text, buf, size);
}

HM_EXPORT int hakmem_option_set(const char *name, const char *value)
{
    hm_heap_init();
    int error = hm_option_set(name, value);
    if (error == 0) {
        hm_heap_options();
        return 0;
    }
    errno = error;
    return -1;
}

HM_EXPORT size_t hakmem_trim(void)
{
    return hm_heap_trim();
}

HM_EXPORT void hakmem_thread_flush(void)
{
    hm_heap_thread_flush();
}

HM_EXPORT unsigned hakmem_check_heap(void)
{
    return hm_check_heap();
}

HM_EXPORT size_t hakmem_good_size(size_t size)
{
    return hm_heap_good_size(size);
}

HM_EXPORT int hakmem_stats(struct hakmem_stats *stats)
{
    size_t head = offsetof(struct hakmem_stats, small_bytes);
    uint32_t version = stats->version, size = stats->size;
    if (version != HAKMEM_STATS_VERSION || size < head) {
        errno = EINVAL;
        return -1;
    }
    struct hm_report r;
    hm_report_gather(&r);
    memset(stats, 0, size);
    memcpy(stats, &r.stats, hm_min(size, sizeof r.stats));
    stats->version = version;
    stats->size = size;
    return 0;
}

HM_EXPORT int hakmem_stats_print(int fd, enum hakmem_stats_format format)
{
    char buf[1024];
    struct hm_text out;
    hm_text_init(&out, buf, sizeof buf, fd);
    if (format == HAKMEM_STATS_TEXT)
        hm_report_text(&out);
    else if (format == HAKMEM_STATS_JSON)
        hm_report_json(&out);
    else {
        errno = EINVAL;
        return -1;
    }
    hm_text_flush(&out);
    return 0;
}
