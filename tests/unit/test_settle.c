/* SPDX-License-Identifier: MIT */
/* home, settle: how threads come by homes, hand them on, and part. */
#include "slab_blocks.h"

#include "settle.h"

static struct hm_front fronts[HM_HOMES + 1];
static struct hm_settle threads[HM_HOMES + 1];

static struct hm_settle *begin(size_t i)
{
    threads[i].front = &fronts[i];
    hm_settle_begin(&threads[i]);
    return &threads[i];
}

/* `n` frees of blocks that `home` is the home of. True: the thread moved. */
static bool frees(struct hm_settle *s, unsigned home, unsigned n)
{
    struct hm_slab *slab = adopt(0);
    bool moved = false;

    REQUIRE(hm_slab_take(slab, slots, 1, false) == 1);
    hm_store_relaxed(&slab->home, (uint8_t)home);
    for (unsigned i = 0; i < n && hm_settle_is_looking(s); i++)
        moved = hm_settle_look(s, slots[0].block) || moved;
    hm_slab_give(slots, 1);
    hm_slab_let_go(slab);
    return moved;
}

static bool mallocs(struct hm_settle *s)
{
    bool moved = false;

    while (hm_settle_is_looking(s))
        moved = hm_settle_look(s, NULL) || moved;
    return moved;
}

/* A strict thread frees `n` blocks, `own` of 256 of which are of its home, evenly. */
static void strict_frees(struct hm_settle *s, unsigned n, unsigned own)
{
    unsigned home = s->home;

    for (unsigned i = 0; i < n; i++) {
        bool is_own = (i + 1) * own / 256 != i * own / 256;

        REQUIRE(hm_settle_is_strict(s) && s->home == home);
        hm_store_relaxed(&hm_slab_of(slots[is_own].block)->home,
                         (uint8_t)(is_own ? home : home + 1));
        REQUIRE(hm_settle_sends_home(s, slots[is_own].block) == !is_own);
    }
}

/* It has become strict, and a block of another home and one of its own can be freed. */
static struct hm_settle *strict(void)
{
    layers_up("shards = 1\n" CONF);
    struct hm_settle *s = begin(0);

    REQUIRE(!mallocs(s) && !hm_settle_is_strict(s));
    for (unsigned i = 0; i < 2; i++)
        REQUIRE(hm_slab_take(adopt(0), &slots[i], 1, false) == 1);
    hm_settle_be_strict(s);
    REQUIRE(hm_settle_is_strict(s) && !hm_settle_wants_own(s));
    return s;
}

static bool owns(const struct hm_settle *s)
{
    return s->home != HM_HOME_NONE && hm_home_owner(s->home) == s;
}

/* The slow paths of a guest, until it does something. */
static bool waits(struct hm_settle *s)
{
    for (int i = 0; i < 100 && hm_settle_is_guest(s); i++)
        if (hm_settle_wait(s))
            return true;
    return false;
}

static struct hm_slot place;

/* What an owner's bins look like when it has done something. */
static void goes_on(struct hm_settle *s)
{
    hm_store_relaxed(&s->front->top[7], &place);
}

IN_CHILD(every_thread_has_a_home_of_its_own_while_there_are_some)
{
    bool taken[HM_HOMES] = {false};

    layers_up("shards = 1\n" CONF);
    for (size_t i = 0; i < HM_HOMES - 1; i++) {
        struct hm_settle *s = begin(i);

        REQUIRE(owns(s) && !taken[s->home]);
        taken[s->home] = true;
        REQUIRE(!mallocs(s) && owns(s) && !hm_settle_is_guest(s));
    }
    struct hm_settle *late = begin(HM_HOMES - 1);

    REQUIRE(late->home == HM_HOME_NONE && !mallocs(late) && !hm_settle_is_guest(late));
    unsigned left = threads[3].home;

    hm_settle_end(&threads[3]);
    REQUIRE(hm_home_owner(left) == NULL);
    REQUIRE(begin(HM_HOMES)->home == left);
}

IN_CHILD(what_was_owned_last_is_found_last)
{
    layers_up("shards = 1\n" CONF);
    unsigned left = begin(0)->home;

    hm_settle_end(&threads[0]);
    for (size_t i = 1; i < HM_HOMES - 1; i++)
        REQUIRE(begin(i)->home != left);
    REQUIRE(begin(HM_HOMES - 1)->home == left);
}

IN_CHILD(who_frees_a_dead_threads_blocks_takes_over_its_home)
{
    layers_up("shards = 1\n" CONF);
    unsigned left = begin(0)->home;
    struct hm_settle *s = begin(1);
    unsigned own = s->home;

    REQUIRE(!mallocs(&threads[0]));
    hm_settle_end(&threads[0]);
    REQUIRE(frees(s, left, 4) && s->home == left && owns(s));
    REQUIRE(hm_home_owner(own) == NULL);
}

IN_CHILD(an_inherited_home_is_kept_unless_others_blocks_are_freed)
{
    layers_up("shards = 1\n" CONF);
    struct hm_settle *s = begin(0), *other = begin(1);
    unsigned former = s->home, left = other->home;

    REQUIRE(!mallocs(s));
    hm_settle_end(s);
    REQUIRE(hm_settle_begin(s) && !owns(s)); /* to be seen */
    REQUIRE(!mallocs(s) && s->home == former && owns(s));
    hm_settle_end(s);
    REQUIRE(hm_settle_begin(s) && !frees(s, former, 4) && s->home == former && owns(s));
    hm_settle_end(s);
    hm_settle_end(other);
    REQUIRE(hm_settle_begin(s) && frees(s, left, 4) && s->home == left && owns(s));
    REQUIRE(hm_home_owner(former) == NULL);
}

IN_CHILD(who_frees_ever_fewer_of_others_is_strict_until_hardly_any_are_left)
{
    struct hm_settle *s = strict();

    strict_frees(s, 512, 0); /* what was in the bins; it proves nothing */
    REQUIRE(!hm_settle_wants_own(s));
    strict_frees(s, 256, 30);
    for (unsigned own = 50; own < 250; own += 50) {
        REQUIRE(hm_settle_wants_own(s));
        strict_frees(s, 1024, own);
    }
    REQUIRE(hm_settle_is_strict(s));
    strict_frees(s, 1024, 252);
    REQUIRE(!hm_settle_is_strict(s) && !hm_settle_wants_own(s));
    REQUIRE(owns(s) && hm_settle_is_sorted(s));
}

IN_CHILD(who_frees_no_fewer_of_others_than_before_goes_on_as_it_was)
{
    struct hm_settle *s = strict();

    strict_frees(s, 512 + 256, 150);
    strict_frees(s, 1024, 200);
    strict_frees(s, 1024, 201);
    REQUIRE(!hm_settle_is_strict(s) && owns(s) && !hm_settle_is_sorted(s));
}

IN_CHILD(who_frees_hardly_any_of_others_is_not_strict_for_long)
{
    struct hm_settle *s = strict();

    strict_frees(s, 512 + 256, 250);
    REQUIRE(!hm_settle_is_strict(s) && owns(s) && hm_settle_is_sorted(s));
}

IN_CHILD(who_goes_on_freeing_mostly_others_blocks_gives_its_home_up)
{
    struct hm_settle *s = strict();
    unsigned home = s->home;

    strict_frees(s, 512 + 256, 50);
    strict_frees(s, 1024, 100);
    strict_frees(s, 1024, 102);
    REQUIRE(!hm_settle_is_strict(s) && s->home == HM_HOME_NONE);
    REQUIRE(hm_home_owner(home) == NULL);
}

IN_CHILD(a_home_that_was_given_up_is_the_next_threads_to_keep)
{
    struct hm_settle *s = strict();
    unsigned former = s->home;

    strict_frees(s, 512 + 256, 5);
    REQUIRE(!hm_settle_is_strict(s));
    REQUIRE(s->home == HM_HOME_NONE && !hm_settle_is_guest(s));
    REQUIRE(hm_home_owner(former) == NULL); /* its slabs may be anybody's */
    hm_settle_end(s);
    REQUIRE(hm_settle_begin(s)); /* to be seen */
    REQUIRE(!mallocs(s) && s->home == former && owns(s));
}

IN_CHILD(the_majority_decides)
{
    layers_up("shards = 1\n" CONF);
    unsigned few = begin(0)->home, many = begin(1)->home;
    struct hm_settle *s = begin(2);

    hm_settle_end(&threads[0]);
    hm_settle_end(&threads[1]);
    REQUIRE(!frees(s, few, 3) && !frees(s, many, 7) && hm_settle_is_looking(s));
    REQUIRE(frees(s, many, 1) && s->home == many && owns(s));
}

IN_CHILD(a_guest_takes_the_home_of_an_owner_that_stands_still)
{
    layers_up("shards = 1\n" CONF);
    struct hm_settle *owner = begin(0), *guest = begin(1);

    REQUIRE(!mallocs(owner));
    REQUIRE(frees(guest, owner->home, 8) && guest->home == owner->home);
    REQUIRE(hm_settle_is_guest(guest) && owns(owner));
    REQUIRE(!waits(guest) && owns(guest) && guest->home == owner->home);
    REQUIRE(hm_settle_is_guest(owner)); /* if it should ever go on */
    hm_settle_end(owner);
    REQUIRE(owns(guest));
}

IN_CHILD(a_guest_leaves_an_owner_that_goes_on)
{
    layers_up("shards = 1\n" CONF);
    struct hm_settle *owner = begin(0), *guest = begin(1);

    REQUIRE(!mallocs(owner) && frees(guest, owner->home, 8));
    goes_on(owner);
    REQUIRE(waits(guest) && owns(guest) && owns(owner) && guest->home != owner->home);
}

IN_CHILD(a_guest_follows_an_owner_that_ends)
{
    layers_up("shards = 1\n" CONF);
    struct hm_settle *owner = begin(0), *guest = begin(1);

    REQUIRE(!mallocs(owner) && frees(guest, owner->home, 8));
    goes_on(owner);
    hm_settle_end(owner);
    REQUIRE(!waits(guest) && owns(guest));
}

IN_CHILD(a_thread_without_a_home_stays_so_among_its_like)
{
    layers_up("shards = 1\n" CONF);
    for (size_t i = 0; i < HM_HOMES - 1; i++)
        begin(i);
    struct hm_settle *late = begin(HM_HOMES - 1);

    REQUIRE(!frees(late, HM_HOME_NONE, HM_SETTLE_FREES) && !mallocs(late));
    REQUIRE(late->home == HM_HOME_NONE && !hm_settle_is_guest(late));
    hm_settle_end(late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_has_a_home_of_its_own_while_there_are_some),
        cmocka_unit_test(what_was_owned_last_is_found_last),
        cmocka_unit_test(who_frees_a_dead_threads_blocks_takes_over_its_home),
        cmocka_unit_test(an_inherited_home_is_kept_unless_others_blocks_are_freed),
        cmocka_unit_test(
            who_frees_ever_fewer_of_others_is_strict_until_hardly_any_are_left),
        cmocka_unit_test(who_frees_no_fewer_of_others_than_before_goes_on_as_it_was),
        cmocka_unit_test(who_frees_hardly_any_of_others_is_not_strict_for_long),
        cmocka_unit_test(who_goes_on_freeing_mostly_others_blocks_gives_its_home_up),
        cmocka_unit_test(a_home_that_was_given_up_is_the_next_threads_to_keep),
        cmocka_unit_test(the_majority_decides),
        cmocka_unit_test(a_guest_takes_the_home_of_an_owner_that_stands_still),
        cmocka_unit_test(a_guest_leaves_an_owner_that_goes_on),
        cmocka_unit_test(a_guest_follows_an_owner_that_ends),
        cmocka_unit_test(a_thread_without_a_home_stays_so_among_its_like),
    };

    return RUN_TESTS(tests);
}
