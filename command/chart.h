/* SPDX-License-Identifier: MIT */
/* chart: what `hakmem ab` measured as a picture, drawn by gnuplot(1). */
#ifndef HM_CHART_H
#define HM_CHART_H

#include "measure.h"

/* Whether gnuplot is there; if not, an error was printed. */
bool hm_chart_is_possible(void);

/* Writes an SVG file: for each quantity the ratio of each variant to the first, with its
 * quartiles. False, and an error was printed. */
bool hm_chart_write(const char *file, const char *title,
                    const struct hm_variant *variants, size_t count,
                    struct hm_summary (*summaries)[HM_QUANTITIES]);

#endif
