/* SPDX-License-Identifier: MIT */
/* unit: systemd's files about one service: where they lie, what they preload, and the one
 * of ours among them, the drop-in hakmem.conf.
 *
 *   ROOT/etc/systemd/system/UNIT.d/hakmem.conf       for the machine
 *   ~/.config/systemd/user/UNIT.d/hakmem.conf        for a user's own manager */
#ifndef HM_UNIT_H
#define HM_UNIT_H

#include "base.h"

struct hm_unit {
    char *name;      /* with its suffix */
    char *directory; /* where administrators' files are */
    char *drop_in;   /* path of ours */
    const char *root;
    bool user;
};

/* False, and an error was printed: no name of a service, or no home directory. root: NULL
 * or a directory that stands for /. */
bool hm_unit_open(struct hm_unit *unit, const char *name, const char *root, bool user);

/* The libraries that its other files preload; NULL: none. *later: the file that has the
 * last word about them comes after ours, and is told by its path; NULL: it does not. */
char *hm_unit_preloads(const struct hm_unit *unit, char **later);
/* Is there such a unit, as far as files tell? */
bool hm_unit_exists(const struct hm_unit *unit);

enum hm_drop_in { HM_DROP_IN_ABSENT, HM_DROP_IN_OURS, HM_DROP_IN_FOREIGN };
enum hm_drop_in hm_unit_look(const struct hm_unit *unit);
/* All of it or nothing of it. False, and an error was printed. */
bool hm_unit_write(const struct hm_unit *unit, const char *text);
bool hm_unit_remove(const struct hm_unit *unit);

/* The first line of what we write. */
#define HM_UNIT_MARK "# Written by hakmem enable; hakmem disable removes it.\n"

#endif
