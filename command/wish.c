/* SPDX-License-Identifier: MIT */
#include "wish.h"
#include "conf_env.h"
#include "diag.h"
#include "out.h"
#include "view.h"
#include <stdlib.h>
#include <string.h>

/* Shows what the parser has to say about one variable; true: nothing. */
static bool is_accepted(const char *variable, const char *shown, const char *value)
{
    bool good = true;

    for (size_t i = 0; i < hm_diag_count(); i++) {
        struct hm_diag diag = *hm_diag_get(i);

        if (strcmp(diag.name, variable) != 0)
            continue;
        diag.name = (char *)shown;
        fputs("hakmem: ", stderr);
        hm_diag_print(stderr, &diag, value);
        good = false;
    }
    return good;
}

bool hm_wish_profile(const char *name)
{
    const struct hm_view_env env = {.profile = name, .conf = getenv("HAKMEM_CONF")};

    if (name[0] == '\0') {
        hm_out_error("-p needs the name of a profile");
        return false;
    }
    hm_diag_clear();
    hm_view_load(&env);
    return is_accepted("HAKMEM_PROFILE", "-p", name);
}

static bool check_option(const char *option)
{
    const struct hm_view_env env = {.conf = "", .options = option};

    if (strlen(option) > HM_CONF_ENV_MAX) {
        hm_out_error("-o: longer than 4K");
        return false;
    }
    hm_diag_clear();
    hm_view_load(&env);
    return is_accepted("HAKMEM_OPTIONS", "-o", option);
}

bool hm_wish_add_option(char **all, const char *option)
{
    char *longer;

    if (!check_option(option))
        return false;
    longer = *all == NULL ? hm_out_strdup(option) : hm_out_format("%s,%s", *all, option);
    free(*all);
    *all = longer;
    return true;
}
