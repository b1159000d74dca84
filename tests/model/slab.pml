/* SPDX-License-Identifier: MIT */
/* slab.pml: the life word of a slab and the partial list, every interleaving.
 *
 * Each atomic operation of src/slab.c is one step here; between two of them anybody may
 * come. THREADS threads adopt a slab, take blocks, let go, and give blocks back, in any
 * order, MOVES moves each. There are SLABS descriptors and as many runs. A slab whose run
 * was given back may be made anew, with another generation, at once. Who adopts a slab
 * may give it another home: then it goes on the other of two sets of lists.
 *
 * Verified: bits are cleared only by the thread for which the slab is CURRENT (B2); no
 * block is handed out twice or lost (B1); a run is given back once, and only when all
 * blocks are in the slab (B2); a slab is on a list exactly while it should be, and on its
 * set's (B3, B5); one thread at most has it CURRENT (B4); when all is freed, no slab
 * is left (B5).
 *
 * Memory orders are not modelled: steps are sequentially consistent.
 *
 * Seeded mistakes, which the model has to find: -DBUG_GENERATION (a new slab may have its
 * predecessor's generation), -DBUG_REHOME (a slab that changes its set keeps its
 * generation), -DBUG_JOIN (who lists does not look whether the slab became
 * empty meanwhile), -DBUG_ORDER (give lowers the count before it sets bits). */

#ifndef THREADS
#define THREADS 2
#endif
#ifndef MOVES
#define MOVES 4
#endif
#ifndef SLABS
#define SLABS 1
#endif
#define BLOCKS 2
#define ALL 3 /* the bits of BLOCKS blocks */
#define NONE 255

typedef Slab {
    /* the life word: changed as a whole, in one step */
    byte count;
    bool current, listed, joining;
    byte generation;
    /* outside of it */
    byte map;      /* free_map */
    bool in_use;   /* is this run a slab at all? */
    bit set;       /* whose lists it goes on */
    bool on_list;  /* ghost: really on the partial list */
};

Slab slab[SLABS];
byte owner[SLABS];      /* ghost: the thread for which it is CURRENT, or NONE */
byte holder_of[SLABS];  /* ghost: bits of blocks that are out of the slab */
byte generations;
bool locked[2];         /* the locks of the two sets of partial lists */
byte held[SLABS];       /* bits of live blocks: any thread may free any of them */
byte done;

#define life(s) (slab[s].count + 4 * slab[s].current + 8 * slab[s].listed + \
                 16 * slab[s].joining + 32 * slab[s].generation)
#define popcount(m) (((m) & 1) + (((m) >> 1) & 1))

inline lock(k)
{
    atomic { !locked[k] -> locked[k] = true }
}

inline unlock(k)
{
    locked[k] = false
}

/* hm_run_give: the run goes back to its SuperSlab; from now on it may be anything. */
inline run_give(s)
{
    atomic {
        assert(slab[s].in_use);
        assert(slab[s].map == ALL && holder_of[s] == 0); /* B2: nothing is missing */
        assert(!slab[s].current && !slab[s].listed && !slab[s].on_list);
        slab[s].in_use = false
    }
}

/* list_drop_empty: compare-and-swap on the life that was seen. Lock is held. */
inline list_drop_empty(s, k)
{
    atomic {
        if
        :: slab[s].count == 0 && slab[s].generation == seen_gen &&
           slab[s].listed && !slab[s].current && !slab[s].joining ->
            slab[s].listed = false;
            assert(slab[s].on_list && slab[s].set == k); /* list_remove */
            slab[s].on_list = false;
            gone = true
        :: else
        fi
    }
}

/* list_add and list_join: the thread has set LISTED and JOINING. */
inline list_add(s)
{
    k = slab[s].set;
    lock(k);
    atomic { assert(!slab[s].on_list); slab[s].on_list = true } /* list_push */
    atomic { /* atomic_fetch_and: JOINING off, and what the life was */
        slab[s].joining = false;
        seen = slab[s].count;
        seen_gen = slab[s].generation
    }
    gone = false;
#ifndef BUG_JOIN
    if
    :: seen == 0 -> list_drop_empty(s, k)
    :: else
    fi;
#endif
    unlock(k);
    if
    :: gone -> run_give(s)
    :: else
    fi;
    gone = false
}

/* unlist_empty: a slab was left LISTED and empty. */
inline unlist_empty(s)
{
    if
    :: seen_joining /* who lists it will see */
    :: else -> /* k: the set of the generation whose count was lowered */
        lock(k);
        gone = false;
        list_drop_empty(s, k);
        unlock(k);
        if
        :: gone -> run_give(s)
        :: else
        fi;
        gone = false
    fi
}

/* slab_make: a run becomes a slab, CURRENT for this thread. */
inline slab_make(s)
{
    atomic { /* hm_run_take, the map, and the life: nobody else knows of it yet */
        slab[s].in_use = true;
        slab[s].set = k;
        slab[s].map = ALL;
#ifndef BUG_GENERATION
        generations++;
#endif
        slab[s].generation = generations;
        slab[s].count = 0;
        slab[s].listed = false;
        slab[s].joining = false;
        slab[s].current = true;
        owner[s] = _pid
    }
}

/* adopt_listed: off the list, CURRENT for this thread. Lock is held. */
inline adopt_listed(s)
{
    assert(slab[s].on_list);
    slab[s].on_list = false;
    atomic { /* life_change, in a loop that always ends */
        assert(slab[s].listed && !slab[s].joining && !slab[s].current);
        slab[s].listed = false;
        slab[s].current = true;
        assert(owner[s] == NONE); /* B4 */
        owner[s] = _pid
    }
}

/* Another home, hence the other set: the generation first. */
inline rehome()
{
#ifndef BUG_REHOME
    atomic {
        generations++;
        slab[mine].generation = generations
    }
#endif
    slab[mine].set = 1 - slab[mine].set
}

/* hm_slab_adopt: the list first, else a new slab. */
inline adopt()
{
    if /* whichever set it looks at */
    :: k = 0
    :: k = 1
    fi;
    lock(k);
    if
    :: slab[0].on_list && slab[0].set == k -> adopt_listed(0); mine = 0
#if SLABS > 1
    :: slab[1].on_list && slab[1].set == k -> adopt_listed(1); mine = 1
#endif
    :: else
    fi;
    unlock(k);
    if
    :: mine != NONE -> rehome()
    :: true
    fi;
    atomic {
        if
        :: mine != NONE
        :: mine == NONE && !slab[0].in_use -> slab_make(0); mine = 0
#if SLABS > 1
        :: mine == NONE && slab[0].in_use && !slab[1].in_use -> slab_make(1); mine = 1
#endif
        :: else
        fi
    }
}

/* hm_slab_take, for one block, the lowest: take_bits, then the count is raised. */
inline take()
{
    atomic {
        assert(owner[mine] == _pid);
        if
        :: (slab[mine].map & 1) != 0 -> one = 1
        :: (slab[mine].map & 1) == 0 && (slab[mine].map & 2) != 0 -> one = 2
        :: else -> one = 0
        fi;
        if
        :: one != 0 ->
            slab[mine].map = slab[mine].map & (ALL - one);
            assert((holder_of[mine] & one) == 0); /* B1: not handed out twice */
            holder_of[mine] = holder_of[mine] | one
        :: else
        fi
    }
    if
    :: one != 0 ->
        slab[mine].count++; /* atomic_fetch_add */
        atomic {
            assert(held[mine] + one <= ALL);
            held[mine] = held[mine] + one
        }
    :: else
    fi
}

/* hm_slab_let_go. */
inline let_go()
{
    s = mine;
    atomic { /* life_change: count == 0, partial, or full */
        assert(slab[s].current && owner[s] == _pid);
        owner[s] = NONE;
        mine = NONE;
        seen = slab[s].count;
        slab[s].current = false;
        if
        :: seen != 0 && seen < BLOCKS -> slab[s].listed = true; slab[s].joining = true
        :: else
        fi
    }
    if
    :: seen == 0 -> run_give(s)
    :: seen != 0 && seen < BLOCKS -> list_add(s)
    :: else
    fi
}

/* A live block becomes this thread's to give: release in heap.c. */
inline free_one(from, which)
{
    held[from] = held[from] & (ALL - which);
    s = from;
    one = which
}

inline set_bit()
{
    atomic {
        assert((slab[s].map & one) == 0); /* lot_give: else "already free" */
        holder_of[s] = holder_of[s] & (ALL - one);
        slab[s].map = slab[s].map | one
    }
}

/* hm_slab_give: lot_give, then hm_slab_given. */
inline give()
{
#ifndef BUG_ORDER
    set_bit();
#endif
    /* hm_slab_given: life is read, the set, and life changed if it still is the same. */
    again = true;
    do
    :: again ->
        before = life(s);
        k = slab[s].set;
        atomic {
            if
            :: before == life(s) ->
                again = false;
                before = 0;
                assert(slab[s].in_use && slab[s].count > 0);
                slab[s].count--;
                seen = slab[s].count;
                seen_gen = slab[s].generation;
                list = !slab[s].current && !slab[s].listed && seen != 0;
                if
                :: list -> slab[s].listed = true; slab[s].joining = true
                :: else
                fi;
                seen_current = slab[s].current;
                seen_listed = slab[s].listed;
                seen_joining = slab[s].joining
            :: else
            fi
        }
    :: else -> break
    od;
#ifdef BUG_ORDER
    set_bit();
#endif
    if
    :: list -> list_add(s)
    :: !list && seen == 0 && !seen_current && seen_listed -> unlist_empty(s)
    :: !list && seen == 0 && !seen_current && !seen_listed -> run_give(s)
    :: else
    fi
}

proctype Thread()
{
    byte mine = NONE, moves = 0, s, one, seen, seen_gen;
    bit k;
    bool gone, list, again, seen_current, seen_listed, seen_joining;
    short before;

    do
    :: moves < MOVES && mine == NONE -> moves++; adopt()
    :: moves < MOVES && mine != NONE -> moves++; take()
    :: mine != NONE -> let_go()
    :: atomic { (held[0] & 1) != 0 -> free_one(0, 1) }; give()
    :: atomic { (held[0] & 2) != 0 -> free_one(0, 2) }; give()
#if SLABS > 1
    :: atomic { (held[1] & 1) != 0 -> free_one(1, 1) }; give()
    :: atomic { (held[1] & 2) != 0 -> free_one(1, 2) }; give()
#endif
    :: mine == NONE && moves == MOVES -> break /* blocks may outlive the thread */
    od;
    done++ /* blocks that are left outlive the thread */
}

/* Frees what the threads left behind, and looks at what remains. */
proctype Last()
{
    byte s = 0, one, seen, seen_gen;
    bit k;
    bool gone, list, again, seen_current, seen_listed, seen_joining;
    short before;

    done == THREADS;
    do
    :: atomic { (held[0] & 1) != 0 -> free_one(0, 1) }; give()
    :: atomic { (held[0] & 2) != 0 -> free_one(0, 2) }; give()
#if SLABS > 1
    :: atomic { (held[1] & 1) != 0 -> free_one(1, 1) }; give()
    :: atomic { (held[1] & 2) != 0 -> free_one(1, 2) }; give()
    :: held[0] == 0 && held[1] == 0 -> break
#else
    :: held[0] == 0 -> break
#endif
    od;
    s = 0;
    do
    :: s < SLABS ->
        /* Nothing is held, so nothing may be left: no slab, listed or full. */
        assert(!slab[s].in_use && !slab[s].on_list && owner[s] == NONE);
        assert(!locked[0] && !locked[1]);
        s++
    :: else -> break
    od
}

init {
    byte i = 0;
    atomic {
        do
        :: i < SLABS -> owner[i] = NONE; i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < THREADS -> run Thread(); i++
        :: else -> break
        od;
        run Last()
    }
}
