/* SPDX-License-Identifier: MIT */
/* harden: what is done to a block when it is handed out and when it comes back, so that
 * reading and writing where a program may not shows, or finds nothing.
 *
 *   handed out    nobody wrote to it since it was freed; reads as zero; canaries behind
 *   comes back    canaries are whole, its own and those in front; filled with zero bytes;
 *                 into quarantine
 *   leaves it     nobody wrote to it meanwhile
 *
 * Each of these is an option, and none of it is on the fast paths: who wants any of them
 * has closed bins (tcache.h). Only blocks with pages of their own can be had under open
 * bins, too. Functions that find something abort with one line; `call` is the name that
 * the line gives. */
#ifndef HM_HARDEN_H
#define HM_HARDEN_H

#include "guard.h"
#include "quarantine.h"
#include "tcache.h"

/* Is there anything of this in the process, sampled blocks included? [const after init]
 */
extern HM_HIDDEN bool hm_harden_on;
/* More than blocks with pages of their own? [const after init] */
extern HM_HIDDEN bool hm_harden_slots;
/* After hm_conf_load, before anything is mapped. */
void hm_harden_init(void);

/* Do options want every call of malloc and free to take the slow path? */
bool hm_harden_needs_every_call(void);

/* Shall this allocation have pages of its own? tc may be NULL. */
bool hm_harden_wants_guard(struct hm_tcache *tc, size_t size);

/* A slot becomes a block of `size` bytes. *zeroed: whether it reads as zero, before and
 * after. */
void hm_harden_hand_out(const struct hm_freed *slot, size_t size, bool *zeroed,
                        const char *call);
/* The size that was asked for; all of the slot where there are no canaries. */
size_t hm_harden_size(const char *slot, size_t slot_size, const char *call);
/* The same where it serves a message: all of the slot, too, if it is not known. */
size_t hm_harden_asked(const char *slot, size_t slot_size);
/* A live block whose slot holds `to` bytes becomes one of so many. */
void hm_harden_resize(const struct hm_freed *slot, size_t from, size_t to);
/* Verifies what is around a live block. */
void hm_harden_verify(const struct hm_freed *slot, const char *call);
void hm_harden_verify_guarded(const struct hm_guarded *g, const char *call);
/* Verifies what its caller says about a block that is to be freed. `size` SIZE_MAX:
 * nothing. `exact`: `have` is what was asked for, not what the slot holds. */
void hm_harden_verify_claim(const void *p, size_t have, bool exact, size_t size,
                            size_t align);
/* Fills a block that was freed, as options say. */
void hm_harden_fill(const struct hm_freed *slot);
/* Verifies that nobody wrote to a free block. */
void hm_harden_verify_freed(const struct hm_freed *slot, const char *call);

/* Calls `bad` for every block beside or into which was written. With `alone`, when the
 * caller is the process's only thread, every byte is looked at; else those that other
 * threads cannot be changing rightly. */
void hm_harden_walk(bool alone, void (*bad)(const char *what, const void *block));

#endif
