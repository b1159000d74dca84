/* SPDX-License-Identifier: MIT */
#include "conf_source.h"

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
    *source = (struct hm_conf_source){.mapped = size,
                                      .name = own_name,
                                      .text = own_name + name_size,
                                      .len = len,
                                      .line = 1};
    return source;
}

void hm_conf_source_reader(const struct hm_conf_source *source, struct hm_conf_reader *r)
{
    hm_conf_reader_init(r, HM_CONF_FILE, source->text, source->len);
    r->line = source->line;
}

void hm_conf_source_release(struct hm_conf_source *list)
{
    while (list != NULL) {
        struct hm_conf_source *next = list->next;

        hm_os_scratch_unmap(list, list->mapped);
        list = next;
    }
}

enum { REFUSAL_MAX = 128 + HM_CONF_NAME_SHOWN };

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

enum { ERROR_MAX = 48 };

HM_COLD static const char *error_text(long result, char *buf)
{
    struct hm_text text;

    switch (-result) {
    case ENOENT:
        return "no such file";
    case EACCES:
        return "permission denied";
    case ELOOP:
        return "too many symbolic links";
    case ENOTDIR:
        return "a part of the path is not a directory";
    default:
        hm_text_init(&text, buf, ERROR_MAX, -1);
        hm_text_printf(&text, "error %ld", -result);
        hm_text_flush(&text);
        return buf;
    }
}

HM_COLD static struct hm_conf_source *refuse_error(const char *name, long result)
{
    char buf[ERROR_MAX];

    return refuse(name, 1, 1, "%s, expected a readable file; file ignored",
                  error_text(result, buf));
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

HM_COLD struct hm_conf_source *hm_conf_source_text(const char *name, const char *text,
                                                   size_t len)
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

/* NULL: it does not exist, or there is no memory. */
static struct hm_conf_source *read_file(const char *path, const uint32_t *owner,
                                        long *error)
{
    struct hm_conf_source *source;
    long fd = hm_sys_open_read(path);

    *error = hm_sys_failed(fd) ? fd : 0;
    if (hm_sys_failed(fd))
        return NULL;
    source = read_open((int)fd, path, owner);
    hm_sys_close((int)fd);
    return source;
}

/* Appends to a list that may still be empty; the new end. */
static struct hm_conf_source **append(struct hm_conf_source **tail,
                                      struct hm_conf_source *source)
{
    *tail = source;
    return source != NULL ? &source->next : tail;
}

/* Includes --------------------------------------------------------------------------- */

enum { PATH_MAX_INCLUDED = 4096 };

/* The include line at which a text was divided. */
struct include {
    struct hm_conf_source *in;
    struct hm_conf_item item;
};

/* Divides a text behind its first include line, if it has one: what follows becomes the
 * next text. */
static bool divide(struct hm_conf_source *source, struct include *found)
{
    struct hm_conf_reader r;
    struct hm_conf_source *rest;

    found->in = source;
    hm_conf_source_reader(source, &r);
    do {
        if (!hm_conf_read(&r, &found->item))
            return false;
    } while (found->item.kind != HM_CONF_PAIR || found->item.scope != HM_CONF_TOP ||
             !hm_span_equal(found->item.key, hm_span_of("include")));
    source->len = (size_t)(r.at - source->text);
    if (r.at == r.end)
        return true;
    rest = source_new(source->name, 0);
    if (rest == NULL)
        return true;
    rest->text = r.at;
    rest->len = (size_t)(r.end - r.at);
    rest->line = r.line;
    rest->includer = source->includer;
    rest->vendor = source->vendor;
    rest->next = source->next;
    source->next = rest;
    return true;
}

HM_COLD static struct hm_conf_source *refuse_include(const struct include *at,
                                                     const char *path, const char *wrong,
                                                     const char *expected)
{
    const char *ellipsis;
    const char *shown = hm_conf_source_shown(path, &ellipsis);

    return refuse(at->in->name, at->item.line, at->item.value_column,
                  "%s%s: %s, expected %s; ignored", ellipsis, shown, wrong, expected);
}

/* From the includer's directory on, unless it begins with a slash; false: too long. */
HM_COLD static bool resolve(const struct include *at, char *path)
{
    const struct hm_span value = at->item.value;
    size_t dir = 0;

    for (size_t i = 0; value.n == 0 || value.s[0] != '/'; i++) {
        if (at->in->name[i] == '\0')
            break;
        if (at->in->name[i] == '/')
            dir = i + 1;
    }
    if (dir + value.n >= PATH_MAX_INCLUDED)
        return false;
    memcpy(path, at->in->name, dir);
    memcpy(path + dir, value.s, value.n);
    path[dir + value.n] = '\0';
    return true;
}

HM_COLD static bool includes_itself(const struct include *at, const char *path)
{
    for (const struct hm_conf_source *s = at->in; s != NULL; s = s->includer) {
        if (strcmp(s->name, path) == 0)
            return true;
    }
    return false;
}

/* What an include line stands for; NULL: nothing. */
HM_COLD static struct hm_conf_source *include(const struct include *at, char *path,
                                              const uint32_t *owner, unsigned *left)
{
    struct hm_conf_source *source;
    char buf[ERROR_MAX];
    long error;

    if (!resolve(at, path))
        return refuse_include(at, at->in->name, "too long a path",
                              "at most 4095 characters");
    if (includes_itself(at, path))
        return refuse_include(at, path, "includes itself", "no cycle");
    if (*left == 0)
        return refuse_include(at, path, "more than 64 included files", "at most as many");
    --*left;
    source = read_file(path, owner, &error);
    if (error != 0 && !(at->item.optional && (error == -ENOENT || error == -ENOTDIR)))
        return refuse_include(at, path, error_text(error, buf), "a readable file");
    if (source != NULL) {
        source->includer = at->in;
        source->vendor = at->in->vendor;
    }
    return source;
}

static struct hm_conf_source *expand(struct hm_conf_source *list, const uint32_t *owner)
{
    unsigned left = HM_CONF_INCLUDED_MAX;
    struct include at;
    char *path = NULL;

    for (struct hm_conf_source *s = list; s != NULL; s = s->next) {
        struct hm_conf_source *included;

        if (!divide(s, &at))
            continue;
        if (path == NULL)
            path = hm_os_scratch_map(PATH_MAX_INCLUDED);
        included = path != NULL
                       ? include(&at, path, owner, &left)
                       : refuse_include(&at, s->name, "no memory to include", "some");
        if (included != NULL) {
            included->next = s->next;
            s->next = included;
        }
    }
    if (path != NULL)
        hm_os_scratch_unmap(path, PATH_MAX_INCLUDED);
    return list;
}

struct hm_conf_source *hm_conf_source_named(const char *path)
{
    long error;
    struct hm_conf_source *source = read_file(path, NULL, &error);

    return error != 0 ? refuse_error(path, error) : expand(source, NULL);
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
static bool make_path(char *path, size_t size, const char *dir, const char *file,
                      const char *suffix)
{
    struct hm_text text;

    /* Not hm_text_printf, which few processes need for anything else. */
    hm_text_init(&text, path, size, -1);
    hm_text_put(&text, dir, strlen(dir));
    hm_text_put(&text, "/", 1);
    hm_text_put(&text, file, strlen(file));
    hm_text_put(&text, suffix, strlen(suffix));
    hm_text_flush(&text);
    return !text.truncated;
}

static struct hm_conf_source *refuse_path(const char *dir)
{
    return refuse(dir, 1, 1,
                  "too long a path, expected at most 511 characters; file ignored");
}

/* One of the system's, which need not exist. */
static struct hm_conf_source **append_file(struct hm_conf_source **tail, const char *path,
                                           uint32_t owner)
{
    long error;
    struct hm_conf_source *source = read_file(path, &owner, &error);

    if (error != 0 && error != -ENOENT && error != -ENOTDIR)
        source = refuse_error(path, error);
    return append(tail, source);
}

static struct hm_conf_source **read_named(struct dir_names *d, const char *dir,
                                          uint32_t owner, struct hm_conf_source **tail)
{
    for (unsigned i = 0; i < d->count; i++) {
        if (make_path(d->path, sizeof d->path, dir, d->name[i], ""))
            tail = append_file(tail, d->path, owner);
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

/* Of all vendors' files only that of this program is looked for, by its name, so that
 * there may be any number of them. */
static struct hm_conf_source **append_vendor(struct hm_conf_source **tail, char *path,
                                             const struct hm_conf_dirs *dirs,
                                             const char *name)
{
    struct hm_conf_source **end;

    if (name[0] == '\0' ||
        !make_path(path, PATH_MAX_SYSTEM, dirs->apps, name, ".conf") ||
        !hm_sys_exists(path))
        return tail;
    end = append_file(tail, path, dirs->owner);
    if (*tail != NULL)
        (*tail)->vendor = true;
    return end;
}

struct hm_conf_source *hm_conf_source_system(const struct hm_conf_dirs *dirs,
                                             const char *name)
{
    struct hm_conf_source *list = NULL;
    struct hm_conf_source **tail = &list;
    char path[PATH_MAX_SYSTEM];

    if (name != NULL)
        tail = append_vendor(tail, path, dirs, name);
    if (make_path(path, sizeof path, dirs->conf, "hakmem", ".conf"))
        tail = append_file(tail, path, dirs->owner);
    else
        tail = append(tail, refuse_path(dirs->conf));
    if (make_path(path, sizeof path, dirs->conf, "hakmem", ".conf.d"))
        read_dir(path, dirs->owner, tail);
    return expand(list, &dirs->owner);
}
