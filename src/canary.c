/* SPDX-License-Identifier: MIT */
#include "canary.h"
#include "option.h"

#include <string.h>

#define WORD sizeof(uint64_t)
#define HIGH_BITS UINT64_C(0x8080808080808080)
/* Where the slack is: 21 bits. */
#define SLACK_BITS UINT64_C(0x7f7f7f)

size_t hm_canary_room, hm_canary_kept;

void hm_canary_init(void)
{
    hm_canary_room = hm_round_up(hm_clamp(hm_opt.redzone), WORD);
    hm_canary_kept = hm_min(hm_canary_room, HM_CANARY_KEPT_MAX);
}

static uint64_t word_at(const char *p)
{
    return hm_mix(hm_random_secret ^ (uintptr_t)p) | HIGH_BITS;
}

static uint64_t load(const char *p)
{
    return hm_load_relaxed((const _Atomic uint64_t *)(const void *)p);
}

static void store(char *p, uint64_t word)
{
    hm_store_relaxed((_Atomic uint64_t *)(void *)p, word);
}

static uint64_t spread(size_t slack)
{
    return (slack & 0x7f) | (slack & 0x3f80) << 1 | (slack & 0x1fc000) << 2;
}

static size_t gather(uint64_t bits)
{
    return (bits & 0x7f) | (bits >> 1 & 0x3f80) | (bits >> 2 & 0x1fc000);
}

/* Could a word that nobody wrote to be this one? (K3, K4) */
static bool fits(const char *p, uint64_t word)
{
    return word == 0 || ((word ^ word_at(p)) & ~SLACK_BITS) == 0;
}

/* The first byte of a word that differs from another, as memory has them. */
static size_t first_difference(uint64_t a, uint64_t b)
{
    unsigned char x[WORD], y[WORD];
    memcpy(x, &a, WORD);
    memcpy(y, &b, WORD);
    size_t i = 0;
    while (i < WORD - 1 && x[i] == y[i])
        i++;
    return i;
}

static const char *word_start(const char *p)
{
    return p - (uintptr_t)p % WORD;
}

void hm_canary_fill(char *from, char *to)
{
    while (from < to) {
        const char *start = word_start(from);
        uint64_t word = word_at(start);
        size_t skip = (size_t)(from - start);
        size_t n = hm_min(WORD - skip, (size_t)(to - from));
        if (n == WORD)
            store(from, word);
        else
            memcpy(from, (const char *)&word + skip, n);
        from += n;
    }
}

size_t hm_canary_changed(const char *from, const char *to)
{
    for (const char *p = from; p < to;) {
        const char *start = word_start(p);
        uint64_t word = word_at(start);
        size_t skip = (size_t)(p - start);
        size_t n = hm_min(WORD - skip, (size_t)(to - p));
        uint64_t is = word;
        if (n == WORD)
            is = load(p);
        else
            memcpy((char *)&is + skip, p, n);
        if (is != word)
            return (size_t)(start - from) + first_difference(is, word);
        p += n;
    }
    return HM_CANARY_NONE;
}

void hm_canary_set(char *slot, size_t size, size_t slot_size)
{
    char *last = slot + slot_size - WORD;
    hm_canary_fill(slot + size, last);
    store(last, word_at(last) ^ spread(slot_size - size));
}

void hm_canary_set_before(char *p)
{
    for (size_t back = WORD; back <= hm_canary_kept; back += WORD) {
        uint64_t zero = 0;
        if (load(p - back) == 0) /* whoever has that slot may set it, too: K3 */
            atomic_compare_exchange_strong_explicit(
                (_Atomic uint64_t *)(void *)(p - back), &zero, word_at(p - back),
                memory_order_relaxed, memory_order_relaxed);
    }
}

size_t hm_canary_size(const char *slot, size_t slot_size)
{
    const char *last = slot + slot_size - WORD;
    uint64_t bits = load(last) ^ word_at(last);
    size_t slack = gather(bits);
    if ((bits & ~SLACK_BITS) != 0 || slack < hm_canary_room || slack > slot_size)
        return HM_CANARY_NONE;
    return slot_size - slack;
}

size_t hm_canary_overrun(const char *slot, size_t size, size_t slot_size)
{
    const char *last = slot + slot_size - WORD;
    size_t at = hm_canary_changed(slot + size, last);
    return at == HM_CANARY_NONE ? HM_CANARY_NONE : size + at;
}

size_t hm_canary_underrun(const char *p)
{
    size_t reach = 0;
    for (size_t back = WORD; back <= hm_canary_kept; back += WORD) {
        uint64_t word = load(p - back);
        if (fits(p - back, word))
            continue;
        size_t was_canary =
            first_difference(word | SLACK_BITS, word_at(p - back) | SLACK_BITS);
        reach = back - hm_max(was_canary, first_difference(word, 0));
    }
    return reach;
}

size_t hm_canary_touched(const char *p, size_t size, bool *zero)
{
    *zero = true;
    for (size_t at = 0; at < size; at += WORD) {
        uint64_t word = load(p + at); /* who has the next slot may set it: K3 */
        if (HM_LIKELY(word == 0))
            continue;
        *zero = false;
        if (!fits(p + at, word))
            return at + first_difference(word, 0);
    }
    return HM_CANARY_NONE;
}
