/* terminal: ncurses: shows a screen, reads keys, mouse and changes of size. One in a process; the
 * thread that opened it. */
#ifndef CONSOLE_TERMINAL_H
#define CONSOLE_TERMINAL_H

#include "cli/console/screen.h"

struct terminal_options {
    bool color, mouse;
};
/* INVALID: standard input or output is no terminal, or TERM is not known. While it is open,
 * standard error is silent: it would write over the picture. */
MUST_USE enum status terminal_open(const struct terminal_options *options);
void terminal_close(void);
/* True when its character set is UTF-8. */
bool terminal_unicode(void);
void terminal_size(int *width, int *height);
void terminal_show(const struct screen *screen);

enum input_kind { INPUT_NONE, INPUT_KEY, INPUT_CLICK, INPUT_WHEEL, INPUT_RESIZE };
struct input {
    enum input_kind kind;
    int key;         /* enum key of console.h, or a character */
    int row, column; /* INPUT_CLICK */
    int rows;        /* INPUT_WHEEL: down is positive */
};
/* Never waits. */
struct input terminal_read(void);

#endif
