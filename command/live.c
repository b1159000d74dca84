/* SPDX-License-Identifier: MIT */
#include "live.h"
#include "identity.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* How long a process may take to answer, unless HAKMEM_ANSWER_MS says otherwise: it may
 * have many gigabytes to walk through. */
enum { ANSWER_MS = 10000, LOCK_MS = 10 };

/* A process this young may be about to open its page, so it is looked at again. */
enum { YOUNG_MS = 3000 };

long hm_live_pid(const char *command, const char *argument)
{
    char *end;
    long pid = strtol(argument, &end, 10);

    if (pid > 0 && pid <= INT32_MAX && *end == '\0')
        return pid;
    hm_out_error("%s: '%s' is not the number of a process", command, argument);
    return 0;
}

/* Finding the page ------------------------------------------------------------------- */

/* Of /proc/PID/status: the effective user, and the number that the process has for
 * itself. */
static bool read_status(long pid, unsigned *user, unsigned *own_pid)
{
    char *path = hm_out_format("/proc/%ld/status", pid), line[256];
    FILE *in = fopen(path, "re");
    char *last;

    free(path);
    if (in == NULL)
        return false;
    *own_pid = (unsigned)pid;
    *user = geteuid();
    while (fgets(line, sizeof line, in) != NULL) {
        sscanf(line, "Uid: %*u %u", user);
        last = strrchr(line, '\t');
        if (strncmp(line, "NSpid:", 6) == 0 && last != NULL)
            *own_pid = (unsigned)strtoul(last, NULL, 10);
    }
    fclose(in);
    return true;
}

/* P4: does the process have the file mapped? It may have been replaced by exec. */
static bool is_mapped(long pid, const struct stat *st)
{
    char *path = hm_out_format("/proc/%ld/maps", pid), *line = NULL;
    FILE *in = fopen(path, "re");
    unsigned long major, minor, inode;
    bool found = false;
    size_t room = 0;

    free(path);
    if (in == NULL)
        return errno == EACCES; /* not ours to ask: believe the start time */
    while (!found && getline(&line, &room, in) > 0)
        found = sscanf(line, "%*s %*s %*s %lx:%lx %lu", &major, &minor, &inode) == 3 &&
                inode == st->st_ino && major == major(st->st_dev) &&
                minor == minor(st->st_dev);
    free(line);
    fclose(in);
    return found;
}

enum found { NO_FILE, UNKNOWN_FORM, STALE, GOOD };

static enum found judge(const struct hm_page *page, long pid, unsigned own_pid,
                        const struct stat *st)
{
    if (atomic_load_explicit(&page->magic, memory_order_acquire) != HM_PAGE_MAGIC ||
        page->version != HM_PAGE_VERSION || page->size < sizeof *page)
        return UNKNOWN_FORM;
    if (page->pid != own_pid ||
        page->start_time != hm_identity_start_time((unsigned)pid) || !is_mapped(pid, st))
        return STALE;
    return GOOD;
}

static enum found open_file(struct hm_live *live, unsigned own_pid)
{
    int dir = open(live->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum found found = NO_FILE;
    struct stat st;

    if (dir < 0)
        return NO_FILE;
    live->fd = openat(dir, live->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    close(dir);
    if (live->fd < 0)
        return NO_FILE;
    if (fstat(live->fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (size_t)st.st_size >= sizeof *live->page) {
        live->page = mmap(NULL, sizeof *live->page, PROT_READ | PROT_WRITE, MAP_SHARED,
                          live->fd, 0);
        found = live->page != MAP_FAILED ? judge(live->page, live->pid, own_pid, &st)
                                         : NO_FILE;
        if (found == GOOD)
            return GOOD;
        if (live->page != MAP_FAILED)
            munmap(live->page, sizeof *live->page);
        live->page = NULL;
    }
    close(live->fd);
    return found;
}

/* Where the process has /dev/shm, which may be in a container, or where we have it. */
static enum found find(struct hm_live *live, unsigned user, unsigned own_pid)
{
    enum found best = NO_FILE, found;
    unsigned users[] = {user, geteuid()};

    live->name = hm_out_format("%u", own_pid);
    for (size_t i = 0; i < 2 * HM_ARRAY_LEN(users); i++) {
        live->dir = i % 2 == 0 ? hm_out_format("/proc/%ld/root" HM_PAGE_DIR "%u",
                                               live->pid, users[i / 2])
                               : hm_out_format(HM_PAGE_DIR "%u", users[i / 2]);
        found = open_file(live, own_pid);
        if (found == GOOD)
            return GOOD;
        best = found > best ? found : best;
        free(live->dir);
        live->dir = NULL;
    }
    return best;
}

static char *name_of(long pid)
{
    char *path = hm_out_format("/proc/%ld/comm", pid), name[64] = "?";
    FILE *in = fopen(path, "re");

    free(path);
    if (in != NULL && fgets(name, sizeof name, in) != NULL)
        name[strcspn(name, "\n")] = '\0';
    if (in != NULL)
        fclose(in);
    return hm_out_strdup(name);
}

static uint64_t patience(void)
{
    const char *ms = getenv("HAKMEM_ANSWER_MS");

    return ms != NULL ? strtoul(ms, NULL, 10) : ANSWER_MS;
}

static bool is_young(long pid)
{
    uint64_t ticks = hm_identity_start_time((unsigned)pid);
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return ticks != 0 && (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 <
                             ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK) + YOUNG_MS;
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = LOCK_MS * 1000000L}, NULL);
}

bool hm_live_open(struct hm_live *live, long pid, bool quiet)
{
    unsigned user, own_pid;
    enum found found;

    *live =
        (struct hm_live){.pid = pid, .fd = -1, .patience = patience(), .quiet = quiet};
    if (!read_status(pid, &user, &own_pid)) {
        if (!quiet)
            hm_out_error("there is no process %ld", pid);
        return false;
    }
    while ((found = find(live, user, own_pid)) != GOOD && !quiet && is_young(pid)) {
        free(live->name);
        pause_a_little();
    }
    if (found == GOOD) {
        live->command = name_of(pid);
        memcpy(live->library, live->page->library, sizeof live->library - 1);
        memcpy(live->profile, live->page->profile, sizeof live->profile - 1);
        return true;
    }
    free(live->name);
    live->name = NULL;
    if (!quiet && found == UNKNOWN_FORM)
        hm_out_error("process %ld runs another version of libhakmem", pid);
    else if (!quiet)
        hm_out_error("process %ld has no statistics page: it was not started by 'hakmem "
                     "run --stats' or with stats_page = yes, or belongs to another user",
                     pid);
    return false;
}

void hm_live_close(struct hm_live *live)
{
    munmap(live->page, sizeof *live->page);
    close(live->fd);
    free(live->dir);
    free(live->name);
    free(live->command);
}

/* Asking ----------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool is_gone(const struct hm_live *live)
{
    return hm_identity_start_time((unsigned)live->pid) != live->page->start_time;
}

/* Has the process become another program, which has a page of its own or none? */
static bool is_other(const struct hm_live *live)
{
    struct stat st;

    return fstat(live->fd, &st) == 0 && !is_mapped(live->pid, &st);
}

/* Another client may be asking. */
static bool lock(const struct hm_live *live, uint64_t deadline)
{
    while (flock(live->fd, LOCK_EX | LOCK_NB) != 0) {
        if (now_ms() > deadline)
            return false;
        pause_a_little();
    }
    return true;
}

static bool await(const struct hm_live *live, uint32_t asked, uint64_t deadline)
{
    _Atomic uint32_t *answered = &live->page->answered;
    uint32_t seen;

    while ((seen = atomic_load_explicit(answered, memory_order_acquire)) != asked) {
        if (now_ms() > deadline || is_gone(live) || is_other(live))
            return false;
        hm_sys_futex_wait_shared(answered, seen, 100);
    }
    return true;
}

/* One attempt. */
static bool ask(struct hm_live *live, enum hm_page_kind kind, const char *argument,
                int64_t *result)
{
    struct hm_page *page = live->page;
    uint64_t deadline = now_ms() + live->patience;
    uint32_t asked;
    bool done;

    if (lock(live, deadline)) {
        asked = atomic_load(&page->asked) + 1;
        page->kind = kind;
        memset(page->argument, 0, sizeof page->argument);
        if (argument != NULL)
            memcpy(page->argument, argument,
                   hm_min(strlen(argument), sizeof page->argument - 1));
        atomic_store(&page->asked, asked);
        atomic_fetch_add(&page->bell, 1);
        hm_sys_futex_wake_shared(&page->bell, 1);
        done = await(live, asked, deadline);
        *result = page->result;
        flock(live->fd, LOCK_UN);
        return done;
    }
    return false;
}

/* As the other program that the process has become. */
static bool reopen(struct hm_live *live)
{
    long pid = live->pid;

    hm_live_close(live);
    *live = (struct hm_live){.fd = -1};
    return hm_live_open(live, pid, false);
}

bool hm_live_ask(struct hm_live *live, enum hm_page_kind kind, const char *argument,
                 int64_t *result)
{
    for (;;) {
        if (ask(live, kind, argument, result))
            return true;
        if (live->quiet)
            return false;
        if (is_gone(live) || !is_other(live))
            break;
        if (!reopen(live))
            return false;
    }
    if (is_gone(live))
        hm_out_error("process %ld has ended", live->pid);
    else
        hm_out_error(
            "process %ld does not answer: it is stopped, or it could not start a "
            "helper thread and does not allocate",
            live->pid);
    return false;
}

/* P2. False: published meanwhile. */
static bool copy(struct hm_live *live)
{
    struct hm_page *page = live->page;
    uint64_t before = atomic_load_explicit(&page->sequence, memory_order_acquire);
    uint64_t row[HM_PAGE_COLUMNS];

    for (size_t i = 0; i < hm_min(page->stats, HM_LIVE_FIGURES); i++)
        live->figures[i] = atomic_load_explicit(&page->figures[i], memory_order_acquire);
    for (size_t c = 0; c < HM_PAGE_CLASSES; c++) {
        for (size_t k = 0; k < HM_PAGE_COLUMNS; k++)
            row[k] = atomic_load_explicit(&page->classes[c][k], memory_order_acquire);
        live->classes[c] = (struct hm_live_class){.size = row[HM_PAGE_SIZE],
                                                  .slabs = row[HM_PAGE_SLABS],
                                                  .blocks = row[HM_PAGE_BLOCKS],
                                                  .cached = row[HM_PAGE_CACHED]};
    }
    return before % 2 == 0 &&
           atomic_load_explicit(&page->sequence, memory_order_relaxed) == before;
}

bool hm_live_read(struct hm_live *live)
{
    int64_t result;

    if (!hm_live_ask(live, HM_PAGE_PUBLISH, NULL, &result))
        return false;
    while (!copy(live))
        ;
    return true;
}

FILE *hm_live_dump(struct hm_live *live)
{
    char *path = hm_out_format("%s/%s.dump", live->dir, live->name);
    FILE *in = NULL;
    int64_t result;
    int fd;

    if (hm_live_ask(live, HM_PAGE_DUMP, NULL, &result)) {
        fd = result == 0 ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (fd >= 0) {
            unlink(path);
            in = fdopen(fd, "r");
        }
        if (in == NULL && !live->quiet)
            hm_out_error("process %ld could not write %s: %s", live->pid, path,
                         strerror(result != 0 ? (int)result : errno));
    }
    free(path);
    return in;
}

/* All processes ---------------------------------------------------------------------- */

/* Removes the files of a process that is no more, or has become another program. */
static void remove_stale(const char *dir, const char *name)
{
    char *path = hm_out_format("%s/%s", dir, name);
    char *dump = hm_out_format("%s.dump", path);
    uint64_t own = hm_identity_namespace(), start;
    struct hm_page head;
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    size_t length = offsetof(struct hm_page, library);

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        read(fd, &head, length) == (ssize_t)length &&
        atomic_load(&head.magic) == HM_PAGE_MAGIC && head.pid_namespace == own &&
        head.start_time != 0) {
        start = hm_identity_start_time(head.pid);
        if (start != head.start_time || !is_mapped(head.pid, &st)) {
            unlink(dump);
            unlink(path);
        }
    }
    if (fd >= 0)
        close(fd);
    free(dump);
    free(path);
}

static int by_number(const void *a, const void *b)
{
    const long *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

size_t hm_live_list(long **pids)
{
    char *dir = hm_out_format(HM_PAGE_DIR "%u", geteuid()), *end;
    DIR *entries = opendir(dir);
    struct dirent *entry;
    struct hm_live live;
    size_t count = 0;
    long pid;

    *pids = NULL;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        pid = strtol(entry->d_name, &end, 10);
        if (pid <= 0 || *end != '\0')
            continue;
        if (!hm_live_open(&live, pid, true)) {
            remove_stale(dir, entry->d_name);
            continue;
        }
        hm_live_close(&live);
        *pids = hm_out_realloc(*pids, (count + 1) * sizeof **pids);
        (*pids)[count++] = pid;
    }
    if (entries != NULL)
        closedir(entries);
    free(dir);
    if (count > 0)
        qsort(*pids, count, sizeof **pids, by_number);
    return count;
}
