/* SPDX-License-Identifier: MIT */
#include "text.h"

#include "sys.h"
#include <string.h>

void hm_text_init(struct hm_text *t, char *buf, size_t cap, int fd)
{
    *t = (struct hm_text){.buf = buf, .cap = cap, .fd = fd};
}

void hm_text_put(struct hm_text *t, const char *s, size_t n)
{
    /* Without a file one byte is kept for the terminating NUL. */
    const size_t limit = t->fd < 0 ? t->cap - 1 : t->cap;

    while (n > 0) {
        size_t part = hm_min(n, limit - t->len);

        memcpy(t->buf + t->len, s, part);
        t->len += part;
        s += part;
        n -= part;
        if (n > 0 && t->fd < 0) {
            t->truncated = true;
            return;
        }
        if (n > 0)
            hm_text_flush(t);
    }
}

void hm_text_flush(struct hm_text *t)
{
    if (t->fd < 0) {
        t->buf[t->len] = '\0';
        return;
    }
    hm_sys_write_all(t->fd, t->buf, t->len);
    t->len = 0;
}

static void put_padding(struct hm_text *t, size_t used, size_t width)
{
    for (; used < width; used++)
        hm_text_put(t, " ", 1);
}

static void put_padded(struct hm_text *t, const char *s, size_t n, size_t width,
                       bool left)
{
    if (!left)
        put_padding(t, n, width);
    hm_text_put(t, s, n);
    if (left)
        put_padding(t, n, width);
}

enum { NUMBER_MAX = 24 }; /* digits of 2^64, sign, "0x" */

/* Writes backwards from end; returns the first character. */
static char *put_digits(char *end, unsigned long long value, unsigned base)
{
    do {
        *--end = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    return end;
}

/* One conversion: what stands between '%' and its letter. */
struct spec {
    bool left;
    unsigned longs;
    int precision; /* -1: none */
    size_t width;
};

static const char *parse_spec(const char *f, struct spec *spec, va_list *args)
{
    *spec = (struct spec){.precision = -1};
    if (*f == '-') {
        spec->left = true;
        f++;
    }
    for (; *f >= '0' && *f <= '9'; f++)
        spec->width = spec->width * 10 + (size_t)(*f - '0');
    if (f[0] == '.' && f[1] == '*') {
        spec->precision = va_arg(*args, int);
        f += 2;
    }
    for (; *f == 'l' || *f == 'z'; f++)
        spec->longs++;
    return f;
}

static unsigned long long next_unsigned(unsigned longs, va_list *args)
{
    if (longs > 1)
        return va_arg(*args, unsigned long long);
    return longs > 0 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);
}

static char *convert_number(char *end, char letter, unsigned longs, va_list *args)
{
    char *start;
    long long value;

    switch (letter) {
    case 'd':
        value = longs > 1   ? va_arg(*args, long long)
                : longs > 0 ? va_arg(*args, long)
                            : va_arg(*args, int);
        start = put_digits(
            end, value < 0 ? -(unsigned long long)value : (unsigned long long)value, 10);
        if (value < 0)
            *--start = '-';
        return start;
    case 'p':
        start = put_digits(end, (unsigned long)(uintptr_t)va_arg(*args, void *), 16);
        *--start = 'x';
        *--start = '0';
        return start;
    case 'x':
        return put_digits(end, next_unsigned(longs, args), 16);
    default: /* 'u' */
        return put_digits(end, next_unsigned(longs, args), 10);
    }
}

static size_t length_up_to(const char *s, int precision)
{
    return precision < 0 ? strlen(s) : strnlen(s, (size_t)precision);
}

void hm_text_vprintf(struct hm_text *t, const char *fmt, va_list *args)
{
    char number[NUMBER_MAX];

    for (const char *f = fmt; *f != '\0'; f++) {
        const char *plain = f;
        const char *s;
        struct spec spec;

        while (*f != '\0' && *f != '%')
            f++;
        hm_text_put(t, plain, (size_t)(f - plain));
        if (*f == '\0')
            return;
        f = parse_spec(f + 1, &spec, args);
        switch (*f) {
        case '%':
            hm_text_put(t, "%", 1);
            break;
        case 'c':
            number[0] = (char)va_arg(*args, int);
            put_padded(t, number, 1, spec.width, spec.left);
            break;
        case 's':
            s = va_arg(*args, const char *);
            put_padded(t, s, length_up_to(s, spec.precision), spec.width, spec.left);
            break;
        default:
            s = convert_number(number + NUMBER_MAX, *f, spec.longs, args);
            put_padded(t, s, (size_t)(number + NUMBER_MAX - s), spec.width, spec.left);
        }
    }
}

void hm_text_printf(struct hm_text *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    hm_text_vprintf(t, fmt, &args);
    va_end(args);
}

HM_COLD void hm_text_put_quoted(struct hm_text *t, const char *s, size_t n)
{
    const size_t shown = hm_min(n, HM_TEXT_QUOTED_MAX);

    hm_text_put(t, "\"", 1);
    for (size_t i = 0; i < shown; i++)
        hm_text_put(t, s[i] >= ' ' && s[i] <= '~' ? &s[i] : "?", 1);
    hm_text_put(t, "...\"", n > shown ? 3 : 0);
    hm_text_put(t, "\"", 1);
}

HM_COLD size_t hm_text_distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned char
        row[HM_TEXT_WORD_MAX + 1]; /* of the matrix of Levenshtein's algorithm */

    if (na > HM_TEXT_WORD_MAX || nb > HM_TEXT_WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++)
        row[j] = (unsigned char)j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];

        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= nb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t insert_or_delete = hm_min(row[j], row[j - 1]) + 1u;

            diagonal = row[j];
            row[j] = (unsigned char)hm_min(change, insert_or_delete);
        }
    }
    return row[nb];
}

bool hm_text_is_near(size_t distance, size_t length)
{
    return distance <= hm_max(1, length / 3);
}
