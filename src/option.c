/* SPDX-License-Identifier: MIT */
#include "option.h"

#include "memlimit.h"
#include <inttypes.h>
#include <string.h>

struct hm_options hm_opt;

const struct hm_option_info hm_option_table[HM_OPTION_COUNT] = {
#define HM_OPTION(name, type, def, min, max, when, sentence) \
    {#name,                                                  \
     HM_OPTION_##type,                                       \
     HM_OPTION_##when,                                       \
     def,                                                    \
     min,                                                    \
     max,                                                    \
     sentence,                                               \
     offsetof(struct hm_options, name)},
#include "option.def"
#undef HM_OPTION
};

static const char *const thp_words[] = {HM_THP_WORDS};
_Static_assert(HM_ARRAY_LEN(thp_words) == HM_THP_ADVISE + 1, "a word for each value");
static const char *const check_words[] = {HM_CHECK_WORDS};
_Static_assert(HM_ARRAY_LEN(check_words) == HM_CHECK_FULL + 1, "a word for each value");
static const char *const on_error_words[] = {HM_ON_ERROR_WORDS};
_Static_assert(HM_ARRAY_LEN(on_error_words) == HM_ON_ERROR_ABORT + 1,
               "a word for each value");

uint32_t hm_sizemap_get(const struct hm_sizemap *m, size_t size)
{
    uint32_t last = __atomic_load_n(&m->entries, __ATOMIC_RELAXED) - 1;
    uint32_t i = 0;

    while (i < last && size > __atomic_load_n(&m->upto[i], __ATOMIC_RELAXED))
        i++;
    return __atomic_load_n(&m->count[i], __ATOMIC_RELAXED);
}

/* Names ------------------------------------------------------------------------------ */

enum hm_option_id hm_option_find(const char *name, size_t len)
{
    enum hm_option_id id = 0;

    for (; id < HM_OPTION_COUNT; id++) {
        const char *known = hm_option_table[id].name;

        if (strlen(known) == len && memcmp(known, name, len) == 0)
            break;
    }
    return id;
}

HM_COLD enum hm_option_id hm_option_nearest(const char *name, size_t len)
{
    enum hm_option_id best = HM_OPTION_COUNT;
    size_t best_distance = SIZE_MAX;

    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        const char *known = hm_option_table[id].name;
        size_t distance = hm_text_distance(name, len, known, strlen(known));

        if (distance < best_distance && hm_text_is_near(distance, len)) {
            best = id;
            best_distance = distance;
        }
    }
    return best;
}

/* Fields ----------------------------------------------------------------------------- */

static void *field_of(struct hm_options *o, enum hm_option_id id)
{
    return (char *)o + hm_option_table[id].offset;
}

static const void *const_field_of(const struct hm_options *o, enum hm_option_id id)
{
    return (const char *)o + hm_option_table[id].offset;
}

static void store_u32(uint32_t *to, uint32_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

/* Every type but SIZEMAP is a number inside. */
static void store_number(struct hm_options *o, enum hm_option_id id, uint64_t value)
{
    void *field = field_of(o, id);

    switch (hm_option_table[id].type) {
    case HM_OPTION_SIZE:
    case HM_OPTION_MEMORY:
    case HM_OPTION_TIME:
        __atomic_store_n((hm_option_number *)field, value, __ATOMIC_RELAXED);
        break;
    case HM_OPTION_POW2:
        __atomic_store_n((size_t *)field, (size_t)value, __ATOMIC_RELAXED);
        break;
    case HM_OPTION_BOOL:
        __atomic_store_n((bool *)field, value != 0, __ATOMIC_RELAXED);
        break;
    default:
        store_u32(field, (uint32_t)value);
    }
}

static uint64_t load_number(const struct hm_options *o, enum hm_option_id id)
{
    const void *field = const_field_of(o, id);

    switch (hm_option_table[id].type) {
    case HM_OPTION_SIZE:
    case HM_OPTION_MEMORY:
    case HM_OPTION_TIME:
        return __atomic_load_n((const hm_option_number *)field, __ATOMIC_RELAXED);
    case HM_OPTION_POW2:
        return __atomic_load_n((const size_t *)field, __ATOMIC_RELAXED);
    case HM_OPTION_BOOL:
        return __atomic_load_n((const bool *)field, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const uint32_t *)field, __ATOMIC_RELAXED);
    }
}

static void store_sizemap(struct hm_sizemap *to, const struct hm_sizemap *from)
{
    const uint32_t last = from->entries - 1;

    for (uint32_t i = 0; i < HM_SIZEMAP_MAX; i++) {
        const uint32_t source = i < last ? i : last;

        store_u32(&to->upto[i], from->upto[source]);
        store_u32(&to->count[i], from->count[source]);
    }
    store_u32(&to->entries, from->entries);
}

HM_COLD void hm_option_copy(struct hm_options *to, const struct hm_options *from,
                            enum hm_option_id id)
{
    if (hm_option_table[id].type == HM_OPTION_SIZEMAP)
        store_sizemap(field_of(to, id), const_field_of(from, id));
    else
        store_number(to, id, load_number(from, id));
}

/* Numbers with units ----------------------------------------------------------------- */

struct unit {
    char name[8]; /* "" where a bare number has a meaning */
    uint64_t factor;
};

/* In each list, the names to write stand first, from small to large. */
static const struct unit size_units[] = {
    {"", 1},
    {"K", 1ull << 10},
    {"M", 1ull << 20},
    {"G", 1ull << 30},
    {"T", 1ull << 40},
    {"KB", 1ull << 10},
    {"MB", 1ull << 20},
    {"GB", 1ull << 30},
    {"TB", 1ull << 40},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
};
static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
static const struct unit no_units[] = {{"", 1}};

/* A family of types that share units and wording. */
struct measure {
    const struct unit *units;
    size_t known;   /* units that are understood */
    size_t written; /* units that are used for writing */
    const char *mismatch;
};
static const struct measure size_measure = {size_units, HM_ARRAY_LEN(size_units), 5,
                                            "is not a size"};
static const struct measure time_measure = {time_units, HM_ARRAY_LEN(time_units), 4,
                                            "is not a time"};
static const struct measure int_measure = {no_units, 1, 1, "is not a whole number"};

static const struct measure *measure_of(enum hm_option_type type)
{
    switch (type) {
    case HM_OPTION_SIZE:
    case HM_OPTION_MEMORY:
    case HM_OPTION_POW2:
        return &size_measure;
    case HM_OPTION_TIME:
        return &time_measure;
    default:
        return &int_measure;
    }
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

static bool same_word(const char *word, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (word[i] == '\0' || lower(word[i]) != lower(s[i]))
            return false;
    }
    return word[len] == '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits and a unit. Returns NULL, or what is wrong. */
static const char *scan_number(const struct measure *measure, const char *s, size_t len,
                               uint64_t *out)
{
    uint64_t value = 0;
    bool overflow = false;
    size_t i = 0;

    for (; i < len && is_digit(s[i]); i++) {
        overflow |= __builtin_mul_overflow(value, 10u, &value);
        overflow |= __builtin_add_overflow(value, (unsigned)(s[i] - '0'), &value);
    }
    if (i == 0)
        return measure->mismatch;
    for (size_t u = 0; u < measure->known; u++) {
        if (!same_word(measure->units[u].name, s + i, len - i))
            continue;
        overflow |= __builtin_mul_overflow(value, measure->units[u].factor, out);
        return overflow ? "is too large" : NULL;
    }
    if (i < len)
        return measure->mismatch;
    *out = 0; /* nothing is the same in every unit */
    return value == 0 && !overflow ? NULL : "has no unit";
}

static uint64_t scan_bound(const struct measure *measure, const char *bound)
{
    uint64_t value = 0;

    scan_number(measure, bound, strlen(bound), &value);
    return value;
}

/* A percentage, its sign cut off. What it amounts to is the machine's business, so it is
 * brought into the option's range rather than refused, and rounded down to what people
 * can read. */
HM_COLD static const char *parse_share(const struct hm_option_info *info, const char *s,
                                       size_t len, uint64_t *out)
{
    const uint64_t grain = 64 * HM_KIB;
    const uint64_t min = scan_bound(&size_measure, info->min);
    const uint64_t max = scan_bound(&size_measure, info->max);
    uint64_t percent;

    if (scan_number(&int_measure, s, len, &percent) != NULL)
        return "is not a percentage";
    if (percent > 100)
        return "is more than 100%";
    *out = hm_memlimit() / 100 * percent / grain * grain;
    if (*out < min)
        *out = min;
    if (*out > max)
        *out = max;
    return NULL;
}

/* `trusted`: the value is within its bounds. */
static const char *parse_number(const struct hm_option_info *info, const char *s,
                                size_t len, bool trusted, uint64_t *out)
{
    const struct measure *measure = measure_of(info->type);
    const char *wrong;

    if (info->type == HM_OPTION_MEMORY && len > 0 && s[len - 1] == '%')
        return parse_share(info, s, len - 1, out);
    wrong = scan_number(measure, s, len, out);
    if (wrong != NULL || trusted)
        return wrong;
    if (*out < scan_bound(measure, info->min))
        return "is too small";
    if (*out > scan_bound(measure, info->max))
        return "is too large";
    if (info->type == HM_OPTION_POW2 && !hm_is_pow2(hm_clamp(*out)))
        return "is not a power of two";
    return NULL;
}

HM_COLD static void put_number(const struct measure *measure, uint64_t value,
                               struct hm_text *out)
{
    const struct unit *best = &measure->units[0];

    for (size_t u = 1; value != 0 && u < measure->written; u++) {
        if (value % measure->units[u].factor == 0)
            best = &measure->units[u];
    }
    hm_text_printf(out, "%" PRIu64 "%s", value / best->factor,
                   value == 0 ? "" : best->name);
}

/* Words ------------------------------------------------------------------------------ */

/* What is false and what is true, in turn. */
static const char *const bool_words[] = {"no",    "yes",  "off", "on",
                                         "false", "true", "0",   "1"};

static const char *parse_bool(const char *s, size_t len, uint64_t *out)
{
    for (size_t i = 0; i < HM_ARRAY_LEN(bool_words); i++) {
        if (same_word(bool_words[i], s, len)) {
            *out = i % 2;
            return NULL;
        }
    }
    return "is neither yes nor no";
}

static const char *const *words_of(enum hm_option_type type, size_t *count)
{
    switch (type) {
    case HM_OPTION_ENUM_THP:
        *count = HM_ARRAY_LEN(thp_words);
        return thp_words;
    case HM_OPTION_ENUM_CHECK:
        *count = HM_ARRAY_LEN(check_words);
        return check_words;
    case HM_OPTION_ENUM_ON_ERROR:
        *count = HM_ARRAY_LEN(on_error_words);
        return on_error_words;
    case HM_OPTION_BOOL:
        *count = HM_ARRAY_LEN(bool_words);
        return bool_words;
    default:
        *count = 0;
        return NULL;
    }
}

HM_COLD const char *hm_option_word(enum hm_option_id id, size_t i)
{
    size_t count;
    const char *const *words = words_of(hm_option_table[id].type, &count);

    return i < count ? words[i] : NULL;
}

static const char *parse_enum(enum hm_option_type type, const char *s, size_t len,
                              uint64_t *out)
{
    size_t count;
    const char *const *names = words_of(type, &count);

    for (size_t i = 0; i < count; i++) {
        if (same_word(names[i], s, len)) {
            *out = i;
            return NULL;
        }
    }
    return "is not one of its values";
}

/* Size maps -------------------------------------------------------------------------- */

enum { UPTO_MAX = 1 << 30 }; /* any block size that a thread cache could hold, and more */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Reads one "size:count" into entry map->entries. */
static const char *parse_pair(const struct hm_option_info *info, const char *s,
                              size_t len, bool trusted, struct hm_sizemap *map)
{
    const char *colon = memchr(s, ':', len);
    const uint32_t i = map->entries;
    uint64_t upto, count;

    if (colon == NULL)
        return "is not size:count";
    if (scan_number(&size_measure, s, (size_t)(colon - s), &upto) != NULL)
        return "does not begin with a size";
    if (scan_number(&int_measure, colon + 1, (size_t)(s + len - colon - 1), &count) !=
        NULL)
        return "does not end with a count";
    if (upto == 0 || upto > UPTO_MAX)
        return "has a size out of range";
    if (!trusted && (count < scan_bound(&int_measure, info->min) ||
                     count > scan_bound(&int_measure, info->max)))
        return "has a count out of range";
    if (i == HM_SIZEMAP_MAX)
        return "is one pair too many";
    if (i > 0 && upto <= map->upto[i - 1])
        return "is not above the size before it";
    map->upto[i] = (uint32_t)upto;
    map->count[i] = (uint32_t)count;
    map->entries++;
    return NULL;
}

static const char *parse_sizemap(const struct hm_option_info *info, const char *s,
                                 size_t len, bool trusted, struct hm_sizemap *map,
                                 struct hm_option_error *err)
{
    size_t i = 0;

    map->entries = 0;
    for (;;) {
        const char *wrong;
        size_t start;

        while (i < len && is_space(s[i]))
            i++;
        if (i == len)
            return map->entries > 0 ? NULL : "has no size:count";
        start = i;
        while (i < len && !is_space(s[i]))
            i++;
        wrong = parse_pair(info, s + start, i - start, trusted, map);
        if (wrong != NULL) {
            err->at = start;
            err->len = i - start;
            return wrong;
        }
    }
}

HM_COLD static void put_sizemap(const struct hm_sizemap *map, struct hm_text *out)
{
    const uint32_t entries = __atomic_load_n(&map->entries, __ATOMIC_RELAXED);

    for (uint32_t i = 0; i < entries; i++) {
        hm_text_printf(out, "%s", i > 0 ? " " : "");
        put_number(&size_measure, __atomic_load_n(&map->upto[i], __ATOMIC_RELAXED), out);
        hm_text_printf(out, ":%u", __atomic_load_n(&map->count[i], __ATOMIC_RELAXED));
    }
}

/* Values ----------------------------------------------------------------------------- */

static bool parse(struct hm_options *o, enum hm_option_id id, const char *s, size_t len,
                  bool trusted, struct hm_option_error *err)
{
    const struct hm_option_info *info = &hm_option_table[id];
    struct hm_option_error found = {.at = 0, .len = len};
    struct hm_sizemap map = {.entries = 1};
    uint64_t number = 0;

    switch (info->type) {
    case HM_OPTION_SIZEMAP:
        found.what = parse_sizemap(info, s, len, trusted, &map, &found);
        break;
    case HM_OPTION_BOOL:
        found.what = parse_bool(s, len, &number);
        break;
    case HM_OPTION_ENUM_THP:
    case HM_OPTION_ENUM_CHECK:
    case HM_OPTION_ENUM_ON_ERROR:
        found.what = parse_enum(info->type, s, len, &number);
        break;
    default:
        found.what = parse_number(info, s, len, trusted, &number);
    }
    if (found.what != NULL) {
        if (err != NULL)
            *err = found;
        return false;
    }
    if (info->type == HM_OPTION_SIZEMAP)
        store_sizemap(field_of(o, id), &map);
    else
        store_number(o, id, number);
    return true;
}

bool hm_option_parse(struct hm_options *o, enum hm_option_id id, const char *s,
                     size_t len, struct hm_option_error *err)
{
    return parse(o, id, s, len, false, err);
}

/* Every process does this. That each default is valid is known (tests/unit). */
void hm_option_defaults(struct hm_options *o)
{
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        const char *def = hm_option_table[id].def;

        parse(o, id, def, strlen(def), true, NULL);
    }
}

HM_COLD void hm_option_format(const struct hm_options *o, enum hm_option_id id,
                              struct hm_text *out)
{
    const enum hm_option_type type = hm_option_table[id].type;
    size_t count;

    switch (type) {
    case HM_OPTION_SIZEMAP:
        put_sizemap(const_field_of(o, id), out);
        break;
    case HM_OPTION_BOOL:
        hm_text_printf(out, "%s", load_number(o, id) != 0 ? "yes" : "no");
        break;
    case HM_OPTION_ENUM_THP:
    case HM_OPTION_ENUM_CHECK:
    case HM_OPTION_ENUM_ON_ERROR:
        hm_text_printf(out, "%s", words_of(type, &count)[load_number(o, id)]);
        break;
    default:
        put_number(measure_of(type), load_number(o, id), out);
    }
}

HM_COLD static void put_words(enum hm_option_type type, struct hm_text *out)
{
    size_t count;
    const char *const *names = words_of(type, &count);

    for (size_t i = 0; i < count; i++)
        hm_text_printf(out, "%s%s",
                       i == 0          ? ""
                       : i + 1 < count ? ", "
                                       : " or ",
                       names[i]);
}

HM_COLD void hm_option_expected(enum hm_option_id id, struct hm_text *out)
{
    const struct hm_option_info *info = &hm_option_table[id];

    switch (info->type) {
    case HM_OPTION_SIZE:
        hm_text_printf(out, "a size from %s to %s, as in 64K or 2M", info->min,
                       info->max);
        break;
    case HM_OPTION_MEMORY:
        hm_text_printf(out, "a size from %s to %s, as in 64K or 2M, or a percentage",
                       info->min, info->max);
        break;
    case HM_OPTION_POW2:
        hm_text_printf(out, "a power of two from %s to %s", info->min, info->max);
        break;
    case HM_OPTION_TIME:
        hm_text_printf(out, "a time from %s to %s, as in 500ms or 10s", info->min,
                       info->max);
        break;
    case HM_OPTION_INT:
        hm_text_printf(out, "a whole number from %s to %s", info->min, info->max);
        break;
    case HM_OPTION_BOOL:
        hm_text_printf(out, "yes or no");
        break;
    case HM_OPTION_ENUM_THP:
    case HM_OPTION_ENUM_CHECK:
    case HM_OPTION_ENUM_ON_ERROR:
        put_words(info->type, out);
        break;
    case HM_OPTION_SIZEMAP:
        hm_text_printf(out,
                       "at most %d ascending pairs size:count, counts from %s to %s, "
                       "as in 64:128 1K:32",
                       HM_SIZEMAP_MAX, info->min, info->max);
        break;
    }
}
