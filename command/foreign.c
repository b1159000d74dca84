/* SPDX-License-Identifier: MIT */
#include "foreign.h"

#include "option.h"
#include "out.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How a value becomes one of ours. */
enum conversion {
    AS_IS,        /* the same number */
    MILLISECONDS, /* a number of them; -1 is never, for which the longest stands */
    TWICE,        /* bytes of a block to those of a SuperSlab that has it inside */
    AT_LEAST,     /* bytes to the power of two that holds them */
    FIXED         /* a value that is in the list to ours that is there; others: none */
};

struct knob {
    const char *name;   /* of the setting, or the key in a variable that has many */
    const char *option; /* of ours; NULL: there is nothing like it */
    enum conversion conversion;
    const char *values; /* FIXED: "theirs=ours theirs=ours" */
    const char *remark;
};

static const char arenas[] = "an arena is most like a shard; whoever sets it to save "
                             "memory wants the profile low-memory";
static const char trims[] = "memory goes back by its age, not by its amount";
static const char maps[] = "blocks above half a SuperSlab have a mapping of their own";
static const char checks[] = "double and wild frees are found anyway; full also finds "
                             "those of two threads at once";

static const struct knob glibc[] = {
    {"MALLOC_ARENA_MAX", "shards", AS_IS, NULL, arenas},
    {"MALLOC_ARENA_TEST", NULL, AS_IS, NULL, "there are as many shards as CPUs call for"},
    {"MALLOC_TRIM_THRESHOLD_", NULL, AS_IS, NULL, trims},
    {"MALLOC_TOP_PAD_", "superslab_size", AT_LEAST, NULL,
     "the piece that is taken from the system"},
    {"MALLOC_MMAP_THRESHOLD_", "superslab_size", TWICE, NULL, maps},
    {"MALLOC_MMAP_MAX_", NULL, AS_IS, NULL, "there is no limit on mappings"},
    {"MALLOC_PERTURB_", "zero_on_free", FIXED, "*=yes",
     "overwrites with zero bytes only"},
    {"MALLOC_CHECK_", "check", FIXED, "0=default *=full", checks},
};

/* In GLIBC_TUNABLES. */
static const struct knob tunables[] = {
    {"glibc.malloc.arena_max", "shards", AS_IS, NULL, arenas},
    {"glibc.malloc.trim_threshold", NULL, AS_IS, NULL, trims},
    {"glibc.malloc.top_pad", "superslab_size", AT_LEAST, NULL,
     "the piece that is taken from the system"},
    {"glibc.malloc.mmap_threshold", "superslab_size", TWICE, NULL, maps},
    {"glibc.malloc.perturb", "zero_on_free", FIXED, "0=no *=yes",
     "overwrites with zero bytes only"},
    {"glibc.malloc.check", "check", FIXED, "0=default *=full", checks},
    {"glibc.malloc.tcache_count", "tls_cache_max", AS_IS, NULL, NULL},
    {"glibc.malloc.hugetlb", "thp", FIXED, "0=inherit 1=advise",
     "only transparent huge pages are used"},
};

/* In MALLOC_CONF, of jemalloc. */
static const struct knob jemalloc[] = {
    {"narenas", "shards", AS_IS, NULL, arenas},
    {"percpu_arena", "profile", FIXED, "percpu=high-contention phycpu=high-contention",
     NULL},
    {"dirty_decay_ms", "trim_interval", MILLISECONDS, NULL, NULL},
    {"muzzy_decay_ms", NULL, AS_IS, NULL, "memory is given back in one step"},
    {"background_thread", "trim_thread", FIXED, "true=yes false=no", NULL},
    {"thp", "thp", FIXED, "always=advise never=never default=inherit", NULL},
    {"metadata_thp", NULL, AS_IS, NULL, "descriptors use no huge pages"},
    {"tcache", "tls_cache_bytes", FIXED, "false=0",
     "a cache keeps tls_cache_min slots for each size"},
    {"tcache_max", NULL, AS_IS, NULL,
     "caches are bounded by their bytes: tls_cache_bytes"},
    {"oversize_threshold", "superslab_size", TWICE, NULL, maps},
    {"zero", "zero_on_free", FIXED, "true=yes false=no",
     "overwrites when a block is freed, not when it is allocated"},
    {"junk", "zero_on_free", FIXED, "true=yes free=yes false=no",
     "overwrites with zero bytes only"},
    {"stats_print", "stats_at_exit", FIXED, "true=yes false=no", NULL},
    {"retain", NULL, AS_IS, NULL, "empty SuperSlabs are unmapped, see empty_reserve"},
    {"prof", NULL, AS_IS, NULL, "there is no heap profiler"},
};

static const struct knob others[] = {
    {"MIMALLOC_PURGE_DELAY", "trim_interval", MILLISECONDS, NULL, NULL},
    {"MIMALLOC_ALLOW_THP", "thp", FIXED, "0=never 1=inherit 2=advise", NULL},
    {"MIMALLOC_ALLOW_LARGE_OS_PAGES", "thp", FIXED, "1=advise",
     "only transparent huge pages are used"},
    {"MIMALLOC_RESERVE_HUGE_OS_PAGES", NULL, AS_IS, NULL,
     "only transparent huge pages are used; prewarm makes memory resident at start"},
    {"MIMALLOC_SHOW_STATS", "stats_at_exit", FIXED, "1=yes 0=no", NULL},
    {"TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES", "process_cache_bytes", AS_IS, NULL, NULL},
    {"TCMALLOC_RELEASE_RATE", "trim_interval", FIXED, "0=1h",
     "memory goes back by its age, not by a rate"},
    {"TCMALLOC_AGGRESSIVE_DECOMMIT", "profile", FIXED, "true=low-memory 1=low-memory",
     NULL},
    {"TCMALLOC_HEAP_LIMIT_MB", NULL, AS_IS, NULL,
     "there is no limit on the heap: a cgroup has one"},
    {"MALLOCSTATS", "stats_at_exit", FIXED, "0=no *=yes", NULL},
};

/* Converting ------------------------------------------------------------------------- */

/* A whole number as bytes or the like, with the suffixes that are common. */
static bool scan(const char *s, size_t len, unsigned long long *out)
{
    char *copy = hm_out_strndup(s, len);
    char *end;
    bool good;

    errno = 0;
    *out = strtoull(copy, &end, 0);
    good = end != copy && *end == '\0' && errno == 0 && copy[0] != '-';
    free(copy);
    return good;
}

/* What a list "theirs=ours …" has for a value; "*" is any. */
static char *look_up(const char *list, const char *value, size_t len)
{
    while (*list != '\0') {
        const size_t theirs = strcspn(list, "=");
        const char *ours = list + theirs + 1;
        const size_t ours_len = strcspn(ours, " ");

        if ((theirs == len && strncmp(list, value, len) == 0) || list[0] == '*')
            return hm_out_strndup(ours, ours_len);
        list = ours + ours_len + strspn(ours + ours_len, " ");
    }
    return NULL;
}

static char *convert(const struct knob *knob, const char *value, size_t len)
{
    unsigned long long number;

    if (knob->conversion == FIXED)
        return look_up(knob->values, value, len);
    if (knob->conversion == MILLISECONDS && len == 2 && memcmp(value, "-1", 2) == 0)
        return hm_out_strdup("1h");
    if (!scan(value, len, &number) || number > (1ull << 40))
        return NULL;
    switch (knob->conversion) {
    case MILLISECONDS:
        return hm_out_format("%llums", number);
    case TWICE:
        return hm_out_format("%zu", hm_pow2_ceil((size_t)number * 2));
    case AT_LEAST:
        return hm_out_format("%zu", hm_pow2_ceil((size_t)number));
    default:
        return hm_out_format("%llu", number);
    }
}

/* The value as a person would write it; NULL: the option does not take it. */
static char *as_option(const char *option, char *value)
{
    const enum hm_option_id id = hm_option_find(option, strlen(option));
    char buf[HM_OPTION_TEXT_MAX];
    struct hm_options parsed;
    struct hm_text text;

    if (id == HM_OPTION_COUNT) /* profile */
        return value;
    if (!hm_option_parse(&parsed, id, value, strlen(value), NULL)) {
        free(value);
        return NULL;
    }
    free(value);
    hm_text_init(&text, buf, sizeof buf, -1);
    hm_option_format(&parsed, id, &text);
    hm_text_flush(&text);
    return hm_out_strdup(buf);
}

/* Finding ---------------------------------------------------------------------------- */

struct finder {
    struct hm_foreign *found;
    size_t count;
};

static void add(struct finder *f, char *setting, const struct knob *knob,
                const char *value, size_t len)
{
    char *ours = knob->option != NULL ? convert(knob, value, len) : NULL;
    char *nearest = NULL;

    if (ours != NULL && (ours = as_option(knob->option, ours)) != NULL) {
        nearest = hm_out_format("%s=%s", knob->option, ours);
        free(ours);
    }
    f->found = hm_out_realloc(f->found, (f->count + 1) * sizeof *f->found);
    f->found[f->count++] = (struct hm_foreign){setting, nearest,
                                               knob->remark == NULL && nearest == NULL
                                                   ? "this value has no equivalent"
                                                   : knob->remark};
}

static void find_variable(struct finder *f, const char *entry, const struct knob *knobs,
                          size_t count)
{
    const size_t name = strcspn(entry, "=");

    for (size_t i = 0; entry[name] == '=' && i < count; i++) {
        const char *value = entry + name + 1;

        if (strlen(knobs[i].name) == name && memcmp(entry, knobs[i].name, name) == 0)
            add(f, hm_out_strdup(entry), &knobs[i], value, strlen(value));
    }
}

/* A variable that has many: key, assign, value, and the separator. */
static void find_list(struct finder *f, const char *entry, const char *variable,
                      char assign, char separator, const struct knob *knobs, size_t count)
{
    const char delimiters[] = {separator, '\0'};
    const size_t name = strlen(variable);

    if (strncmp(entry, variable, name) != 0 || entry[name] != '=')
        return;
    for (const char *at = entry + name + 1; *at != '\0';) {
        const size_t len = strcspn(at, delimiters);
        const char *equals = memchr(at, assign, len);
        const size_t key = equals != NULL ? (size_t)(equals - at) : len;

        for (size_t i = 0; equals != NULL && i < count; i++) {
            if (strlen(knobs[i].name) == key && memcmp(at, knobs[i].name, key) == 0)
                add(f, hm_out_format("%s %.*s", variable, (int)len, at), &knobs[i],
                    equals + 1, len - key - 1);
        }
        at += len + (at[len] != '\0');
    }
}

size_t hm_foreign_find(char *const *envp, struct hm_foreign **out)
{
    struct finder f = {NULL, 0};

    for (; *envp != NULL; envp++) {
        find_variable(&f, *envp, glibc, HM_ARRAY_LEN(glibc));
        find_variable(&f, *envp, others, HM_ARRAY_LEN(others));
        find_list(&f, *envp, "GLIBC_TUNABLES", '=', ':', tunables,
                  HM_ARRAY_LEN(tunables));
        find_list(&f, *envp, "MALLOC_CONF", ':', ',', jemalloc, HM_ARRAY_LEN(jemalloc));
    }
    *out = f.found;
    return f.count;
}
