/* SPDX-License-Identifier: MIT */
/* program: what a file is that somebody wants to run, and what of it speaks against
 * preloading a malloc. Files are read, never run. */
#ifndef HM_PROGRAM_H
#define HM_PROGRAM_H

#include "base.h"

/* What execvp(3) would run, or NULL; *error is its errno then. */
char *hm_program_find(const char *name, int *error);

enum hm_note_kind {
    HM_NOTE_STATIC,       /* no dynamic linker reads LD_PRELOAD */
    HM_NOTE_SECURE,       /* one reads it, but leaves it aside */
    HM_NOTE_CAPABILITIES, /* the same */
    HM_NOTE_ARCHITECTURE, /* the library is for another machine */
    HM_NOTE_LIBC,         /* the library is for another C library */
    HM_NOTE_OWN_MALLOC,   /* the program's own comes first */
    HM_NOTE_ALLOCATOR,    /* it is linked with another allocator */
    HM_NOTE_SANITIZER,    /* its malloc is part of what finds errors */
    HM_NOTE_UNKNOWN       /* not a program that we understand */
};

struct hm_note {
    enum hm_note_kind kind;
    char *text; /* a sentence, its subject the program's path */
};

struct hm_program {
    char *path;        /* what was asked about */
    char *interpreter; /* of a script: the program that the notes are about; else NULL */
    struct hm_note *notes;
    size_t count;
};

/* The word for a kind in JSON: "static", "own-malloc". */
const char *hm_program_kind(enum hm_note_kind kind);

/* Finds the file that execvp(3) would run, and looks at it, and at the interpreter if it
 * is a script. False, an error printed: there is none; *error is its errno. */
bool hm_program_open(const char *name, struct hm_program *out, int *error);

/* Prints a warning for each note. */
void hm_program_warn(const struct hm_program *program);

#endif
