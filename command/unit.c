/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "out.h"
#include "view.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OURS "hakmem.conf"

/* From strong to weak: systemd.unit(5). */
static const char *const system_places[] = {
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system", "/lib/systemd/system"};
static const char *const user_places[] = {
    "/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user", "/lib/systemd/user"};

static bool is_name(const char *name, size_t len)
{
    static const char others[] = ":-_.\\@";

    if (len == 0 || len + strlen(".service") > 255 || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && !(c >= '0' && c <= '9') && strchr(others, c) == NULL)
            return false;
    }
    return true;
}

static bool ends_in(const char *s, const char *end)
{
    size_t len = strlen(s), tail = strlen(end);

    return len >= tail && strcmp(s + len - tail, end) == 0;
}

static char *user_directory(void)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (config != NULL && config[0] == '/')
        return hm_out_format("%s/systemd/user", config);
    if (home != NULL && home[0] == '/')
        return hm_out_format("%s/.config/systemd/user", home);
    hm_out_error("neither XDG_CONFIG_HOME nor HOME tells where your units are");
    return NULL;
}

bool hm_unit_open(struct hm_unit *unit, const char *name, const char *root, bool user)
{
    static const char *const others[] = {".socket", ".mount", ".swap",   ".timer",
                                         ".target", ".path",  ".slice",  ".scope",
                                         ".device", ".swap",  ".automount"};

    for (size_t i = 0; i < HM_ARRAY_LEN(others); i++) {
        if (ends_in(name, others[i])) {
            hm_out_error("%s: only a service has an environment of its own", name);
            return false;
        }
    }
    if (!is_name(name, strlen(name))) {
        hm_out_error("'%s' is no name of a unit", name);
        return false;
    }
    unit->root = root != NULL ? root : "";
    unit->user = user;
    unit->name = hm_out_format("%s%s", name, ends_in(name, ".service") ? "" : ".service");
    unit->directory =
        user ? user_directory() : hm_out_format("%s%s", unit->root, system_places[0]);
    if (unit->directory == NULL)
        return false;
    unit->drop_in = hm_out_format("%s/%s.d/" OURS, unit->directory, unit->name);
    return true;
}

/* What is preloaded ------------------------------------------------------------------ */

/* The next word of an Environment= line, without its quotes; NULL: no more. */
static char *next_word(const char **at)
{
    const char *s = *at + strspn(*at, " \t");
    char *word, *to, quote = '\0';

    if (*s == '\0')
        return NULL;
    to = word = hm_out_alloc(strlen(s) + 1);
    for (; *s != '\0' && (quote != '\0' || (*s != ' ' && *s != '\t')); s++) {
        if (quote == '\0' && (*s == '"' || *s == '\''))
            quote = *s;
        else if (quote != '\0' && *s == quote)
            quote = '\0';
        else if (*s == '\\' && s[1] != '\0')
            *to++ = *++s;
        else
            *to++ = *s;
    }
    *to = '\0';
    *at = s;
    return word;
}

/* Takes what a file says about LD_PRELOAD: *value becomes it. True: it says something. */
static bool read_preload(const char *path, char **value)
{
    static const char key[] = "Environment=", variable[] = "LD_PRELOAD=";
    char *text = hm_view_read_file(path), *rest = text, *line, *word;
    bool said = false;

    while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
        const char *at = line + strspn(line, " \t");

        if (strncmp(at, key, strlen(key)) != 0)
            continue;
        at += strlen(key);
        if (at[strspn(at, " \t")] == '\0') { /* an empty one takes all back */
            free(*value);
            *value = NULL;
            said = true;
        }
        for (; (word = next_word(&at)) != NULL; free(word)) {
            if (strncmp(word, variable, strlen(variable)) != 0)
                continue;
            free(*value);
            *value = hm_out_strdup(word + strlen(variable));
            said = true;
        }
    }
    free(text);
    return said;
}

struct places {
    char *paths[HM_ARRAY_LEN(system_places) + 1];
    size_t count;
};

static struct places places_of(const struct hm_unit *unit)
{
    struct places p = {.count = 0};

    if (unit->user)
        p.paths[p.count++] = hm_out_strdup(unit->directory);
    for (size_t i = 0; i < HM_ARRAY_LEN(system_places); i++)
        p.paths[p.count++] = hm_out_format(
            "%s%s", unit->root, unit->user ? user_places[i] : system_places[i]);
    return p;
}

static void places_free(struct places *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->paths[i]);
}

/* The unit's own file; NULL: none. */
static char *unit_file(const struct hm_unit *unit, const struct places *places)
{
    const char *at = strchr(unit->name, '@');

    for (size_t i = 0; i < places->count; i++) {
        char *path = hm_out_format("%s/%s", places->paths[i], unit->name);

        if (access(path, F_OK) != 0 && at != NULL) { /* an instance of a template */
            free(path);
            path = hm_out_format("%s/%.*s@.service", places->paths[i],
                                 (int)(at - unit->name), unit->name);
        }
        if (access(path, F_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

bool hm_unit_exists(const struct hm_unit *unit)
{
    struct places places = places_of(unit);
    char *path = unit_file(unit, &places);

    places_free(&places);
    free(path);
    return path != NULL;
}

/* Drop-ins are read by the order of their names, wherever they are; of those of one name
 * the strongest place counts. */
struct drop_ins {
    struct {
        char *name, *path;
    } *list;
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_drop_ins(struct drop_ins *all, const char *directory)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        bool known = !ends_in(entry->d_name, ".conf") || strcmp(entry->d_name, OURS) == 0;

        for (size_t i = 0; i < all->count && !known; i++)
            known = strcmp(all->list[i].name, entry->d_name) == 0;
        if (known)
            continue;
        all->list = hm_out_realloc(all->list, (all->count + 1) * sizeof *all->list);
        all->list[all->count].name = hm_out_strdup(entry->d_name);
        all->list[all->count++].path = hm_out_format("%s/%s", directory, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
}

char *hm_unit_preloads(const struct hm_unit *unit, char **later)
{
    struct places places = places_of(unit);
    struct drop_ins all = {.count = 0};
    char *path = unit_file(unit, &places), *value = NULL;

    *later = NULL;
    if (path != NULL)
        read_preload(path, &value);
    for (size_t i = 0; i < places.count; i++) {
        const char *at = strchr(unit->name, '@');
        char *directory = hm_out_format("%s/%s.d", places.paths[i], unit->name);

        add_drop_ins(&all, directory);
        free(directory);
        if (at == NULL)
            continue;
        directory = hm_out_format("%s/%.*s@.service.d", places.paths[i],
                                  (int)(at - unit->name), unit->name);
        add_drop_ins(&all, directory);
        free(directory);
    }
    if (all.count > 0)
        qsort(all.list, all.count, sizeof *all.list, by_name);
    for (size_t i = 0; i < all.count; i++) {
        if (read_preload(all.list[i].path, &value) &&
            strcmp(all.list[i].name, OURS) > 0) {
            free(*later);
            *later = hm_out_strdup(all.list[i].path);
        }
        free(all.list[i].name);
        free(all.list[i].path);
    }
    free(all.list);
    free(path);
    places_free(&places);
    if (value != NULL && value[0] == '\0') {
        free(value);
        value = NULL;
    }
    return value;
}

/* Our file --------------------------------------------------------------------------- */

enum hm_drop_in hm_unit_look(const struct hm_unit *unit)
{
    struct stat st;
    char *text;
    bool ours;

    if (lstat(unit->drop_in, &st) != 0 && errno == ENOENT)
        return HM_DROP_IN_ABSENT;
    text = S_ISREG(st.st_mode) ? hm_view_read_file(unit->drop_in) : NULL;
    ours = text != NULL && strncmp(text, HM_UNIT_MARK, strlen(HM_UNIT_MARK)) == 0;
    free(text);
    return ours ? HM_DROP_IN_OURS : HM_DROP_IN_FOREIGN;
}

static bool make_directories(const char *file)
{
    char *path = hm_out_strdup(file);
    bool good = true;

    for (char *slash = strchr(path + 1, '/'); good && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        good = mkdir(path, 0755) == 0 || errno == EEXIST;
        if (!good)
            hm_out_error("%s: %s", path, strerror(errno));
        *slash = '/';
    }
    free(path);
    return good;
}

/* systemd reads names that end in .conf, so a half-written one is not read. */
bool hm_unit_write(const struct hm_unit *unit, const char *text)
{
    char *temporary = hm_out_format("%s.XXXXXX", unit->drop_in);
    size_t len = strlen(text);
    int fd = make_directories(unit->drop_in) ? mkstemp(temporary) : -1;
    bool good = fd >= 0 && write(fd, text, len) == (ssize_t)len;

    good = good && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    good = good && rename(temporary, unit->drop_in) == 0;
    if (!good) {
        hm_out_error("%s: %s", unit->drop_in, strerror(errno));
        if (fd >= 0)
            unlink(temporary);
    }
    if (fd >= 0)
        close(fd);
    free(temporary);
    return good;
}

bool hm_unit_remove(const struct hm_unit *unit)
{
    char *directory = hm_out_format("%s/%s.d", unit->directory, unit->name);
    bool good = unlink(unit->drop_in) == 0;

    if (!good)
        hm_out_error("%s: %s", unit->drop_in, strerror(errno));
    else
        rmdir(directory); /* unless there is more in it */
    free(directory);
    return good;
}
