/* SPDX-License-Identifier: MIT */
/* compat/sys/stat.h: the kernel's struct statx, for C libraries that have none. */
#ifndef HM_COMPAT_SYS_STAT_H
#define HM_COMPAT_SYS_STAT_H

#include_next <sys/stat.h>
#include <stdint.h>

#ifndef STATX_BASIC_STATS
#define STATX_TYPE 0x1u
#define STATX_UID 0x8u
#define STATX_SIZE 0x200u
#define STATX_BASIC_STATS 0x7ffu

struct statx_timestamp {
    int64_t tv_sec;
    uint32_t tv_nsec;
    int32_t reserved;
};
struct statx {
    uint32_t stx_mask, stx_blksize;
    uint64_t stx_attributes;
    uint32_t stx_nlink, stx_uid, stx_gid;
    uint16_t stx_mode, reserved1;
    uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
    struct statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
    uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
    uint64_t stx_mnt_id, reserved2[13];
};
_Static_assert(sizeof(struct statx) == 256, "the kernel's");
#endif

#endif
