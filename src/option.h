/* SPDX-License-Identifier: MIT */
/* option: the option table (option.def) as a struct, and values from and to text.
 *
 * I1. A field of a struct hm_options only ever holds a value that its option can take:
 *     it comes from hm_option_defaults, hm_option_parse or hm_option_copy.
 * I2. Fields are written and, when LIVE, read by relaxed accesses of one word, so that
 * any thread may read an option while another sets it. */
#ifndef HM_OPTION_H
#define HM_OPTION_H

#include "base.h"
#include "text.h"

/* A number that depends on block size: entry i holds for sizes up to upto[i]; beyond the
 * last, its count holds. */
#define HM_SIZEMAP_MAX 8
struct hm_sizemap {
    uint32_t entries; /* 1 … HM_SIZEMAP_MAX; those beyond repeat the last, so
                         that a reader may see a mix of two values (I2) */
    uint32_t upto[HM_SIZEMAP_MAX]; /* bytes, ascending */
    uint32_t count[HM_SIZEMAP_MAX];
};
uint32_t hm_sizemap_get(const struct hm_sizemap *m, size_t size);

/* Values that are words, and the words, in the same order. */
enum hm_thp { HM_THP_NEVER, HM_THP_INHERIT, HM_THP_ADVISE };
#define HM_THP_WORDS "never", "inherit", "advise"
enum hm_check { HM_CHECK_DEFAULT, HM_CHECK_FULL };
#define HM_CHECK_WORDS "default", "full"
enum hm_on_error { HM_ON_ERROR_IGNORE, HM_ON_ERROR_WARN, HM_ON_ERROR_ABORT };
#define HM_ON_ERROR_WORDS "ignore", "warn", "abort"

/* A file serves programs of 64 and of 32 bits, so both keep what it says. Atomic access
 * needs an alignment that not every ABI gives to 64 bits. */
typedef uint64_t hm_option_number __attribute__((aligned(8)));

#define HM_TYPE_SIZE hm_option_number
#define HM_TYPE_MEMORY hm_option_number
#define HM_TYPE_POW2 size_t
#define HM_TYPE_TIME hm_option_number
#define HM_TYPE_INT uint32_t
#define HM_TYPE_BOOL bool
#define HM_TYPE_ENUM_THP uint32_t
#define HM_TYPE_ENUM_CHECK uint32_t
#define HM_TYPE_ENUM_ON_ERROR uint32_t
#define HM_TYPE_SIZEMAP struct hm_sizemap

struct hm_options {
#define HM_OPTION(name, type, def, min, max, when, sentence) HM_TYPE_##type name;
#include "option.def"
#undef HM_OPTION
};

enum hm_option_id {
#define HM_OPTION(name, type, def, min, max, when, sentence) HM_OPT_##name,
#include "option.def"
#undef HM_OPTION
    HM_OPTION_COUNT
};

/* START options: const after hm_conf_load. LIVE options: [any] through HM_LIVE. */
extern HM_HIDDEN struct hm_options hm_opt;

/* The present value of a LIVE option of one word. Relaxed: an option orders nothing. */
#define HM_LIVE(name) __atomic_load_n(&hm_opt.name, __ATOMIC_RELAXED)

enum hm_option_type {
    HM_OPTION_SIZE,
    HM_OPTION_MEMORY,
    HM_OPTION_POW2,
    HM_OPTION_TIME,
    HM_OPTION_INT,
    HM_OPTION_BOOL,
    HM_OPTION_ENUM_THP,
    HM_OPTION_ENUM_CHECK,
    HM_OPTION_ENUM_ON_ERROR,
    HM_OPTION_SIZEMAP
};

enum hm_option_when { HM_OPTION_START, HM_OPTION_LIVE };

/* A line of option.def. */
struct hm_option_info {
    const char *name;
    enum hm_option_type type;
    enum hm_option_when when;
    const char *def, *min, *max; /* text, as in hakmem.conf */
    const char *sentence;
    size_t offset; /* of its field in struct hm_options */
};
extern const struct hm_option_info hm_option_table[HM_OPTION_COUNT];

/* HM_OPTION_COUNT: no option has this name. */
enum hm_option_id hm_option_find(const char *name, size_t len);
/* The option that was probably meant by a name that is none; or HM_OPTION_COUNT. */
enum hm_option_id hm_option_nearest(const char *name, size_t len);

void hm_option_defaults(struct hm_options *o);
void hm_option_copy(struct hm_options *to, const struct hm_options *from,
                    enum hm_option_id id);

struct hm_option_error {
    size_t at;        /* offset of the trouble in the text */
    size_t len;       /* its length */
    const char *what; /* "is not a size": what is wrong about these characters */
};
/* Reads a value. On failure *o is unchanged and *err, unless NULL, says why. */
bool hm_option_parse(struct hm_options *o, enum hm_option_id id, const char *s,
                     size_t len, struct hm_option_error *err);
/* Writes a value as a person would in hakmem.conf; hm_option_parse reads it back. */
void hm_option_format(const struct hm_options *o, enum hm_option_id id,
                      struct hm_text *out);
#define HM_OPTION_TEXT_MAX ((size_t)192) /* enough for any value's text and its NUL */
/* The words that an option takes, by number; NULL: no more. */
const char *hm_option_word(enum hm_option_id id, size_t i);
/* Writes what an option takes: "a time from 0 to 1h, as in 500ms or 10s". */
void hm_option_expected(enum hm_option_id id, struct hm_text *out);

#endif
