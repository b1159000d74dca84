/* SPDX-License-Identifier: MIT */
/* top_view: what `hakmem top` shows, as lines of text: processes, and the size classes of
 * one of them. */
#ifndef HM_TOP_VIEW_H
#define HM_TOP_VIEW_H

#include "live.h"

enum hm_top_order { HM_BY_LIVE, HM_BY_CACHED, HM_BY_RESIDENT, HM_BY_PID, HM_TOP_ORDERS };
enum hm_top_class_order { HM_BY_BYTES, HM_BY_SIZE, HM_BY_SLABS, HM_TOP_CLASS_ORDERS };

/* A process, and what it told last and before. */
struct hm_top_process {
    struct hm_live live;
    bool is_open;
    bool answers;  /* what `live` has is of the last round */
    bool has_past; /* there is a `past` */
    uint64_t at;   /* milliseconds, of figures */
    uint64_t past_at;
    uint64_t past[HM_LIVE_FIGURES];
    uint64_t resident; /* bytes, as the kernel counts them, with all that is not ours */
};

struct hm_top {
    const long *asked; /* the processes to show; NULL: all that there are */
    size_t asked_count;
    struct hm_top_process *processes; /* in order */
    size_t count;
    long selected; /* process whose classes are shown; 0: the first */
    enum hm_top_order order;
    enum hm_top_class_order class_order;
};

enum hm_top_style { HM_TOP_PLAIN, HM_TOP_HEADING, HM_TOP_SELECTED };
struct hm_top_line {
    char *text;
    enum hm_top_style style;
};

/* Asks all processes. */
void hm_top_refresh(struct hm_top *top);
/* Sorts them anew, as `order` says. */
void hm_top_sort(struct hm_top *top);
/* The selected process, or NULL. */
struct hm_top_process *hm_top_selected(struct hm_top *top);
/* Selects the one so many lines further down. */
void hm_top_move(struct hm_top *top, int lines);
/* The lines; how many. To be freed by hm_top_free_lines. */
size_t hm_top_lines(struct hm_top *top, struct hm_top_line **lines);
void hm_top_free_lines(struct hm_top_line *lines, size_t count);

/* The full-screen view, until `q` is pressed; the exit code. -1: built without
 * ncurses. */
int hm_top_screen(struct hm_top *top, unsigned delay_ms);

#endif
