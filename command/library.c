/* SPDX-License-Identifier: MIT */
#include "library.h"

#include "out.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SONAME "libhakmem.so.0"

/* In a build tree, the directory above the one that this program lies in; NULL: it is the
 * installed one. */
static char *build_directory(void)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (len <= 0)
        return NULL;
    path[len] = '\0';
    if ((slash = strrchr(path, '/')) == NULL)
        return NULL;
    *slash = '\0';
    if (strcmp(path, HM_BINDIR) == 0 || (slash = strrchr(path, '/')) == NULL)
        return NULL;
    return hm_out_strndup(path, (size_t)(slash - path));
}

/* The file of the build tree if it is there, else the installed one; NULL: neither is. */
static char *find(const char *built, const char *installed)
{
    char *build = build_directory();
    char *path = build != NULL ? hm_out_format("%s/%s", build, built) : NULL;

    free(build);
    if (path != NULL && access(path, R_OK) == 0)
        return path;
    free(path);
    return access(installed, R_OK) == 0 ? hm_out_strdup(installed) : NULL;
}

bool hm_library_is_preloadable(const char *path)
{
    if (strpbrk(path, ": \t\n") == NULL)
        return true;
    hm_out_error("'%s' has a blank or a colon in it, which LD_PRELOAD cannot express",
                 path);
    return false;
}

char *hm_library_find(const char *given)
{
    char *path = given != NULL ? realpath(given, NULL)
                               : find(".libs/" SONAME, HM_LIBDIR "/" SONAME);

    if (path == NULL) {
        hm_out_error("cannot find %s; --library=FILE says where it is",
                     given != NULL ? given : HM_LIBDIR "/" SONAME);
        return NULL;
    }
    if (hm_library_is_preloadable(path))
        return path;
    free(path);
    return NULL;
}

char *hm_library_find_noinherit(void)
{
    char *path = find("command/.libs/noinherit.so", HM_PKGLIBDIR "/noinherit.so");

    if (path == NULL)
        hm_out_error("cannot find " HM_PKGLIBDIR
                     "/noinherit.so, which --no-inherit needs");
    else if (hm_library_is_preloadable(path))
        return path;
    free(path);
    return NULL;
}

/* /lib, /usr/lib, /lib64, /usr/lib64 and, as on Debian, a directory in one of them that
 * is named after the architecture. */
static bool is_standard(const char *path)
{
    static const char *const roots[] = {"/usr/lib64/", "/usr/lib/", "/lib64/", "/lib/"};
    const char *slash, *linux_abi;

    for (size_t i = 0; i < HM_ARRAY_LEN(roots); i++) {
        if (strncmp(path, roots[i], strlen(roots[i])) != 0)
            continue;
        path += strlen(roots[i]);
        slash = strchr(path, '/');
        linux_abi = strstr(path, "-linux-"); /* aarch64-linux-gnu, arm-linux-gnueabihf */
        return slash == NULL || (linux_abi != NULL && linux_abi < slash &&
                                 linux_abi > path && strchr(slash + 1, '/') == NULL);
    }
    return false;
}

const char *hm_library_preload_name(const char *path)
{
    return is_standard(path) ? strrchr(path, '/') + 1 : path;
}
