/* SPDX-License-Identifier: MIT */
#include "settle.h"

/* So many frees of blocks of one home decide at once: half, if there was no other. */
#define ENOUGH 8
#define PATIENCE 8

/* How many frees the stages of a strict thread last. */
#define WARM_UP_FREES 512
#define PROBE_FREES 256
#define SORT_FREES 1024
/* A thread that lives on others' blocks frees hardly any of its own. */
#define PROBE_OWN_PART 11
/* So many fewer than before are worth another stage, unless hardly any are left. */
#define SORT_GAIN (SORT_FREES / 32)
#define SORTED_PART 16

bool hm_settle_begin(struct hm_settle *s)
{
    s->calls = HM_SETTLE_CALLS;
    s->frees = 0;
    hm_settle_be_lax(s);
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
    hm_settle_be_lax(to);
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

static HM_RARE void give_up(struct hm_settle *s)
{
    hm_home_pass(s->home, s, NULL);
    s->given_up = s->home;
    s->home = HM_HOME_NONE;
}

static HM_RARE void stage_begin(struct hm_settle *s, enum hm_settle_stage stage,
                                unsigned frees, unsigned before)
{
    s->stage = (uint8_t)stage;
    s->left = (uint16_t)frees;
    s->seen = 0;
    s->before = (uint16_t)before;
}

static HM_RARE void stage_end(struct hm_settle *s)
{
    bool probe = s->stage == HM_SETTLE_PROBE;
    unsigned frees = probe ? PROBE_FREES : SORT_FREES;
    unsigned seen = s->seen, before = s->before;
    hm_settle_be_lax(s); /* unless another stage begins */
    if (s->stage == HM_SETTLE_WARM_UP)
        stage_begin(s, HM_SETTLE_PROBE, PROBE_FREES, 0);
    else if (seen < frees / SORTED_PART)
        s->stage = HM_SETTLE_SORTED;
    else if (probe && seen <= frees - frees / PROBE_OWN_PART)
        stage_begin(s, HM_SETTLE_SORT, SORT_FREES, seen * (SORT_FREES / PROBE_FREES));
    else if (!probe && seen + SORT_GAIN <= before)
        stage_begin(s, HM_SETTLE_SORT, SORT_FREES, seen);
    else if (seen > frees / 2)
        give_up(s);
}

HM_RARE void hm_settle_be_strict(struct hm_settle *s)
{
    stage_begin(s, HM_SETTLE_WARM_UP, WARM_UP_FREES, 0);
}

HM_RARE bool hm_settle_sends_home(struct hm_settle *s, const void *freed)
{
    bool others = hm_load_relaxed(&hm_slab_of(freed)->home) != s->home;
    s->seen = (uint16_t)(s->seen + others);
    if (--s->left == 0)
        stage_end(s);
    return others;
}

void hm_settle_end(struct hm_settle *s)
{
    hm_home_pass(s->home, s, NULL);
}
