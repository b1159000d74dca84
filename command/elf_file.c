/* SPDX-License-Identifier: MIT */
#include "elf_file.h"

#include <link.h>
#include <string.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#elif defined(__i386__)
#define MACHINE EM_386
#elif defined(__arm__)
#define MACHINE EM_ARM
#elif defined(__riscv)
#define MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define MACHINE EM_PPC64
#elif defined(__s390x__)
#define MACHINE EM_S390
#elif defined(__loongarch64)
#define MACHINE EM_LOONGARCH
#else
#error "which ELF machine is this?"
#endif

#define CLASS_HERE (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_ORDER_HERE ELFDATA2LSB
#else
#define BYTE_ORDER_HERE ELFDATA2MSB
#endif

/* Copies what lies at an offset, wherever that is aligned to; false: beyond the end. */
static bool get(const struct hm_elf *elf, uint64_t at, void *out, size_t size)
{
    if (at > elf->size || size > elf->size - at)
        return false;
    memcpy(out, elf->bytes + at, size);
    return true;
}

/* The string at an offset; NULL: it does not end within the file. */
static const char *get_string(const struct hm_elf *elf, uint64_t at)
{
    if (at >= elf->size || memchr(elf->bytes + at, '\0', elf->size - (size_t)at) == NULL)
        return NULL;
    return (const char *)elf->bytes + at;
}

enum hm_elf_class hm_elf_classify(const struct hm_elf *elf)
{
    ElfW(Ehdr) header;

    if (elf->size < EI_NIDENT || memcmp(elf->bytes, ELFMAG, SELFMAG) != 0)
        return HM_ELF_NONE;
    if (elf->bytes[EI_CLASS] != CLASS_HERE || elf->bytes[EI_DATA] != BYTE_ORDER_HERE)
        return HM_ELF_FOREIGN;
    if (!get(elf, 0, &header, sizeof header))
        return HM_ELF_NONE;
    return header.e_machine == MACHINE ? HM_ELF_NATIVE : HM_ELF_FOREIGN;
}

/* Segments --------------------------------------------------------------------------- */

static bool find_segment(const struct hm_elf *elf, uint32_t type, ElfW(Phdr) *out)
{
    ElfW(Ehdr) header;

    if (!get(elf, 0, &header, sizeof header) || header.e_phentsize != sizeof *out)
        return false;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        if (!get(elf, header.e_phoff + i * sizeof *out, out, sizeof *out))
            return false;
        if (out->p_type == type)
            return true;
    }
    return false;
}

const char *hm_elf_interpreter(const struct hm_elf *elf)
{
    ElfW(Phdr) segment;

    return find_segment(elf, PT_INTERP, &segment) ? get_string(elf, segment.p_offset)
                                                  : NULL;
}

bool hm_elf_is_dynamic(const struct hm_elf *elf)
{
    ElfW(Phdr) segment;

    return find_segment(elf, PT_DYNAMIC, &segment);
}

/* Sections --------------------------------------------------------------------------- */

/* Section `index`, or the first of a type from there on; false: there is none. */
static bool get_section(const struct hm_elf *elf, unsigned index, ElfW(Shdr) *out)
{
    ElfW(Ehdr) header;

    return get(elf, 0, &header, sizeof header) && header.e_shentsize == sizeof *out &&
           index < header.e_shnum &&
           get(elf, header.e_shoff + index * sizeof *out, out, sizeof *out);
}

static bool find_section(const struct hm_elf *elf, uint32_t type, ElfW(Shdr) *out,
                         ElfW(Shdr) *strings)
{
    for (unsigned i = 0; get_section(elf, i, out); i++) {
        if (out->sh_type == type)
            return get_section(elf, out->sh_link, strings);
    }
    return false;
}

const char *hm_elf_needed(const struct hm_elf *elf, size_t i)
{
    ElfW(Shdr) dynamic, strings;
    ElfW(Dyn) entry;

    if (!find_section(elf, SHT_DYNAMIC, &dynamic, &strings))
        return NULL;
    for (uint64_t at = 0; at + sizeof entry <= dynamic.sh_size; at += sizeof entry) {
        if (!get(elf, dynamic.sh_offset + at, &entry, sizeof entry) ||
            entry.d_tag == DT_NULL)
            return NULL;
        if (entry.d_tag == DT_NEEDED && i-- == 0)
            return get_string(elf, strings.sh_offset + entry.d_un.d_val);
    }
    return NULL;
}

bool hm_elf_defines(const struct hm_elf *elf, enum hm_elf_table table, const char *name)
{
    ElfW(Shdr) section, strings;
    ElfW(Sym) symbol;

    if (!find_section(elf, table == HM_ELF_DYNAMIC ? SHT_DYNSYM : SHT_SYMTAB, &section,
                      &strings))
        return false;
    for (uint64_t at = 0; at + sizeof symbol <= section.sh_size; at += sizeof symbol) {
        const char *found;

        if (!get(elf, section.sh_offset + at, &symbol, sizeof symbol))
            return false;
        if (symbol.st_shndx == SHN_UNDEF || (symbol.st_info & 0xf) != STT_FUNC)
            continue;
        found = get_string(elf, strings.sh_offset + symbol.st_name);
        if (found != NULL && strcmp(found, name) == 0)
            return true;
    }
    return false;
}
