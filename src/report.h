/* SPDX-License-Identifier: MIT */
/* report: what the allocator knows about itself, as struct, text, JSON and in glibc's
 * forms. */
#ifndef HM_REPORT_H
#define HM_REPORT_H

#include "base.h"
#include "text.h"

#include "hakmem/hakmem.h"
#include <malloc.h>
#include <stdio.h>

void hm_report_gather(struct hakmem_stats *out);
void hm_report_text(struct hm_text *out);
void hm_report_json(struct hm_text *out);

/* glibc's malloc_stats, malloc_info, mallinfo2. */
void hm_report_stats(void);
int hm_report_info(int options, FILE *out);
struct mallinfo2 hm_report_mallinfo(void);

#endif
