/* SPDX-License-Identifier: MIT */
/* conf_env: the environment variables that conf reads. Only the array that the kernel
 * left on the initial stack is looked at, and it is never written. Callers leave it alone
 * under AT_SECURE. */
#ifndef HM_CONF_ENV_H
#define HM_CONF_ENV_H

#include "base.h"

#define HM_CONF_ENV_MAX (4 * HM_KIB) /* bytes of a value; a longer one is refused */

/* Values within the environment; NULL: not set, or refused. */
struct hm_conf_env {
    const char *profile; /* HAKMEM_PROFILE */
    const char *conf;    /* HAKMEM_CONF */
    const char *options; /* HAKMEM_OPTIONS */
    char **wrong;        /* the environment, if there is something to report */
};

void hm_conf_env_read(char **envp, struct hm_conf_env *out);
/* Warns of values that are too long, and of variables that begin like ours and are none.
 */
void hm_conf_env_report(const struct hm_conf_env *env);

#endif
