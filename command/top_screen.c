/* SPDX-License-Identifier: MIT */
#include "top_view.h"

#ifdef HM_NCURSES

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char keys[] = "q quit  up/down process  s sort processes  c sort classes  "
                           "t trim  space refresh";

static void draw_line(int row, const char *text, int attributes)
{
    attron(attributes);
    mvaddnstr(row, 0, text, COLS);
    attroff(attributes);
    clrtoeol();
}

/* What does not fit is left out: the classes that come last in their order. */
static void draw(struct hm_top *top, const char *message)
{
    static const char *const orders[] = {"live bytes", "cached bytes", "resident", "pid"};
    static const char *const classes[] = {"bytes", "size", "slabs"};
    static const int attributes[] = {A_NORMAL, A_BOLD, A_REVERSE};
    struct hm_top_line *lines;
    size_t count = hm_top_lines(top, &lines);
    char clock[16], *title;
    time_t now = time(NULL);

    strftime(clock, sizeof clock, "%H:%M:%S", localtime(&now));
    title =
        hm_out_format("hakmem top  %s  %zu processes by %s, classes by %s  %s", clock,
                      top->count, orders[top->order], classes[top->class_order], message);
    erase();
    draw_line(0, title, A_NORMAL);
    for (size_t i = 0; i < count && (int)i < LINES - 3; i++)
        draw_line((int)i + 1, lines[i].text, attributes[lines[i].style]);
    draw_line(LINES - 1, keys, A_DIM);
    refresh();
    free(title);
    hm_top_free_lines(lines, count);
}

static const char *trim(struct hm_top *top)
{
    struct hm_top_process *p = hm_top_selected(top);
    static char message[64];
    int64_t bytes;

    if (p == NULL || !p->answers || !hm_live_ask(&p->live, HM_PAGE_TRIM, NULL, &bytes))
        return "no answer";
    snprintf(message, sizeof message, "%ld gave back %lld KiB", p->live.pid,
             (long long)bytes / 1024);
    hm_top_refresh(top);
    return message;
}

int hm_top_screen(struct hm_top *top, unsigned delay_ms)
{
    const char *message = "";
    SCREEN *screen = newterm(NULL, stdout, stdin);
    int key = ERR;

    if (screen == NULL) {
        hm_out_error("top: the terminal cannot be used: see -b");
        return HM_EXIT_FOUND;
    }
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    timeout((int)delay_ms);
    while (key != 'q') {
        if (key == ERR || key == ' ')
            hm_top_refresh(top);
        draw(top, message);
        key = getch();
        message = "";
        if (key == KEY_UP || key == 'k')
            hm_top_move(top, -1);
        else if (key == KEY_DOWN || key == 'j')
            hm_top_move(top, 1);
        else if (key == 's')
            top->order = (top->order + 1) % HM_TOP_ORDERS;
        else if (key == 'c')
            top->class_order = (top->class_order + 1) % HM_TOP_CLASS_ORDERS;
        else if (key == 't')
            message = trim(top);
        hm_top_sort(top);
    }
    endwin();
    delscreen(screen);
    return HM_EXIT_OK;
}

#else

int hm_top_screen(struct hm_top *top, unsigned delay_ms)
{
    (void)top;
    (void)delay_ms;
    return -1;
}

#endif
