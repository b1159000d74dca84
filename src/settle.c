/* SPDX-License-Identifier: MIT */
#include "settle.h"

/* So many frees of blocks of one home decide at once: half, if there was no other. */
#define ENOUGH 8
#define PATIENCE 8

bool hm_settle_begin(struct hm_settle *s)
{
    s->calls = HM_SETTLE_CALLS;
    s->frees = 0;
    if (s->home == HM_HOME_NONE) /* what is in the bins was taken while it was this */
        s->home = s->given_up;
    bool inherited = s->home != HM_HOME_NONE;
    if (!inherited)
        s->home = (uint8_t)hm_home_find(s);
    return inherited;
}

/* Where the owner's bins stand: the same a while later only if it did nothing. */
static uint32_t trace_of(const struct hm_settle *s)
{
    uint32_t trace = 0;
    for (unsigned cls = 1; cls < HM_CLASSES; cls++)
        trace = trace * 31 + (uint32_t)(uintptr_t)hm_load_relaxed(&s->front->top[cls]);
    return trace;
}

static bool move(struct hm_settle *s, unsigned home)
{
    bool moved = home != s->home;
    if (moved)
        hm_home_pass(s->home, s, NULL);
    s->home = (uint8_t)home;
    s->calls = 0;
    return moved;
}

static unsigned frees_from(const struct hm_settle *s, unsigned home)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->frees; i++)
        n += s->homes[i] == home;
    return n;
}

/* The home that most of the freed blocks came from; the present one if none was. */
static unsigned most_frequent(const struct hm_settle *s)
{
    unsigned home = s->home, most = 0;
    for (unsigned i = 0; i < s->frees; i++) {
        unsigned n = frees_from(s, s->homes[i]);
        if (n > most) {
            most = n;
            home = s->homes[i];
        }
    }
    return home;
}

static bool decide(struct hm_settle *s)
{
    unsigned home = most_frequent(s);
    struct hm_settle *owner = hm_home_owner(home);
    if (home == HM_HOME_NONE)
        return move(s, s->home);
    if (owner == NULL && !hm_home_pass(home, NULL, s))
        owner = hm_home_owner(home);
    if (owner != NULL && owner != s) {
        s->patience = PATIENCE;
        s->trace = trace_of(owner);
    }
    return move(s, home);
}

bool hm_settle_look(struct hm_settle *s, const void *freed)
{
    if (freed == NULL)
        return --s->calls == 0 && decide(s);
    uint8_t home = hm_load_relaxed(&hm_slab_of(freed)->home);
    s->homes[s->frees++] = home;
    unsigned n = frees_from(s, home);
    bool clear = n == s->frees;
    if (n >= (clear ? ENOUGH / 2 : ENOUGH) && hm_home_pass(home, NULL, s))
        return move(s, home);
    bool enough = (clear && n >= ENOUGH) || s->frees == HM_SETTLE_FREES;
    return enough && decide(s);
}

void hm_settle_swap(struct hm_settle *from, struct hm_settle *to, unsigned before)
{
    hm_home_pass(from->home, from, to); /* if it is not a guest */
    to->calls = 0;
    to->patience = from->patience;
    to->trace = from->trace;
    from->calls = 0;
    from->home = (uint8_t)before;
}

bool hm_settle_wait(struct hm_settle *s)
{
    struct hm_settle *owner = hm_home_owner(s->home);
    if (owner == NULL) {
        hm_home_pass(s->home, NULL, s);
        return false;
    }
    if (--s->patience != 0)
        return false;
    s->patience = PATIENCE;
    if (trace_of(owner) != s->trace)
        return move(s, hm_home_find(s));
    hm_home_pass(s->home, owner, s);
    return false;
}

void hm_settle_give_up(struct hm_settle *s)
{
    hm_home_pass(s->home, s, NULL);
    s->given_up = s->home;
    s->home = HM_HOME_NONE;
}

void hm_settle_end(struct hm_settle *s)
{
    hm_home_pass(s->home, s, NULL);
}
