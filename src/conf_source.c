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

/* The whole file is left out, for a reason that one line states. */
HM_COLD static void warn_left_out(const char *name, const char *found,
                                  const char *expected)
{
    const char *ellipsis;
    const char *shown = hm_conf_source_shown(name, &ellipsis);

    hm_warn("%s%s:1:1: %s, expected %s; file ignored", ellipsis, shown, found, expected);
}

HM_COLD static void warn_error(const char *name, long result)
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
    case ENOMEM:
        found = "no memory to read it";
        break;
    default:
        hm_text_init(&text, other, sizeof other, -1);
        hm_text_printf(&text, "error %ld", -result);
        hm_text_flush(&text);
    }
    warn_left_out(name, found, "a readable file");
}

/* Texts ------------------------------------------------------------------------------ */

/* A source with room for its name and, at `text`, for len bytes; NULL: no memory. */
static struct hm_conf_source *source_new(const char *name, size_t len)
{
    const size_t name_size = strlen(name) + 1;
    const size_t size = sizeof(struct hm_conf_source) + name_size + len;
    struct hm_conf_source *source = hm_os_scratch_map(size);
    char *own_name;

    if (source == NULL) {
        warn_error(name, -ENOMEM);
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

/* Refuses what is no text; the list of one, or NULL. */
static struct hm_conf_source *checked(struct hm_conf_source *source)
{
    const size_t at = hm_conf_find_binary(source->text, source->len);
    const char *ellipsis, *shown;
    size_t line = 1, line_start = 0;

    if (at == source->len)
        return source;
    for (size_t i = 0; i < at; i++) {
        if (source->text[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    shown = hm_conf_source_shown(source->name, &ellipsis);
    hm_warn("%s%s:%zu:%zu: control character 0x%x, expected text; file ignored", ellipsis,
            shown, line, at - line_start + 1, (unsigned)(unsigned char)source->text[at]);
    hm_conf_source_release(source);
    return NULL;
}

struct hm_conf_source *hm_conf_source_text(const char *name, const char *text, size_t len)
{
    struct hm_conf_source *source;

    if (len > HM_CONF_FILE_MAX) {
        warn_left_out(name, "larger than 64K", "at most that");
        return NULL;
    }
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
            warn_error(name, got);
            hm_conf_source_release(source);
            return NULL;
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

    if (!hm_sys_is_regular(fd, &size, &uid)) {
        warn_left_out(name, "not a regular file", "one");
        return NULL;
    }
    if (owner != NULL && uid != *owner) {
        const char *ellipsis;
        const char *shown = hm_conf_source_shown(name, &ellipsis);

        hm_warn("%s%s:1:1: owned by user %u, expected user %u; file ignored", ellipsis,
                shown, uid, *owner);
        return NULL;
    }
    if (size > HM_CONF_FILE_MAX) {
        warn_left_out(name, "larger than 64K", "at most that");
        return NULL;
    }
    return read_all(fd, name, (size_t)size);
}

static struct hm_conf_source *read_file(const char *path, const uint32_t *owner)
{
    struct hm_conf_source *source;
    long fd = hm_sys_open_read(path);

    if (hm_sys_failed(fd)) {
        if (owner == NULL || (fd != -ENOENT && fd != -ENOTDIR))
            warn_error(path, fd);
        return NULL;
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

/* False, and a warning: the path is too long. */
static bool make_path(char *path, size_t size, const char *dir, const char *file)
{
    struct hm_text text;

    hm_text_init(&text, path, size, -1);
    hm_text_printf(&text, "%s/%s", dir, file);
    hm_text_flush(&text);
    if (text.truncated)
        warn_left_out(dir, "too long a path", "at most 511 characters");
    return !text.truncated;
}

static void read_named(struct dir_names *d, const char *dir, uint32_t owner,
                       struct hm_conf_source **tail)
{
    for (unsigned i = 0; i < d->count; i++) {
        if (!make_path(d->path, sizeof d->path, dir, d->name[i]))
            continue;
        *tail = read_file(d->path, &owner);
        if (*tail != NULL)
            tail = &(*tail)->next;
    }
    if (d->overflow)
        hm_warn(
            "%s:1:1: more than %d files, expected at most as many; using those up to %s",
            dir, HM_CONF_DIR_MAX, d->name[d->count - 1]);
}

static void read_dir(const char *dir, uint32_t owner, struct hm_conf_source **tail)
{
    struct dir_names *names;
    long fd = hm_sys_open_dir(dir);

    if (hm_sys_failed(fd)) {
        if (fd != -ENOENT && fd != -ENOTDIR)
            warn_error(dir, fd);
        return;
    }
    names = hm_os_scratch_map(sizeof *names);
    if (names != NULL) {
        read_names((int)fd, names);
        read_named(names, dir, owner, tail);
        hm_os_scratch_unmap(names, sizeof *names);
    } else {
        warn_error(dir, -ENOMEM);
    }
    hm_sys_close((int)fd);
}

struct hm_conf_source *hm_conf_source_system(const char *dir, uint32_t owner)
{
    struct hm_conf_source *list = NULL;
    char path[PATH_MAX_SYSTEM];

    if (make_path(path, sizeof path, dir, "hakmem.conf"))
        list = read_file(path, &owner);
    if (make_path(path, sizeof path, dir, "hakmem.conf.d"))
        read_dir(path, owner, list != NULL ? &list->next : &list);
    return list;
}
