/* SPDX-License-Identifier: MIT */
/* canary: what stands behind a block, so that a write beyond its end is seen.
 *
 *   slot   [ what was asked for | bytes of canary words …        | last word ]
 *            size                 slack: `redzone` bytes or more   and the slack
 *
 * K1 A canary word is a function of its address and the process's secret. Its bytes have
 *    their high bit set, so that neither a terminating zero nor text can equal one.
 * K2 The last word of a slot has the slack XORed in, seven bits to a byte. So it tells
 *    the size that was asked for, and proves it: a word that is not of this form was
 *    overwritten.
 * K3 The last hm_canary_kept bytes of a slot are written in whole words, atomically. At
 *    any time each of them is zero (never used), a canary word, or a last word: whoever
 *    frees the next block may look at them, whatever the thread that has this block does.
 * K4 A free block that is filled with zero bytes keeps its last words. A word that is
 *    zero or fits its address is therefore one that nobody wrote to, in whatever slot.
 */
#ifndef HM_CANARY_H
#define HM_CANARY_H

#include "random.h"

/* A slot's end that is looked at from behind: at most 32 bytes, at most `redzone`. */
#define HM_CANARY_KEPT_MAX ((size_t)32)

/* [const after hm_canary_init] Bytes that a slot is larger than its block at least, 0: no
 * canaries; and those of them that K3 is about. */
extern HM_HIDDEN size_t hm_canary_room, hm_canary_kept;
void hm_canary_init(void);

#define HM_CANARY_NONE SIZE_MAX

/* Makes everything in a slot behind the first `size` bytes canaries. */
void hm_canary_set(char *slot, size_t size, size_t slot_size);
/* The size that was asked for; HM_CANARY_NONE: the last word was overwritten. */
size_t hm_canary_size(const char *slot, size_t slot_size);
/* Offset of the first byte in [from, to) that is not as hm_canary_set left it, or
 * HM_CANARY_NONE. For memory that is not a slot's end, so without a last word. */
void hm_canary_fill(char *from, char *to);
size_t hm_canary_changed(const char *from, const char *to);
/* The same for the slack of a slot, its last word included; as offset in the slot. */
size_t hm_canary_overrun(const char *slot, size_t size, size_t slot_size);
/* Makes the hm_canary_kept bytes in front of a slot that starts at p canary words where
 * they are zero, so that a zero written there shows, too. */
void hm_canary_set_before(char *p);
/* Bytes in front of a slot that starts at p, counted backwards, of which the last was
 * written to: 0 if none was. The hm_canary_kept bytes there are readable. */
size_t hm_canary_underrun(const char *p);
/* Offset of the first word in free memory that was written to (K4), or HM_CANARY_NONE;
 * `size` is a multiple of 8. *zero tells whether all of it is zero. */
size_t hm_canary_touched(const char *p, size_t size, bool *zero);

#endif
