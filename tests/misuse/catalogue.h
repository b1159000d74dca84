/* SPDX-License-Identifier: MIT */
/* catalogue: what the cases of misuse are made of. catalogue.c says what the words mean.
 * */
#ifndef HM_TEST_CATALOGUE_H
#define HM_TEST_CATALOGUE_H

#include "../hide.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* The sizes: one that fills a block to its last byte under nearly every allocator; one
 * that leaves a rest, as most do; a whole number of pages. */
enum { SMALL = 64, MEDIUM = 100000, BIG = 4 << 20 };

enum {
    SECRET = 0xA7, /* what must not be read any more */
    DAMAGE = 0x56, /* what must not be read by others; text, which is no canary's byte */
    REUSE = 32,    /* so many allocations may bring a freed block back */
};

struct misuse {
    const char *name;
    void (*run)(const struct misuse *it);
    size_t size;
    size_t
        other; /* bytes beyond, a second size, an alignment: what the case makes of it */
    void *(*pointer)(size_t size); /* a pointer that is no live block */
    void (*call)(void *ptr);       /* what is called with it */
};

/* Ends with one whose name is NULL. */
extern const struct misuse catalogue[];

/* The ends of a case. */
noreturn void missed(void);
noreturn void absent(void);
noreturn void unfit(const char *what); /* the case itself cannot be run */
/* Looks at everything that the misuse may have damaged, and allocates blocks of all
 * kinds, of this size among them. */
noreturn void harmless_unless_damaged(size_t size);

/* Blocks that are live, and filled so that damage is seen. */
void *get(size_t size);
void *get_from(void *block, size_t size); /* one that was allocated otherwise */
void give(void *block);
void forget(const void *block);              /* it is live no more */
size_t how_many(size_t size);                /* blocks of a size make a crowd */
void populate(size_t size);                  /* allocates that many */
bool is_live(const void *from, size_t size); /* is a byte of it part of a live block? */
/* The live block of that size whose next one after, or before it, is nearest. */
void *nearest(bool after, size_t size);

/* Allocates REUSE blocks at most, until one includes p. NULL: none did. */
void *comes_again(const void *p, size_t size);
void keep_out(const void *from, size_t size); /* no block may ever lie there */
bool holds_secret(const void *from, size_t size);
/* A function of the allocator's; without one, the case ends as absent. */
void *function(const char *name);

#endif
