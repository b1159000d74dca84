/* SPDX-License-Identifier: MIT */
/* process: what happens once in the life of a process: load, fork, exit.
 *
 * fork. The parent's prepare handler takes every lock, in rank order, in a state that
 * makes other threads go on without waiting (lock.h L2); so what the locks guard is
 * consistent in the child, and no thread that owns a lock of libc is held up. The child
 * frees the locks and parks the caches of the threads it does not have. While the process
 * never had a second thread there is nothing to do, so that a signal handler of such a
 * process may fork at any time, also in the middle of malloc. */
#ifndef HM_PROCESS_H
#define HM_PROCESS_H

/* For the constructor and the destructor in malloc.c, which is in every program. */
void hm_process_load(void);
void hm_process_unload(void);

#endif
