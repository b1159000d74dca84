/* SPDX-License-Identifier: MIT */
/* hakmem: the command. Runs programs under the library, and explains what it would do. */
#include "commands.h"
#include "os.h"
#include "out.h"
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", hm_run_main, "run a program under libhakmem"},
    {"profiles", hm_profiles_main, "list the profiles"},
    {"show", hm_show_main, "show what a profile sets, and why"},
    {"diff", hm_diff_main, "show in what two profiles differ"},
    {"check", hm_check_main, "find mistakes in hakmem.conf and the environment"},
    {"explain", hm_explain_main, "show each option's value, and where it comes from"},
    {"doctor", hm_doctor_main, "show what of the machine matters, and what to do"},
    {"stat", hm_stat_main, "show the statistics of running processes"},
    {"top", hm_top_main, "watch running processes"},
    {"why", hm_why_main, "show where the memory of a running process is"},
    {"map", hm_map_main, "draw the heap of a running process"},
    {"trim", hm_trim_main, "have a running process give free memory back"},
    {"set", hm_set_main, "change an option of a running process"},
    {"enable", hm_enable_main, "have a service of systemd run under libhakmem"},
    {"disable", hm_disable_main, "take that back"},
    {"ab", hm_ab_main, "compare allocators and profiles on a program"},
};

static void print_help(FILE *out)
{
    fputs("Usage: hakmem COMMAND [OPTION]... [ARGUMENT]...\n"
          "Run programs under libhakmem, and find out what it does there.\n\n",
          out);
    for (size_t i = 0; i < HM_ARRAY_LEN(commands); i++)
        fprintf(out, "  %-10s%s\n", commands[i].name, commands[i].summary);
    fputs("\n  --help     show this; also after a COMMAND\n"
          "  --version  show the version\n\n"
          "hakmem(1) has the details.\n",
          out);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return hm_out_finish(HM_EXIT_OK);
    }
    if (strcmp(name, "--version") == 0) {
        puts("hakmem (" PACKAGE_NAME ") " PACKAGE_VERSION);
        return hm_out_finish(HM_EXIT_OK);
    }
    for (size_t i = 0; i < HM_ARRAY_LEN(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            argv[1] = hm_out_format("hakmem %s", name);
            return hm_out_finish(commands[i].main(argc - 1, argv + 1));
        }
    }
    if (name[0] == '\0') {
        print_help(stderr);
        return HM_EXIT_USAGE;
    }
    hm_out_error("there is no command '%s'", name);
    return hm_out_usage("");
}
