/* SPDX-License-Identifier: MIT */
#include "conf_source.h"

#include "conf_parse.h"
#include "fail.h"
#include "os.h"
#include "sys.h"
#include "text.h"
#include <errno.h>
#include <string.h>

const char *hm_conf_source_shown(const char *name, const char **ellipsis)
{
    size_t len = strlen(name);

    *ellipsis = len > HM_CONF_NAME_SHOWN ? "..." : "";
    return len > HM_CONF_NAME_SHOWN ? name + len - HM_CONF_NAME_SHOWN : name;
}

/* Texts ------------------------------------------------------------------------------ */

/* A source with room for its name and, at `text`, for len bytes; NULL: no memory, which
 * is said at once, since it cannot be kept. */
static struct hm_conf_source *source_new(const char *name, size_t len)
{
    const size_t name_size = strlen(name) + 1;
    const size_t size = sizeof(struct hm_conf_source) + name_size + len;
    struct hm_conf_source *source = hm_os_scratch_map(size);
    char *own_name;

    if (source == NULL) {
        const char *ellipsis;
        const char *shown = hm_conf_source_shown(name, &ellipsis);

        hm_warn("%s%s:1:1: no memory to read it, expected some; file ignored", ellipsis,
                shown);
        return NULL;
    }
    own_name = (char *)(source + 1);
    memcpy(own_name, name, name_size);
    *source = (struct hm_conf_source){
        .mapped = size, .name = own_name, .text = own_name + name_size, .len = len};
    return source;
}

void hm_conf_source_release(struct hm_conf_source *list)
{
    while (list != NULL) {
        struct hm_conf_source *next = list->next;

        hm_os_scratch_unmap(list, list->mapped);
        list = next;
    }
}

enum { REFUSAL_MAX = 128 };

/* In the place of a file that is left out: its name, no text, and the reason why. */
HM_COLD HM_PRINTF(4, 5) static struct hm_conf_source *refuse(const char *name,
                                                             size_t line, size_t column,
                                                             const char *reason, ...)
{
    struct hm_conf_source *source = source_new(name, REFUSAL_MAX);
    struct hm_text text;
    va_list args;

    if (source == NULL)
        return NULL;
    hm_text_init(&text, (char *)source + source->mapped - REFUSAL_MAX, REFUSAL_MAX, -1);
    hm_text_printf(&text, ":%zu:%zu: ", line, column);
    va_start(args, reason);
    hm_text_vprintf(&text, reason, &args);
    va_end(args);
    hm_text_flush(&text);
    source->refusal = source->text;
    source->len = 0;
    return source;
}

HM_COLD static struct hm_conf_source *refuse_error(const char *name, long result)
{
    char other[32];
    struct hm_text text;
    const char *found = other;

    switch (-result) {
    case ENOENT:
        found = "no such file";
        break;
    case EACCES:
        found = "permission denied";
        break;
    case ELOOP:
        found = "too many symbolic links";
        break;
    case ENOTDIR:
        found = "a part of the path is not a directory";
        break;
    default:
        hm_text_init(&text, other, sizeof other, -1);
        hm_text_printf(&text, "error %ld", -result);
        hm_text_flush(&text);
    }
    return refuse(name, 1, 1, "%s, expected a readable file; file ignored", found);
}

static struct hm_conf_source *refuse_size(const char *name)
{
    return refuse(name, 1, 1, "larger than 64K, expected at most that; file ignored");
}

/* Refuses what is no text. */
static struct hm_conf_source *checked(struct hm_conf_source *source)
{
    const size_t at = hm_conf_find_binary(source->text, source->len);
    struct hm_conf_source *refused;
    size_t line = 1, line_start = 0;

    if (at == source->len)
        return source;
    for (size_t i = 0; i < at; i++) {
        if (source->text[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    refused = refuse(source->name, line, at - line_start + 1,
                     "control character 0x%x, expected text; file ignored",
                     (unsigned)(unsigned char)source->text[at]);
    hm_conf_source_release(source);
    return refused;
}

struct hm_conf_source *hm_conf_source_text(const char *name, const char *text, size_t len)
{
    struct hm_conf_source *source;

    if (len > HM_CONF_FILE_MAX)
        return refuse_size(name);
    source = source_new(name, len);
    if (source == NULL)
        return NULL;
    if (len > 0)
        memcpy((char *)source + source->mapped - len, text, len);
    return checked(source);
}

/* Files ------------------------------------------------------------------------------ */

static struct hm_conf_source *read_all(int fd, const char *name, size_t size)
{
    struct hm_conf_source *source = source_new(name, size);
    size_t len = 0;

    if (source == NULL)
        return NULL;
    while (len < size) {
        char *text = (char *)source + source->mapped - size;
        long got = hm_sys_read(fd, text + len, size - len);

        if (hm_sys_failed(got)) {
            hm_conf_source_release(source);
            return refuse_error(name, got);
        }
        if (got == 0) /* it shrank meanwhile */
            break;
        len += (size_t)got;
    }
    source->len = len;
    return checked(source);
}

/* owner NULL: anybody's file will do. */
static struct hm_conf_source *read_open(int fd, const char *name, const uint32_t *owner)
{
    uint64_t size;
    uint32_t uid;

    if (!hm_sys_is_regular(fd, &size, &uid))
        return refuse(name, 1, 1, "not a regular file, expected one; file ignored");
    if (owner != NULL && uid != *owner)
        return refuse(name, 1, 1, "owned by user %u, expected user %u; file ignored", uid,
                      *owner);
    if (size > HM_CONF_FILE_MAX)
        return refuse_size(name);
    return read_all(fd, name, (size_t)size);
}

static struct hm_conf_source *read_file(const char *path, const uint32_t *owner)
{
    struct hm_conf_source *source;
    long fd = hm_sys_open_read(path);

    if (hm_sys_failed(fd)) {
        if (owner != NULL && (fd == -ENOENT || fd == -ENOTDIR))
            return NULL;
        return refuse_error(path, fd);
    }
    source = read_open((int)fd, path, owner);
    hm_sys_close((int)fd);
    return source;
}

struct hm_conf_source *hm_conf_source_named(const char *path)
{
    return read_file(path, NULL);
}

/* The system's directory ------------------------------------------------------------- */

enum { PATH_MAX_SYSTEM = 512, NAME_SIZE = 256 };

/* As the kernel writes them. */
struct dir_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* The first HM_CONF_DIR_MAX names in order, whatever the order in which they are met. */
struct dir_names {
    unsigned count;
    bool overflow;
    char name[HM_CONF_DIR_MAX + 1]
             [NAME_SIZE]; /* one more, to insert before the last goes */
    char path[PATH_MAX_SYSTEM + NAME_SIZE];
    alignas(struct dir_entry) char entries[8192];
};

static bool is_wanted(const char *name)
{
    static const char suffix[] = ".conf";
    const size_t len = strlen(name);
    const size_t suffix_len = sizeof suffix - 1;

    return name[0] != '.' && len > suffix_len && len < NAME_SIZE &&
           memcmp(name + len - suffix_len, suffix, suffix_len) == 0;
}

static void insert_name(struct dir_names *d, const char *name)
{
    unsigned i = d->count;

    while (i > 0 && strcmp(d->name[i - 1], name) > 0)
        i--;
    memmove(d->name[i + 1], d->name[i], (d->count - i) * sizeof d->name[0]);
    memcpy(d->name[i], name, strlen(name) + 1);
    if (d->count == HM_CONF_DIR_MAX)
        d->overflow = true;
    else
        d->count++;
}

static void read_names(int fd, struct dir_names *d)
{
    long got;

    while ((got = hm_sys_getdents(fd, d->entries, sizeof d->entries)) > 0) {
        for (long at = 0; at < got;) {
            const struct dir_entry *entry = (const void *)(d->entries + at);

            if (is_wanted(entry->name))
                insert_name(d, entry->name);
            at += entry->size;
        }
    }
}

/* False: the path is too long. */
static bool make_path(char *path, size_t size, const char *dir, const char *file)
{
    struct hm_text text;

    hm_text_init(&text, path, size, -1);
    hm_text_printf(&text, "%s/%s", dir, file);
    hm_text_flush(&text);
    return !text.truncated;
}

static struct hm_conf_source *refuse_path(const char *dir)
{
    return refuse(dir, 1, 1,
                  "too long a path, expected at most 511 characters; file ignored");
}

/* Appends to a list that may still be empty; the new end. */
static struct hm_conf_source **append(struct hm_conf_source **tail,
                                      struct hm_conf_source *source)
{
    *tail = source;
    return source != NULL ? &source->next : tail;
}

static struct hm_conf_source **read_named(struct dir_names *d, const char *dir,
                                          uint32_t owner, struct hm_conf_source **tail)
{
    for (unsigned i = 0; i < d->count; i++) {
        if (make_path(d->path, sizeof d->path, dir, d->name[i]))
            tail = append(tail, read_file(d->path, &owner));
        else
            tail = append(tail, refuse_path(dir));
    }
    if (d->overflow)
        tail = append(tail, refuse(dir, 1, 1,
                                   "more than %d files, expected at most as many; "
                                   "using those up to %s",
                                   HM_CONF_DIR_MAX, d->name[d->count - 1]));
    return tail;
}

static struct hm_conf_source **read_dir(const char *dir, uint32_t owner,
                                        struct hm_conf_source **tail)
{
    struct dir_names *names;
    long fd = hm_sys_open_dir(dir);

    if (fd == -ENOENT || fd == -ENOTDIR)
        return tail;
    if (hm_sys_failed(fd))
        return append(tail, refuse_error(dir, fd));
    names = hm_os_scratch_map(sizeof *names);
    if (names != NULL) {
        read_names((int)fd, names);
        tail = read_named(names, dir, owner, tail);
        hm_os_scratch_unmap(names, sizeof *names);
    } else {
        tail = append(tail, refuse_error(dir, -ENOMEM));
    }
    hm_sys_close((int)fd);
    return tail;
}

struct hm_conf_source *hm_conf_source_system(const char *dir, uint32_t owner)
{
    struct hm_conf_source *list = NULL;
    struct hm_conf_source **tail = &list;
    char path[PATH_MAX_SYSTEM];

    if (make_path(path, sizeof path, dir, "hakmem.conf"))
        tail = append(tail, read_file(path, &owner));
    else
        tail = append(tail, refuse_path(dir));
    if (make_path(path, sizeof path, dir, "hakmem.conf.d"))
        read_dir(path, owner, tail);
    return list;
}
