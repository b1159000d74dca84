/* SPDX-License-Identifier: MIT */
/* replay: how a fuzz target is run where there is no fuzzer.
 *
 * With libFuzzer:   `make fuzz SECONDS=n`, which brings a main of its own.
 * Without:          replays the files named on the command line, or else all files of
 *                   tests/fuzz/FUZZ_SEEDS, as TAP. A finding is a crash. */
#ifndef HM_FUZZ_REPLAY_H
#define HM_FUZZ_REPLAY_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef HM_FUZZ_LIBFUZZER

static bool replay(const char *path)
{
    static uint8_t data[1 << 17];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, data, sizeof data) : -1;

    if (fd >= 0)
        close(fd);
    if (size >= 0)
        LLVMFuzzerTestOneInput(data, (size_t)size);
    return size >= 0;
}

static int report(int number, const char *path)
{
    bool ok = replay(path);
    const char *slash = strrchr(path, '/');

    printf("%sok %d - %s\n", ok ? "" : "not ", number, slash != NULL ? slash + 1 : path);
    return !ok;
}

static int replay_seeds(void)
{
    const char *srcdir = getenv("HM_SRCDIR");
    char dir[4096], path[4096 + 300];
    struct dirent **entries = NULL;
    int found, count = 0, failed = 0;

    snprintf(dir, sizeof dir, "%s/tests/fuzz/" FUZZ_SEEDS, srcdir != NULL ? srcdir : ".");
    /* What libc allocates may not be ours to free here: it stays. */
    found = scandir(dir, &entries, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        if (entries[i]->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
            failed |= report(++count, path);
        }
    }
    printf("1..%d\n", count);
    return failed || count == 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    dup2(null, 2); /* the messages are not what is tested here */
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2)
        return replay_seeds();
    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++)
        failed |= report(i, argv[i]);
    return failed;
}

#endif

#endif
