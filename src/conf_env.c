/* SPDX-License-Identifier: MIT */
#include "conf_env.h"

#include "fail.h"
#include "text.h"
#include <string.h>

static const struct {
    char name[16];
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

static const char prefix[] = "HAKMEM_";

/* The index of a variable among the known ones, or HM_ARRAY_LEN(known) of one that begins
 * like them; false: another variable. */
static bool is_ours(const char *entry, size_t *index, const char **value)
{
    const char *equals;
    size_t i = 0;

    if (strncmp(entry, prefix, sizeof prefix - 1) != 0)
        return false;
    equals = strchr(entry, '=');
    if (equals == NULL)
        return false;
    while (i < HM_ARRAY_LEN(known) &&
           (strlen(known[i].name) != (size_t)(equals - entry) ||
            memcmp(known[i].name, entry, (size_t)(equals - entry)) != 0))
        i++;
    *index = i;
    *value = equals + 1;
    return true;
}

static bool is_too_long(const char *value)
{
    return strnlen(value, HM_CONF_ENV_MAX + 1) > HM_CONF_ENV_MAX;
}

void hm_conf_env_read(char **envp, struct hm_conf_env *out)
{
    *out = (struct hm_conf_env){NULL, NULL, NULL, NULL};
    for (char **e = envp; e != NULL && *e != NULL; e++) {
        const char **field;
        const char *value;
        size_t i;

        if (!is_ours(*e, &i, &value))
            continue;
        if (i == HM_ARRAY_LEN(known) || is_too_long(value)) {
            out->wrong = envp;
            continue;
        }
        field = (const char **)(void *)((char *)out + known[i].offset);
        if (*field == NULL) /* as for getenv, the first counts */
            *field = value;
    }
}

void hm_conf_env_report(const struct hm_conf_env *env)
{
    for (char **e = env->wrong; e != NULL && *e != NULL; e++) {
        const char *value;
        size_t i;

        if (!is_ours(*e, &i, &value))
            continue;
        if (i == HM_ARRAY_LEN(known))
            warn_unknown(*e, (size_t)(value - 1 - *e));
        else if (is_too_long(value))
            hm_warn("%s:1:1: longer than 4K, expected at most that; ignored",
                    known[i].name);
    }
}
