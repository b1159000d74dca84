/* SPDX-License-Identifier: MIT */
#include "chart.h"

#include "out.h"
#include "program.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool hm_chart_is_possible(void)
{
    int error;
    char *path = hm_program_find("gnuplot", &error);

    free(path);
    if (path == NULL)
        hm_out_error("--svg needs gnuplot, which is not installed");
    return path != NULL;
}

/* A string of gnuplot's, in which only its own quote has a meaning. */
static void put_quoted(FILE *out, const char *s)
{
    fputc('\'', out);
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            fputc('\'', out);
        fputc(*s == '\n' ? ' ' : *s, out);
    }
    fputc('\'', out);
}

/* In a data block a string is in double quotes, and cannot have one itself. */
static void put_name(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s != '\0'; s++)
        fputc(*s == '"' || *s == '\\' || *s == '\n' ? '_' : *s, out);
    fputc('"', out);
}

static double ratio(double value, double base)
{
    return base > 0 ? value / base : 0;
}

static void put_script(FILE *out, const char *file, const char *title,
                       const struct hm_variant *variants, size_t count,
                       struct hm_summary (*summaries)[HM_QUANTITIES])
{
    static const char *const names[] = {"time", "CPU", "peak memory", "page faults"};

    fprintf(out,
            "set terminal svg size %zu,420 dynamic noenhanced "
            "font 'sans-serif,13' background '#ffffff'\nset output ",
            400 + 60 * count);
    put_quoted(out, file);
    fputs("\nset title ", out);
    put_quoted(out, title);
    fputs("\n$data << HAKMEM_END\n", out);
    for (size_t q = 0; q < HM_QUANTITIES; q++) {
        fprintf(out, "\"%s\"", names[q]);
        for (size_t v = 0; v < count; v++) {
            const double base = summaries[0][q].median;
            const struct hm_summary *s = &summaries[v][q];

            fprintf(out, " %.6g %.6g %.6g", ratio(s->median, base), ratio(s->low, base),
                    ratio(s->high, base));
        }
        fputc('\n', out);
    }
    fputs("HAKMEM_END\n"
          "set style data histogram\nset style histogram errorbars gap 1 lw 1\n"
          "set style fill solid 0.85 border -1\nset boxwidth 0.9\n"
          "set yrange [0:*]\nset ylabel 'ratio to the first (less is better)'\n"
          "set grid ytics\nset key outside right top\nset border 3\n"
          "set xtics nomirror\nset ytics nomirror\nplot 1 notitle lc '#808080'",
          out);
    for (size_t v = 0; v < count; v++) {
        fprintf(out, ", $data using %zu:%zu:%zu:xtic(1) title ", 2 + 3 * v, 3 + 3 * v,
                4 + 3 * v);
        put_name(out, variants[v].name);
    }
    fputc('\n', out);
}

bool hm_chart_write(const char *file, const char *title,
                    const struct hm_variant *variants, size_t count,
                    struct hm_summary (*summaries)[HM_QUANTITIES])
{
    FILE *gnuplot = popen("exec gnuplot", "we");
    bool good;

    if (gnuplot == NULL) {
        hm_out_error("gnuplot: %s", strerror(errno));
        return false;
    }
    put_script(gnuplot, file, title, variants, count, summaries);
    good = ferror(gnuplot) == 0;
    if (pclose(gnuplot) != 0 || !good || access(file, F_OK) != 0) {
        hm_out_error("gnuplot could not draw %s", file);
        return false;
    }
    return true;
}
