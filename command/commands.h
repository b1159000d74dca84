/* SPDX-License-Identifier: MIT */
/* commands: what main.c calls, one function a subcommand, each in the file of its name;
 * show and diff are in profiles.c, set is in trim.c,
 * disable in enable.c.
 * argv[0] is "hakmem NAME", for getopt's messages; the result is the exit code. */
#ifndef HM_COMMANDS_H
#define HM_COMMANDS_H

int hm_run_main(int argc, char **argv);
int hm_profiles_main(int argc, char **argv);
int hm_show_main(int argc, char **argv);
int hm_diff_main(int argc, char **argv);
int hm_check_main(int argc, char **argv);
int hm_doctor_main(int argc, char **argv);
int hm_ab_main(int argc, char **argv);
int hm_explain_main(int argc, char **argv);
int hm_stat_main(int argc, char **argv);
int hm_top_main(int argc, char **argv);
int hm_trim_main(int argc, char **argv);
int hm_set_main(int argc, char **argv);
int hm_enable_main(int argc, char **argv);
int hm_disable_main(int argc, char **argv);
int hm_why_main(int argc, char **argv);
int hm_map_main(int argc, char **argv);

#endif
