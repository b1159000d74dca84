/* SPDX-License-Identifier: MIT */
/* settle: which home a thread has (home.h).
 *
 *   new        owns a home of its own, and is looked at
 *   inherited  its cache is a dead thread's; owns nothing yet, and is looked at
 *   owner      of its home
 *   guest      its home is another's, whose blocks it frees
 *   homeless   always gets its blocks from others, or there was no home left
 *
 * A thread that goes on where another ended frees blocks of that one's home, and takes it
 * over. So the first calls are looked at: where do the blocks come from? The answer may
 * still have an owner. That is a thread about to end, or one that handed its blocks over
 * and waits; then it stands still, and its guest takes the home from it. Or it goes on
 * allocating: then the two must part, and the guest finds a home of its own.
 *
 * What a thread then frees of others goes home by and by, from full bins (tcache.h, C6).
 * If most of what is in these stays others', either it has a great many such blocks, or
 * it always gets its blocks from others. To tell which, and to be done in the first case,
 * it is strict for a while: all its calls are seen, what it frees of others goes home at
 * once, and when it was seen to free some of its own, it allocates no others. It stops
 * when they do not become fewer; if most are others' then, it gives its home up.
 *
 * [owner] all of it, but for `front`'s tops, which guests read.
 */
#ifndef HM_SETTLE_H
#define HM_SETTLE_H

#include "front.h"
#include "home.h"

/* Frees looked at, and calls that free nothing. */
#define HM_SETTLE_FREES 16
#define HM_SETTLE_CALLS 8

/* Of a strict thread, or of how it ended. Blocks that came into its bins before it was
 * strict have to go first. */
enum hm_settle_stage {
    HM_SETTLE_WARM_UP,
    HM_SETTLE_PROBE,
    HM_SETTLE_SORT,
    HM_SETTLE_SORTED /* hardly any of others were left */
};

struct hm_settle {
    struct hm_front *front; /* [const] bins of the cache that this is part of */
    uint8_t home;
    uint8_t given_up;               /* the home that the thread had until it gave it up */
    uint8_t calls;                  /* that free nothing, still to be looked at */
    uint8_t frees;                  /* looked at so far */
    uint8_t patience;               /* of a guest: slow-path events until it acts */
    uint8_t homes[HM_SETTLE_FREES]; /* of what was freed */
    uint8_t stage;                  /* enum hm_settle_stage */
    uint16_t left;  /* of a strict thread: frees until the stage ends; 0: it is not */
    uint32_t trace; /* of a guest: where the owner's bins stood */
    union {
        /* tcache.h, C6: others' blocks in bins looked at, less its own */
        int32_t strange;
        /* of a strict thread: frees of others' blocks in this stage, and in the last */
        struct {
            uint16_t seen, before;
        };
    };
};

/* A thread starts. True: its first calls should be seen although its bins could serve
 * them. */
bool hm_settle_begin(struct hm_settle *s);

HM_INLINE bool hm_settle_is_looking(const struct hm_settle *s)
{
    return s->calls != 0;
}

/* One of the first calls; `freed` is the block, or NULL. True: the home is another now,
 * and what the bins hold belongs elsewhere. */
bool hm_settle_look(struct hm_settle *s, const void *freed);

/* The thread goes on with a cache of the home that is its own since the last look; that
 * of `from` was filled while it was `before`. */
void hm_settle_swap(struct hm_settle *from, struct hm_settle *to, unsigned before);

/* Whether there is something to be waited for. */
HM_INLINE bool hm_settle_is_guest(const struct hm_settle *s)
{
    return s->calls == 0 && s->home != HM_HOME_NONE && hm_home_owner(s->home) != s;
}

/* A guest's slow path. True: as above. */
bool hm_settle_wait(struct hm_settle *s);

/* Most of what was in full bins has been others' for long. */
void hm_settle_be_strict(struct hm_settle *s);
HM_INLINE void hm_settle_be_lax(struct hm_settle *s)
{
    s->left = 0;
    s->strange = 0;
}

HM_INLINE bool hm_settle_is_strict(const struct hm_settle *s)
{
    return s->left != 0;
}

/* Whether it shall allocate no blocks of other homes. */
HM_INLINE bool hm_settle_wants_own(const struct hm_settle *s)
{
    return hm_settle_is_strict(s) && s->stage == HM_SETTLE_SORT;
}

/* Whether it was strict until what it frees was its own. */
HM_INLINE bool hm_settle_is_sorted(const struct hm_settle *s)
{
    return s->stage == HM_SETTLE_SORTED;
}

/* A strict thread frees a block. True: it goes home. The thread may not be strict any
 * more, or homeless: then it and its like share slabs instead of having some of every
 * class each. */
bool hm_settle_sends_home(struct hm_settle *s, const void *freed);

/* The thread ends. */
void hm_settle_end(struct hm_settle *s);

#endif
