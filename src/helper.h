/* SPDX-License-Identifier: MIT */
/* helper: the thread that trims on time although nobody calls malloc (option
 * trim_thread), and answers what is asked from outside (option stats_page).
 *
 * To trim, it starts when something is retained, and sleeps without a timeout while
 * nothing is; to answer, it starts when the library is loaded, and sleeps until somebody
 * asks. It blocks all signals and runs no code but ours. A fork's child starts one of its
 * own when it needs one.
 *
 * Starting a thread takes locks of libc, and libc itself calls malloc and free while it
 * holds them: pthread_join frees a dead thread's memory under the lock that
 * pthread_create takes. So the helper starts only at the end of a malloc or free that
 * was called from outside libc and the dynamic loader, after the library has been
 * loaded. In a static program these cannot be told apart, so there it does not start, and
 * what is asked is answered by whoever comes to hm_helper_tick next. A constructor of
 * ours is outside, too.
 */
#ifndef HM_HELPER_H
#define HM_HELPER_H

#include "base.h"

/* What else it does, by layers above. Its functions take no lock that is held across a
 * malloc. */
struct hm_helper_work {
    _Atomic uint32_t *(*bell)(void); /* word that is raised to wake it, from other
                                        processes, too; NULL: none */
    bool (*waits)(void);             /* is there anything to do? */
    void (*serve)(void);             /* does it */
};

/* From a constructor: finds out where libc and the loader are; starts the thread if there
 * is a bell. `work` stays the caller's. */
void hm_helper_load(const struct hm_helper_work *work);
/* To be called without locks, now and then; `caller` as in heap.h. */
void hm_helper_tick(const void *caller);
/* Is there a helper thread? Then the process is not single-threaded. */
bool hm_helper_exists(void);
/* In a fork's child: there is none. */
void hm_helper_fork_child(void);

#endif
