/* SPDX-License-Identifier: MIT */
/* region: the map from an address to who owns it. The one registry for all of them.
 *
 *   address  [ 63 … 48 | 47 … 34 | 33 … 16 | 15 … 0 ]
 *               zero      root      leaf      in the 64 KiB granule
 *
 * In one range, that of the windows, all owners have places of the same size, so an entry
 * for each place is enough. Entries of both halves take turns: a small process, with a
 * SuperSlab or two at the start of each, touches one page of the map.
 *
 * R1 A granule belongs to at most one SuperSlab or big block, so all of these begin on a
 *    granule boundary.
 * R2 The entry of a granule is set before any block in it is handed out and cleared after
 *    the last one is back. A lookup on behalf of a live block therefore always finds
 *    it; a lookup of a foreign address finds 0 and never reads memory near that address.
 *
 * The fast path of free does not come here: see window.h.
 */
#ifndef HM_REGION_H
#define HM_REGION_H

#include "base.h"

#define HM_REGION_GRANULE ((size_t)64 * 1024)

/* An owner is a pointer, with its kind in the low bits. Guarded blocks are guard.h's. A
 * detour is a big block made while another thread forked; its descriptor ends with it, so
 * that only its owner may read it. Of what is none's, the bit of a seam may be left. */
enum {
    HM_OWNER_NONE = 0,
    HM_OWNER_SUPERSLAB = 1,
    HM_OWNER_BIG = 2,
    HM_OWNER_DETOUR = 3,
    HM_OWNER_GUARDED = 4,
    HM_OWNER_KIND = 7,
    HM_OWNER_SEAM = 8 /* big.h, G4 */
};
typedef uintptr_t hm_owner; /* pointer | kind, or none */

/* [base, base + size) becomes the range of places of this size, all powers of two; once,
 * before anything is set. Returns the end of `room` zero bytes for the caller's own use,
 * of which the last are in the page of the first entries; NULL: out of memory. */
void *hm_region_places(const void *base, size_t size, size_t place, size_t room);

/* Makes sure that hm_region_set cannot fail for [addr, addr + size). False: out of
 * memory. */
bool hm_region_prepare(const void *addr, size_t size);
/* Sets all granules of [addr, addr + size). False: out of memory; nothing was set. To
 * clear never fails. */
bool hm_region_set(const void *addr, size_t size, hm_owner owner);
/* The same for granules that were set before: whether they are seams stays as it is.
 * Returns how many are. */
size_t hm_region_pass(const void *addr, size_t size, hm_owner owner);
hm_owner hm_region_get(const void *addr);
/* Bytes from the beginning of a range to its next seam, or to its end. */
size_t hm_region_run(const char *addr, size_t size);

/* Calls `visit` for every granule that has an owner at that moment. */
void hm_region_each(void (*visit)(char *granule, hm_owner owner, void *arg), void *arg);

size_t hm_region_bytes(void); /* mapped for the map itself */
/* Calls `visit` for every such mapping. */
void hm_region_leaves(void (*visit)(void *base, size_t size, void *arg), void *arg);

HM_INLINE unsigned hm_owner_kind(hm_owner o)
{
    return (unsigned)(o & HM_OWNER_KIND);
}

HM_INLINE void *hm_owner_ptr(hm_owner o)
{
    return (void *)(o & ~(hm_owner)(HM_OWNER_KIND | HM_OWNER_SEAM));
}

#endif
