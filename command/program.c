/* SPDX-License-Identifier: MIT */
#include "program.h"

#include "elf_file.h"
#include "out.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Finding ---------------------------------------------------------------------------- */

static int try_file(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return EACCES;
    return access(path, X_OK) == 0 ? 0 : errno;
}

char *hm_program_find(const char *name, int *error)
{
    const char *path = getenv("PATH");

    *error = ENOENT;
    if (strchr(name, '/') != NULL) {
        *error = try_file(name);
        return *error == 0 ? hm_out_strdup(name) : NULL;
    }
    if (path == NULL)
        path = "/bin:/usr/bin"; /* as execvp(3) has it */
    for (;; path++) {
        const size_t len = strcspn(path, ":");
        char *file =
            hm_out_format("%.*s%s%s", (int)len, path, len > 0 ? "/" : "./", name);
        const int result = name[0] != '\0' ? try_file(file) : ENOENT;

        if (result == 0) {
            *error = 0;
            return file;
        }
        free(file);
        if (result == EACCES)
            *error = EACCES;
        path += len;
        if (*path == '\0')
            return NULL;
    }
}

/* Notes ------------------------------------------------------------------------------ */

const char *hm_program_kind(enum hm_note_kind kind)
{
    static const char *const words[] = {
        [HM_NOTE_STATIC] = "static",
        [HM_NOTE_SECURE] = "secure",
        [HM_NOTE_CAPABILITIES] = "capabilities",
        [HM_NOTE_ARCHITECTURE] = "architecture",
        [HM_NOTE_LIBC] = "libc",
        [HM_NOTE_OWN_MALLOC] = "own-malloc",
        [HM_NOTE_ALLOCATOR] = "allocator",
        [HM_NOTE_SANITIZER] = "sanitizer",
        [HM_NOTE_UNKNOWN] = "unknown",
    };

    return words[kind];
}

/* Takes the text. */
static void add_note(struct hm_program *program, enum hm_note_kind kind, char *text)
{
    program->notes =
        hm_out_realloc(program->notes, (program->count + 1) * sizeof program->notes[0]);
    program->notes[program->count++] = (struct hm_note){kind, text};
}

/* Files ------------------------------------------------------------------------------ */

static bool map_file(const char *path, struct hm_elf *out)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    void *bytes = MAP_FAILED;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return false;
    *out = (struct hm_elf){bytes, (size_t)st.st_size};
    return true;
}

/* The privileges that make the dynamic linker leave LD_PRELOAD aside. */
static void check_privileges(struct hm_program *program, const char *path)
{
    const mode_t group = S_ISGID | S_IXGRP;
    struct stat st;

    if (stat(path, &st) != 0)
        return;
    if (((st.st_mode & S_ISUID) != 0 && st.st_uid != getuid()) ||
        ((st.st_mode & group) == group && st.st_gid != getgid()))
        add_note(program, HM_NOTE_SECURE,
                 hm_out_format("%s is set-user-ID or set-group-ID: the dynamic linker "
                               "preloads nothing into it",
                               path));
    else if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        add_note(program, HM_NOTE_CAPABILITIES,
                 hm_out_format("%s has file capabilities: the dynamic linker preloads "
                               "nothing into it",
                               path));
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Our own dynamic linker is the one that the library was built for. */
static void check_linker(struct hm_program *program, const char *path, const char *linker)
{
    struct hm_elf self;
    const char *ours;

    if (!map_file("/proc/self/exe", &self))
        return;
    ours = hm_elf_interpreter(&self);
    if (ours != NULL && strcmp(base_name(ours), base_name(linker)) != 0)
        add_note(program, HM_NOTE_LIBC,
                 hm_out_format("%s is made for another C library (its dynamic linker is "
                               "%s): libhakmem cannot be loaded there",
                               path, linker));
    munmap((void *)self.bytes, self.size);
}

static bool begins_with(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

/* True: the program's malloc is the sanitizer's. */
static bool check_sanitizer(struct hm_program *program, const char *path,
                            const struct hm_elf *elf)
{
    static const struct {
        const char *library;
        const char *function;
        const char *name;
    } known[] = {
        {"libasan.so", "__asan_init", "AddressSanitizer"},
        {"libtsan.so", "__tsan_init", "ThreadSanitizer"},
        {"liblsan.so", "__lsan_init", "LeakSanitizer"},
        {"libhwasan.so", "__hwasan_init", "HWAddressSanitizer"},
        {"libclang_rt.msan", "__msan_init", "MemorySanitizer"},
    };

    for (size_t i = 0; i < HM_ARRAY_LEN(known); i++) {
        bool found = hm_elf_defines(elf, HM_ELF_DYNAMIC, known[i].function) ||
                     hm_elf_defines(elf, HM_ELF_ALL, known[i].function);
        const char *needed;

        for (size_t n = 0; !found && (needed = hm_elf_needed(elf, n)) != NULL; n++)
            found = begins_with(needed, known[i].library);
        if (found) {
            add_note(program, HM_NOTE_SANITIZER,
                     hm_out_format("%s is built with %s, which needs its own malloc to "
                                   "find errors",
                                   path, known[i].name));
            return true;
        }
    }
    return false;
}

static void check_allocator(struct hm_program *program, const char *path,
                            const struct hm_elf *elf)
{
    static const struct {
        const char *library;
        const char *function; /* what a copy inside the program is told by */
        const char *name;
    } known[] = {
        {"libjemalloc", "je_malloc", "jemalloc"},
        {"libtcmalloc", "tc_malloc", "tcmalloc"},
        {"libmimalloc", "mi_malloc", "mimalloc"},
        {"libsnmalloc", "sn_malloc", "snmalloc"},
    };
    const char *needed;

    for (size_t i = 0; i < HM_ARRAY_LEN(known); i++) {
        for (size_t n = 0; (needed = hm_elf_needed(elf, n)) != NULL; n++) {
            if (begins_with(needed, known[i].library))
                add_note(
                    program, HM_NOTE_ALLOCATOR,
                    hm_out_format("%s is linked with %s: its malloc gives way to "
                                  "libhakmem's, what it calls by %s's own names does "
                                  "not",
                                  path, needed, known[i].name));
        }
        if (hm_elf_defines(elf, HM_ELF_DYNAMIC, known[i].function) ||
            hm_elf_defines(elf, HM_ELF_ALL, known[i].function))
            add_note(program, HM_NOTE_ALLOCATOR,
                     hm_out_format("%s contains %s: what it calls by the name %s stays "
                                   "there",
                                   path, known[i].name, known[i].function));
    }
}

static void check_malloc(struct hm_program *program, const char *path,
                         const struct hm_elf *elf)
{
    if (hm_elf_defines(elf, HM_ELF_DYNAMIC, "malloc"))
        add_note(program, HM_NOTE_OWN_MALLOC,
                 hm_out_format("%s has a malloc of its own, which comes before every "
                               "preloaded one",
                               path));
    else if (hm_elf_defines(elf, HM_ELF_ALL, "malloc"))
        add_note(program, HM_NOTE_OWN_MALLOC,
                 hm_out_format(
                     "%s has a malloc of its own, which it goes on using itself", path));
}

static void check_elf(struct hm_program *program, const char *path,
                      const struct hm_elf *elf)
{
    const char *linker;

    if (hm_elf_classify(elf) == HM_ELF_FOREIGN) {
        add_note(
            program, HM_NOTE_ARCHITECTURE,
            hm_out_format("%s is made for another architecture than libhakmem", path));
        return;
    }
    linker = hm_elf_interpreter(elf);
    if (linker == NULL) {
        add_note(program, HM_NOTE_STATIC,
                 hm_out_format(
                     "%s is statically linked: nothing can be preloaded into it", path));
        return;
    }
    check_linker(program, path, linker);
    if (!check_sanitizer(program, path, elf))
        check_malloc(program, path, elf);
    check_allocator(program, path, elf);
}

/* Scripts ---------------------------------------------------------------------------- */

/* As the kernel: the first line, cut to this many bytes. */
enum { SHEBANG_MAX = 255, SHEBANG_DEPTH = 5 };

/* The next word of a line, at *at; NULL: there is none. */
static char *next_word(const char **at, const char *end)
{
    const char *start;

    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
    start = *at;
    while (*at < end && **at != ' ' && **at != '\t')
        (*at)++;
    return *at > start ? hm_out_strndup(start, (size_t)(*at - start)) : NULL;
}

/* What env(1) would run: the first word that is neither an option nor an assignment. */
static char *command_of_env(const char *at, const char *end)
{
    char *word;

    while ((word = next_word(&at, end)) != NULL) {
        char *path;
        int error;

        if (word[0] != '-' && strchr(word, '=') == NULL) {
            path = hm_program_find(word, &error);
            free(word);
            return path;
        }
        free(word);
    }
    return NULL;
}

/* The interpreter of a script; NULL: it is none, or it names nothing that is there. */
static char *interpreter_of(const struct hm_elf *file)
{
    const char *at = (const char *)file->bytes;
    const char *end = at + hm_min(file->size, SHEBANG_MAX);
    const char *newline;
    char *word;

    if (file->size < 2 || memcmp(at, "#!", 2) != 0)
        return NULL;
    newline = memchr(at, '\n', (size_t)(end - at));
    if (newline != NULL)
        end = newline;
    at += 2;
    word = next_word(&at, end);
    if (word != NULL && strcmp(base_name(word), "env") == 0) {
        free(word);
        word = command_of_env(at, end);
    }
    return word;
}

static void inspect(struct hm_program *program, const char *path, unsigned depth)
{
    struct hm_elf file;
    char *next = NULL;

    if (!map_file(path, &file)) {
        add_note(program, HM_NOTE_UNKNOWN,
                 hm_out_format("%s cannot be read, so nothing is known about it", path));
        check_privileges(program, path);
        return;
    }
    if (hm_elf_classify(&file) != HM_ELF_NONE) {
        check_privileges(program, path);
        check_elf(program, path, &file);
    } else if (depth < SHEBANG_DEPTH) {
        next = interpreter_of(&file);
    }
    munmap((void *)file.bytes, file.size);
    if (next != NULL) {
        free(program->interpreter);
        program->interpreter = next;
        inspect(program, next, depth + 1);
    }
}

bool hm_program_open(const char *name, struct hm_program *out, int *error)
{
    *out = (struct hm_program){.path = hm_program_find(name, error)};
    if (out->path == NULL) {
        hm_out_error("%s: %s", name, strerror(*error));
        return false;
    }
    inspect(out, out->path, 0);
    return true;
}

void hm_program_warn(const struct hm_program *program)
{
    for (size_t i = 0; i < program->count; i++)
        hm_out_warning("%s", program->notes[i].text);
}
