/* SPDX-License-Identifier: MIT */
/* svg: shapes and text as Scalable Vector Graphics. */
#ifndef HM_SVG_H
#define HM_SVG_H

#include "base.h"
#include <stdio.h>

struct hm_svg {
    FILE *out;
};

/* "#rrggbb". */
struct hm_colour {
    char text[8];
};

/* A picture of this size, on a background, which scales with its window. */
void hm_svg_begin(struct hm_svg *svg, FILE *out, double width, double height,
                  const char *title);
void hm_svg_end(struct hm_svg *svg);

/* `hint` appears where the pointer rests; NULL: none. */
void hm_svg_rect(struct hm_svg *svg, double x, double y, double width, double height,
                 const char *fill, double opacity, const char *hint);
enum hm_svg_anchor { HM_SVG_START, HM_SVG_MIDDLE, HM_SVG_END };
void hm_svg_text(struct hm_svg *svg, double x, double y, double size,
                 enum hm_svg_anchor anchor, const char *fill, const char *text);
/* Bold, or in a fixed pitch. */
void hm_svg_heading(struct hm_svg *svg, double x, double y, double size,
                    const char *text);
void hm_svg_code(struct hm_svg *svg, double x, double y, double size,
                 enum hm_svg_anchor anchor, const char *fill, const char *text);

/* Rectangles of one height and colour, as one shape. */
void hm_svg_strip_begin(struct hm_svg *svg, const char *fill);
void hm_svg_strip_add(struct hm_svg *svg, double x, double y, double width,
                      double height);
void hm_svg_strip_end(struct hm_svg *svg);

#endif
