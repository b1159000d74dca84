/* SPDX-License-Identifier: MIT */
#include "view.h"

#include "conf.h"
#include "out.h"
#include <stdlib.h>
#include <unistd.h>

struct hm_view_env hm_view_own_env(void)
{
    return (struct hm_view_env){getenv("HAKMEM_PROFILE"), getenv("HAKMEM_CONF"),
                                getenv("HAKMEM_OPTIONS")};
}

static char *variable(const char *name, const char *value)
{
    return hm_out_format("%s=%s", name, value);
}

void hm_view_load(const struct hm_view_env *env)
{
    char *envp[4] = {NULL};
    struct hm_sys_start start = {.envp = envp,
                                 .page_size = (size_t)sysconf(_SC_PAGESIZE)};
    size_t n = 0;

    if (env->profile != NULL)
        envp[n++] = variable("HAKMEM_PROFILE", env->profile);
    if (env->conf != NULL)
        envp[n++] = variable("HAKMEM_CONF", env->conf);
    if (env->options != NULL)
        envp[n++] = variable("HAKMEM_OPTIONS", env->options);
    hm_conf_load(&start);
    while (n > 0)
        free(envp[--n]);
}
