/* SPDX-License-Identifier: MIT */
/* report: what the allocator knows about itself, as struct, text, JSON and in glibc's
 * forms. */
#ifndef HM_REPORT_H
#define HM_REPORT_H

#include "base.h"
#include "sizeclass.h"
#include "text.h"

#include "hakmem/hakmem.h"
#include <malloc.h>
#include <stdio.h>

/* A row for each class of slabs; the others are zero. */
struct hm_report_class {
    uint64_t slabs, blocks, cached; /* hm_page_column */
};

struct hm_report {
    struct hakmem_stats stats;
    struct hm_report_class classes[HM_CLASSES];
};

/* One walk for both, so that small_bytes is the sum over the classes. False: fork
 * elsewhere, and not all was seen. */
bool hm_report_gather(struct hm_report *out);
void hm_report_text(struct hm_text *out);
void hm_report_json(struct hm_text *out);

/* glibc's malloc_stats, malloc_info, mallinfo2. */
void hm_report_stats(void);
int hm_report_info(int options, FILE *out);
struct mallinfo2 hm_report_mallinfo(void);

#endif
