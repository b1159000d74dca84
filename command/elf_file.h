/* SPDX-License-Identifier: MIT */
/* elf_file: the facts of an ELF file that tell whether a malloc can be preloaded. The
 * file may be damaged or made to mislead: every offset in it is checked. */
#ifndef HM_ELF_FILE_H
#define HM_ELF_FILE_H

#include "base.h"

struct hm_elf {
    const unsigned char *bytes;
    size_t size;
};

/* What the first bytes say. */
enum hm_elf_class {
    HM_ELF_NONE,    /* no ELF file */
    HM_ELF_FOREIGN, /* for another machine, word size or byte order than this program */
    HM_ELF_NATIVE
};
enum hm_elf_class hm_elf_classify(const struct hm_elf *elf);

/* The rest is for native files. */

/* The dynamic linker's path; NULL: none is named. */
const char *hm_elf_interpreter(const struct hm_elf *elf);
/* Whether there is a dynamic section, as in everything but plain static programs. */
bool hm_elf_is_dynamic(const struct hm_elf *elf);
/* The i-th shared library that it asks for; NULL: there are fewer. */
const char *hm_elf_needed(const struct hm_elf *elf, size_t i);

/* Whether a function of this name is defined: where the dynamic linker sees it, or in the
 * full symbol table, which a stripped file does not have. */
enum hm_elf_table { HM_ELF_DYNAMIC, HM_ELF_ALL };
bool hm_elf_defines(const struct hm_elf *elf, enum hm_elf_table table, const char *name);

#endif
