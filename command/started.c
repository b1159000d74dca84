/* SPDX-License-Identifier: MIT */
#include "started.h"

#include "out.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

long hm_started_number(const char *word)
{
    char *end;
    long pid;

    if (!isdigit((unsigned char)word[0]))
        return 0;
    errno = 0;
    pid = strtol(word, &end, 10);
    return *end == '\0' && errno == 0 ? pid : 0;
}

char *hm_started_read(long pid, const char *name, size_t *len)
{
    char *path = hm_out_format("/proc/%ld/%s", pid, name);
    FILE *in = fopen(path, "re");
    char *text = NULL;
    size_t room = 0;

    free(path);
    *len = 0;
    if (in == NULL)
        return NULL;
    do {
        room = room * 2 + 4096;
        text = hm_out_realloc(text, room + 1);
        *len += fread(text + *len, 1, room - *len, in);
    } while (*len == room);
    text[*len] = '\0';
    fclose(in);
    return text;
}

const char *hm_started_variable(char *const *envp, const char *name)
{
    const size_t len = strlen(name);

    for (; *envp != NULL; envp++) {
        if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
            return *envp + len + 1;
    }
    return NULL;
}

/* A string in the memory of a process; NULL: it cannot be read, or is not short. */
static char *read_string(long pid, unsigned long address)
{
    char *path = hm_out_format("/proc/%ld/mem", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[PATH_MAX];
    ssize_t got;

    free(path);
    if (fd < 0)
        return NULL;
    got = pread(fd, text, sizeof text, (off_t)address);
    close(fd);
    if (got <= 0 || memchr(text, '\0', (size_t)got) == NULL)
        return NULL;
    return hm_out_strdup(text);
}

/* From what the kernel handed to the process: whether it is secure, and the path that was
 * executed, which for a script is the script's. */
static void read_auxv(long pid, struct hm_view_env *env)
{
    size_t len;
    char *bytes = hm_started_read(pid, "auxv", &len);
    ElfW(auxv_t) entry;

    for (size_t at = 0; at + sizeof entry <= len; at += sizeof entry) {
        memcpy(&entry, bytes + at, sizeof entry);
        if (entry.a_type == AT_SECURE)
            env->secure = entry.a_un.a_val != 0;
        else if (entry.a_type == AT_EXECFN)
            env->invoked = read_string(pid, entry.a_un.a_val);
    }
    free(bytes);
}

/* HAKMEM_CONF as seen from here: relative to the directory that the process is in. */
static const char *conf_from_here(long pid, const char *conf)
{
    char *link = hm_out_format("/proc/%ld/cwd", pid);
    char *theirs = realpath(link, NULL), *ours = realpath(".", NULL);

    free(link);
    if (conf != NULL && conf[0] != '\0' && conf[0] != '/' && theirs != NULL &&
        (ours == NULL || strcmp(theirs, ours) != 0))
        conf = hm_out_format("%s/%s", theirs, conf);
    free(theirs);
    free(ours);
    return conf;
}

bool hm_started_env(long pid, char ***envp, struct hm_view_env *env)
{
    size_t len, count = 0;
    char *text = hm_started_read(pid, "environ", &len);
    char *link;

    if (text == NULL) {
        hm_out_error("process %ld: %s", pid, strerror(errno));
        return false;
    }
    *envp = hm_out_alloc(sizeof **envp);
    (*envp)[0] = NULL;
    for (char *at = text; at < text + len; at += strlen(at) + 1) {
        *envp = hm_out_realloc(*envp, (count + 2) * sizeof **envp);
        (*envp)[count++] = at;
        (*envp)[count] = NULL;
    }
    link = hm_out_format("/proc/%ld/exe", pid);
    *env = (struct hm_view_env){.profile = hm_started_variable(*envp, "HAKMEM_PROFILE"),
                                .conf = conf_from_here(
                                    pid, hm_started_variable(*envp, "HAKMEM_CONF")),
                                .options = hm_started_variable(*envp, "HAKMEM_OPTIONS"),
                                .exe = realpath(link, NULL)};
    read_auxv(pid, env);
    free(link);
    return true;
}
