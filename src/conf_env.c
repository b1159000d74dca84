/* SPDX-License-Identifier: MIT */
#include "conf_env.h"

#include "fail.h"
#include "text.h"
#include <string.h>

static const struct {
    const char *name;
    size_t offset; /* of its value in struct hm_conf_env */
} known[] = {
    {"HAKMEM_PROFILE", offsetof(struct hm_conf_env, profile)},
    {"HAKMEM_CONF", offsetof(struct hm_conf_env, conf)},
    {"HAKMEM_OPTIONS", offsetof(struct hm_conf_env, options)},
};

HM_COLD static void warn_unknown(const char *name, size_t len)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    char buf[64];
    struct hm_text quoted;

    for (size_t i = 0; i < HM_ARRAY_LEN(known); i++) {
        size_t distance =
            hm_text_distance(name, len, known[i].name, strlen(known[i].name));

        if (distance < best && hm_text_is_near(distance, len)) {
            best = distance;
            nearest = known[i].name;
        }
    }
    hm_text_init(&quoted, buf, sizeof buf, -1);
    hm_text_put_quoted(&quoted, name, len);
    hm_text_flush(&quoted);
    hm_warn("environment:1:1: unknown variable %s, expected %s, %s or %s%s%s%s; ignored",
            buf, known[0].name, known[1].name, known[2].name,
            nearest != NULL ? " (did you mean " : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?)" : "");
}

static void read_variable(const char *entry, size_t name_len, struct hm_conf_env *out)
{
    const char *value = entry + name_len + 1;
    const char **field;
    size_t i = 0;

    while (i < HM_ARRAY_LEN(known) && (strlen(known[i].name) != name_len ||
                                       memcmp(known[i].name, entry, name_len) != 0))
        i++;
    if (i == HM_ARRAY_LEN(known)) {
        warn_unknown(entry, name_len);
        return;
    }
    field = (const char **)(void *)((char *)out + known[i].offset);
    if (*field != NULL) /* as for getenv, the first counts */
        return;
    if (strnlen(value, HM_CONF_ENV_MAX + 1) > HM_CONF_ENV_MAX) {
        hm_warn("%s:1:1: longer than 4K, expected at most that; ignored", known[i].name);
        return;
    }
    *field = value;
}

void hm_conf_env_read(char **envp, struct hm_conf_env *out)
{
    static const char prefix[] = "HAKMEM_";

    *out = (struct hm_conf_env){NULL, NULL, NULL};
    for (; envp != NULL && *envp != NULL; envp++) {
        const char *equals;

        if (strncmp(*envp, prefix, sizeof prefix - 1) != 0)
            continue;
        equals = strchr(*envp, '=');
        if (equals != NULL)
            read_variable(*envp, (size_t)(equals - *envp), out);
    }
}
