/* SPDX-License-Identifier: MIT */
/* canary: what stands behind a block. Every byte of it, and every write that overflows
 * make: zero, and text. */
#include "layers.h"

#include "canary.h"

enum { SLOT = 256, BEFORE = 64 };

/* A slot, with the end of another in front. */
static _Alignas(64) char memory[BEFORE + SLOT];
static char *const slot = memory + BEFORE;

static void canaries_up(const char *conf)
{
    layers_up(conf);
    hm_random_init();
    hm_canary_init();
}

IN_CHILD(room_is_whole_words_of_which_few_are_seen_from_behind)
{
    static const struct {
        size_t redzone, room, kept;
    } rows[] = {{0, 0, 0},    {1, 8, 8},    {8, 8, 8},
                {20, 24, 24}, {32, 32, 32}, {100, 104, 32}};

    layers_up("");
    for (size_t i = 0; i < COUNT(rows); i++) {
        hm_opt.redzone = rows[i].redzone;
        hm_canary_init();
        REQUIRE(hm_canary_room == rows[i].room && hm_canary_kept == rows[i].kept);
    }
}

IN_CHILD(the_size_is_told_by_the_last_word)
{
    const size_t large = ((size_t)1 << 21) - 8;
    char *p = malloc(large);

    canaries_up("redzone = 32\n");
    REQUIRE(p != NULL);
    for (size_t size = 0; size <= SLOT - 32; size++) {
        hm_canary_set(slot, size, SLOT);
        REQUIRE(hm_canary_size(slot, SLOT) == size);
        REQUIRE(hm_canary_overrun(slot, size, SLOT) == HM_CANARY_NONE);
    }
    for (size_t size = 0; size <= large - 32; size = size * 3 + 1) {
        hm_canary_set(p, size, large);
        REQUIRE(hm_canary_size(p, large) == size);
    }
    free(p);
}

/* Is one byte of the slot's slack seen to be another one than it was? */
static bool is_seen(size_t size, size_t at)
{
    size_t told = hm_canary_size(slot, SLOT);
    return told == HM_CANARY_NONE ||
           (told == size && hm_canary_overrun(slot, size, SLOT) == at);
}

IN_CHILD(zero_or_text_behind_a_block_is_seen_and_where)
{
    canaries_up("redzone = 32\n");
    for (size_t size = 0; size <= SLOT - 32; size += size < 16 ? 1 : 23) {
        hm_canary_set(slot, size, SLOT);
        for (size_t at = size; at < SLOT; at++) {
            char was = slot[at];

            REQUIRE((was & 0x80) != 0);
            for (int c = 0; c < 128; c++) {
                slot[at] = (char)c;
                REQUIRE(is_seen(size, at));
            }
            slot[at] = was;
        }
        REQUIRE(hm_canary_size(slot, SLOT) == size);
    }
}

IN_CHILD(a_write_in_front_of_a_block_is_seen_and_how_far)
{
    canaries_up("redzone = 100\ncheck_freed = yes\n");
    /* In front is the end of a slot that was never used, then of a live block. */
    for (int live = 0; live < 2; live++) {
        if (live)
            hm_canary_set(memory, 0, BEFORE);
        REQUIRE(hm_canary_underrun(slot) == 0);
        for (size_t back = 1; back <= 32; back++) {
            char was = slot[-(ptrdiff_t)back];

            slot[-(ptrdiff_t)back] = 'x';
            REQUIRE(hm_canary_underrun(slot) == back);
            slot[-(ptrdiff_t)back] = was;
        }
        REQUIRE(hm_canary_underrun(slot) == 0);
    }
}

IN_CHILD(zero_in_front_of_a_block_is_seen_once_there_are_canaries)
{
    canaries_up("redzone = 32\ncheck_freed = yes\n");
    memset(memory, 0, sizeof memory);
    hm_canary_set_before(slot);
    REQUIRE(hm_canary_underrun(slot) == 0);
    for (size_t back = 1; back <= 32; back++) {
        char was = slot[-(ptrdiff_t)back];

        slot[-(ptrdiff_t)back] = '\0';
        size_t reach = hm_canary_underrun(slot);
        /* A word's first byte may have been zero, and all the others written to. */
        REQUIRE(reach == back || (back % 8 == 0 && reach == back - 1));
        slot[-(ptrdiff_t)back] = was;
    }
    REQUIRE(slot[-33] == '\0'); /* not more than is kept */
}

/* K4 */
IN_CHILD(free_memory_is_zero_or_fits_its_address)
{
    bool zero;

    canaries_up("redzone = 32\n");
    memset(slot, 0, SLOT);
    REQUIRE(hm_canary_touched(slot, SLOT, &zero) == HM_CANARY_NONE && zero);
    hm_canary_set(slot, 40, 128);
    hm_canary_set(slot + 128, 0, 128);
    memset(slot, 0, 40);
    REQUIRE(hm_canary_touched(slot, SLOT, &zero) == HM_CANARY_NONE && !zero);
    memset(slot, 0, SLOT);
    for (size_t at = 0; at < SLOT; at++) {
        slot[at] = 'x';
        REQUIRE(hm_canary_touched(slot, SLOT, &zero) == at && !zero);
        slot[at] = 0;
    }
    /* A canary of another address is none. */
    hm_canary_set(slot, 0, SLOT);
    memmove(slot, slot + 8, 8);
    REQUIRE(hm_canary_touched(slot, SLOT, &zero) < 8);
}

IN_CHILD(memory_without_a_last_word_is_verified_from_and_to_any_byte)
{
    canaries_up("redzone = 32\n");
    for (size_t from = 0; from < 20; from++)
        for (size_t to = from; to < 48; to++) {
            memset(slot, 'x', SLOT);
            hm_canary_fill(slot + from, slot + to);
            REQUIRE(all_bytes(slot, from, 'x') && all_bytes(slot + to, SLOT - to, 'x'));
            REQUIRE(hm_canary_changed(slot + from, slot + to) == HM_CANARY_NONE);
            for (size_t at = from; at < to; at++) {
                char was = slot[at];

                slot[at] = 'y';
                REQUIRE(hm_canary_changed(slot + from, slot + to) == at - from);
                slot[at] = was;
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_whole_words_of_which_few_are_seen_from_behind),
        cmocka_unit_test(the_size_is_told_by_the_last_word),
        cmocka_unit_test(zero_or_text_behind_a_block_is_seen_and_where),
        cmocka_unit_test(a_write_in_front_of_a_block_is_seen_and_how_far),
        cmocka_unit_test(zero_in_front_of_a_block_is_seen_once_there_are_canaries),
        cmocka_unit_test(free_memory_is_zero_or_fits_its_address),
        cmocka_unit_test(memory_without_a_last_word_is_verified_from_and_to_any_byte),
    };

    return RUN_TESTS(tests);
}
