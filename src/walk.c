/* SPDX-License-Identifier: MIT */
#include "walk.h"
#include "bits.h"

void hm_walk_superslab(struct hm_superslab *ss, void (*visit)(struct hm_slab *, void *),
                       void *arg)
{
    uint32_t u = 0;
    while ((u = hm_bits_next(ss->free_map, u, ss->units, false)) < ss->units) {
        struct hm_slab *run = &ss->slabs[ss->head[u]];
        /* Else the unit is on its way back to the system, and its head is out of date. */
        bool in_use = run->cls != 0 && u < (uint32_t)run->unit + run->units;
        if (in_use)
            visit(run, arg);
        u += in_use ? run->units : 1;
    }
}

struct visitor {
    void (*visit)(struct hm_slab *, void *);
    void *arg;
};

static void visit_runs(struct hm_superslab *ss, void *arg)
{
    const struct visitor *v = arg;
    hm_walk_superslab(ss, v->visit, v->arg);
}

bool hm_walk_runs(void (*visit)(struct hm_slab *run, void *arg), void *arg)
{
    struct visitor v = {visit, arg};
    for (unsigned i = 0; i < hm_superslab_shards(); i++)
        if (!hm_superslab_each(i, visit_runs, &v))
            return false;
    return true;
}
