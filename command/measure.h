/* SPDX-License-Identifier: MIT */
/* measure: a command run under several allocators, and what it took. */
#ifndef HM_MEASURE_H
#define HM_MEASURE_H

#include "base.h"

/* What a command is run under. Strings that are NULL leave the variable unset. */
struct hm_variant {
    char *name;
    char *preload; /* for LD_PRELOAD */
    char *profile; /* for HAKMEM_PROFILE */
};

enum hm_quantity {
    HM_TIME,   /* seconds from start to end */
    HM_CPU,    /* seconds of CPU, user and system */
    HM_MEMORY, /* bytes resident at most, of the largest of its processes */
    HM_FAULTS, /* page faults */
    HM_QUANTITIES
};

struct hm_sample {
    double value[HM_QUANTITIES];
};

/* Runs the command once, its input and output /dev/null. False, and an error was printed:
 * it did not succeed, or the allocator could not be loaded. */
bool hm_measure_run(const struct hm_variant *variant, char **command,
                    struct hm_sample *out);

/* What stays of the samples of one quantity. */
struct hm_summary {
    double median;
    double low, high; /* the first and the third quartile */
};
struct hm_summary hm_measure_summary(const struct hm_sample *samples, size_t count,
                                     enum hm_quantity quantity);

#endif
