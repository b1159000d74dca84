/* SPDX-License-Identifier: MIT */
/* dump: every SuperSlab, run, big extent and thread cache, as text: what `hakmem why` and
 * `hakmem map` are made from. A line each, fields separated by a blank, addresses in
 * hexadecimal, all other numbers decimal, sizes in bytes:
 *
 *   hakmem-dump 1 PID PROFILE PAGE_SIZE SUPERSLAB_SIZE
 *                 first line; 1 is the version of this form
 *   window BASE SIZE SMALL_SIZE
 *                 reserved address space; small blocks in its first SMALL_SIZE bytes;
 *                 BASE and SIZE 0: none
 *   meta BASE SIZE
 *                 a mapping of descriptors and caches' arrays
 *   region BASE SIZE
 *                 a mapping of the map from addresses to owners
 *   superslab BASE SIZE KIND SHARD STATE STATE_SIZE FREE DIRTY MAP
 *                 KIND: small, large (large and medium blocks); STATE: address of its
 *                 state bytes; FREE: bytes in free units; DIRTY: bytes of these that are
 *                 resident; MAP: dirty units, hexadecimal, 16 digits to 64 units, the
 *                 first unit the lowest bit of the first 16; "-": none
 *   slab BASE SIZE CLASS BLOCK_SIZE BLOCKS OUT LIVE STATE
 *                 a run of units cut into blocks, after the superslab it lies in; OUT:
 *                 blocks that are not in the slab; LIVE of these are in the program's
 *                 hands, the others in thread caches; STATE: current (of some thread),
 *                 listed (free blocks for any), full
 *   medium BASE SIZE LIVE
 *                 a run that is one block; LIVE: 1, or 0 on its way
 *   big BASE SIZE STATE
 *                 an extent of big blocks: live, cached, detour (live, by itself), moving
 *   cache NUMBER STATE BYTES BLOCKS ROOM
 *                 a thread's cache: used, parked; what it holds; bytes it has room for
 *   end LINES     last line: how many came before it
 *
 * A shard at a time, under its lock, BigCache under its own; between these other threads
 * go on. Lines of unknown kinds are to be passed over, further fields to be ignored. */
#ifndef HM_DUMP_H
#define HM_DUMP_H

#include "base.h"

/* Writes to the descriptor. 0 or an errno: ENOMEM, EAGAIN (another thread forks, or more
 * was mapped meanwhile than room had been made for). */
int hm_dump_write(int fd);

#endif
