/* SPDX-License-Identifier: MIT */
/* file: files of this user alone, in a directory of this user alone, for what a process
 * tells about itself (page.h). Results are those of sys.h: 0 or more, or a negated errno.
 *
 * The directory lies where anybody may make entries. It counts only if it is one, and no
 * link to one, belongs to the effective user, and is closed to everybody else; so nobody
 * else can have put there what is in it. */
#ifndef HM_FILE_H
#define HM_FILE_H

#include "sys.h"

/* Opens the directory, made if need be. -EPERM: somebody else has a say in it. */
long hm_file_private_dir(const char *path);
/* A new, empty file, for reading and writing; -EEXIST: the name is taken. */
long hm_file_make(int dir, const char *name);
/* An existing regular file of this user, for reading. -EPERM: it is something else. */
long hm_file_open(int dir, const char *name);
/* Gives the file its size, with the memory for it: no access of it can fail later. */
long hm_file_reserve(int fd, size_t size);
long hm_file_rename(int dir, const char *from, const char *to);
void hm_file_remove(int dir, const char *name);
/* Is the open file the one of that name? */
bool hm_file_is(int fd, int dir, const char *name);

#endif
