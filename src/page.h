/* SPDX-License-Identifier: MIT */
/* page: what a process tells about itself while it runs, and what it is asked to do
 * (option stats_page). The library and the command `hakmem` share this layout.
 *
 *   /dev/shm/hakmem-UID/        mode 0700, of the effective user at start
 *     PID                       struct hm_page, mode 0600, mapped by the process
 *     PID.dump                  answer to HM_PAGE_DUMP: dump.h
 *
 *   client, under flock(2) on the file                    process
 *   kind, argument; asked = answered + 1; bell + 1, wake  helper thread wakes, serves,
 *   sleeps on `answered`, with a timeout                  answered = asked, wake
 *
 * P1 Fields tagged [const] are there before the file has its name's magic, which is
 *    written last; a file without it is one in the making.
 * P2 The figures are published when they are asked for, by one thread at a time, with
 *    `sequence` odd meanwhile: who reads acquires each figure, which the process
 *    releases, and then finds `sequence` as it was, or tries again. While nobody asks,
 *    nothing is written.
 * P3 Nothing here is ever believed by the process: it reads `asked`, `kind` and
 *    `argument`, and checks them as it would a stranger's words. Clients are the same
 *    user, or root.
 * P4 The file speaks for process `pid` only while that has the page mapped, which
 *    /proc/PID/maps tells: not after exec, and not in its children, who unmap it and make
 *    their own. A process with another start time, or none, has left the file behind: it
 *    is stale, and whoever sees it removes it.
 */
#ifndef HM_PAGE_H
#define HM_PAGE_H

#include "base.h"

#define HM_PAGE_MAGIC UINT64_C(0x6b61682d65676170) /* "page-hak", little-endian */
#define HM_PAGE_VERSION 1                          /* of this layout */
#define HM_PAGE_DIR "/dev/shm/hakmem-"             /* and the user's number */
#define HM_PAGE_TEXT 256
#define HM_PAGE_STATS 64 /* room for fields of struct hakmem_stats */
#define HM_PAGE_CLASSES 73

enum hm_page_kind {
    HM_PAGE_PUBLISH = 1, /* publish the figures */
    HM_PAGE_TRIM, /* hakmem_trim, and threads empty their caches soon; result: bytes */
    HM_PAGE_SET,  /* argument "key=value"; result: 0 or an errno */
    HM_PAGE_DUMP, /* write PID.dump; result: 0 or an errno */
};

/* The numbers of a size class. Rows of no slab are zero. */
enum hm_page_column {
    HM_PAGE_SIZE,   /* bytes of a block */
    HM_PAGE_SLABS,  /* slabs in use */
    HM_PAGE_BLOCKS, /* blocks out of slabs, live or cached */
    HM_PAGE_CACHED, /* of these, in thread caches (lags behind: struct hakmem_stats) */
    HM_PAGE_COLUMNS
};

struct hm_page {
    _Atomic uint64_t magic; /* P1 */
    uint32_t version;       /* [const] */
    uint32_t size;          /* [const] of this struct */
    uint32_t pid;           /* [const] as the process itself sees it */
    uint32_t stats;         /* [const] fields in use of `figures` */
    uint64_t start_time;    /* [const] 0: unknown; field 22 of /proc/PID/stat */
    uint64_t pid_namespace; /* [const] inode of /proc/PID/ns/pid */
    char library[16];       /* [const] hakmem_version */
    char profile[72];       /* [const] hakmem_profile */

    _Atomic uint32_t bell;       /* futex of the helper thread */
    _Atomic uint32_t asked;      /* [client, locked] release, pairs with serve */
    _Atomic uint32_t answered;   /* [process] futex of clients; release */
    uint32_t kind;               /* [client, locked] enum hm_page_kind */
    int64_t result;              /* [process] before `answered` */
    char argument[HM_PAGE_TEXT]; /* [client, locked] */

    _Atomic uint64_t sequence;               /* P2 */
    _Atomic uint64_t published_at;           /* CLOCK_MONOTONIC, milliseconds; 0: never */
    _Atomic uint64_t figures[HM_PAGE_STATS]; /* struct hakmem_stats from small_bytes on */
    _Atomic uint64_t classes[HM_PAGE_CLASSES][HM_PAGE_COLUMNS];
};

/* When the library is loaded: makes the page, if option stats_page says so. */
void hm_page_open(void);
/* The word that rings when something is asked for; NULL: there is no page. */
_Atomic uint32_t *hm_page_bell(void);
/* Does what was asked for; makes the page of a fork's child. Without locks. */
void hm_page_serve(void);
/* Is there anything for it to do? */
bool hm_page_waits(void);
/* At exit, under option stats_page. */
void hm_page_close(void);
/* In a fork's child, likewise: the page is the parent's. */
void hm_page_fork_child(void);

#endif
