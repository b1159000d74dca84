/* SPDX-License-Identifier: MIT */
#include "started.h"

#include "out.h"
#include <ctype.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

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

static bool is_secure(long pid)
{
    size_t len;
    char *bytes = hm_started_read(pid, "auxv", &len);
    ElfW(auxv_t) entry;
    bool secure = false;

    for (size_t at = 0; at + sizeof entry <= len; at += sizeof entry) {
        memcpy(&entry, bytes + at, sizeof entry);
        if (entry.a_type == AT_SECURE)
            secure = entry.a_un.a_val != 0;
    }
    free(bytes);
    return secure;
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
                                .conf = hm_started_variable(*envp, "HAKMEM_CONF"),
                                .options = hm_started_variable(*envp, "HAKMEM_OPTIONS"),
                                .exe = realpath(link, NULL),
                                .secure = is_secure(pid)};
    free(link);
    return true;
}
