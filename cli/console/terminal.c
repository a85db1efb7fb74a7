/* terminal: the one file that knows ncurses. Styles become colours of a 256-colour terminal, of one
 * with 8, or attributes. */
#include "cli/console/terminal.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "cli/console/console.h"

enum { ESCAPE_DELAY_MS = 25, WHEEL_ROWS = 3, PICKED_GROUND = 237 };

struct look {
    short fore, back;   /* of 256 */
    short fore8, back8; /* of 8 */
    attr_t attributes;  /* with colours */
    attr_t mono;        /* without */
};

static const struct look looks[STYLE_COUNT] = {
    [STYLE_PLAIN] = {252, -1, -1, -1, A_NORMAL, A_NORMAL},
    [STYLE_DIM] = {244, -1, -1, -1, A_NORMAL, A_NORMAL},
    [STYLE_BRIGHT] = {231, -1, -1, -1, A_BOLD, A_BOLD},
    [STYLE_ACCENT] = {80, -1, COLOR_CYAN, -1, A_BOLD, A_BOLD},
    [STYLE_TITLE] = {141, -1, COLOR_MAGENTA, -1, A_BOLD, A_BOLD},
    [STYLE_HEAD] = {109, -1, COLOR_CYAN, -1, A_NORMAL, A_UNDERLINE},
    [STYLE_SORTED] = {222, -1, COLOR_YELLOW, -1, A_BOLD, A_UNDERLINE | A_BOLD},
    [STYLE_BRAND] = {16, 141, COLOR_BLACK, COLOR_MAGENTA, A_BOLD, A_REVERSE | A_BOLD},
    [STYLE_TAB] = {250, 236, COLOR_WHITE, COLOR_BLACK, A_NORMAL, A_NORMAL},
    [STYLE_TAB_ON] = {16, 80, COLOR_BLACK, COLOR_CYAN, A_BOLD, A_REVERSE},
    [STYLE_GOOD] = {114, -1, COLOR_GREEN, -1, A_NORMAL, A_NORMAL},
    [STYLE_WARM] = {215, -1, COLOR_YELLOW, -1, A_NORMAL, A_BOLD},
    [STYLE_HOT] = {203, -1, COLOR_RED, -1, A_BOLD, A_BOLD | A_UNDERLINE},
    [STYLE_TRACK] = {239, -1, -1, -1, A_NORMAL, A_NORMAL},
    [STYLE_COOL] = {75, -1, COLOR_BLUE, -1, A_NORMAL, A_NORMAL},
    [STYLE_ALARM] = {231, 160, COLOR_WHITE, COLOR_RED, A_BOLD, A_REVERSE | A_BOLD},
    [STYLE_BAR] = {250, -1, -1, -1, A_NORMAL, A_NORMAL},
};

static struct {
    SCREEN *curses;
    bool color;
    int standard_error; /* kept aside */
} own = {.standard_error = -1};

static short pair_of(enum style style, bool picked) {
    return (short)(1 + 2 * style + picked);
}

static void set_colors(bool wanted) {
    own.color = wanted && has_colors() && start_color() == OK;
    if (!own.color) return;
    use_default_colors();
    bool rich = COLORS >= 256 && COLOR_PAIRS > 2 * STYLE_COUNT;
    for (int i = 0; i < STYLE_COUNT; i++) {
        short fore = rich ? looks[i].fore : looks[i].fore8,
              back = rich ? looks[i].back : looks[i].back8;
        init_pair(pair_of((enum style)i, false), fore, back);
        init_pair(pair_of((enum style)i, true), fore, rich && back < 0 ? PICKED_GROUND : back);
    }
}

static void silence(void) {
    fflush(stderr);
    own.standard_error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing < 0) return;
    dup2(nothing, STDERR_FILENO);
    close(nothing);
}

enum status terminal_open(const struct terminal_options *options) {
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return STATUS_INVALID;
    setlocale(LC_CTYPE, "");
    own.curses = newterm(NULL, stdout, stdin);
    if (!own.curses) return STATUS_INVALID;
    silence();
    set_colors(options->color);
    raw();
    noecho();
    nonl();
    curs_set(0);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(ESCAPE_DELAY_MS);
    mouseinterval(0);
    if (options->mouse)
        mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
    return STATUS_OK;
}

void terminal_close(void) {
    if (!own.curses) return;
    endwin();
    delscreen(own.curses);
    own.curses = NULL;
    if (own.standard_error < 0) return;
    dup2(own.standard_error, STDERR_FILENO);
    close(own.standard_error);
    own.standard_error = -1;
}

bool terminal_unicode(void) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void terminal_size(int *width, int *height) {
    *width = COLS;
    *height = LINES;
}

static void show_cell(int row, int column, const struct cell *cell) {
    const struct look *look = &looks[cell->style];
    attr_t attributes = own.color ? look->attributes : look->mono;
    bool ground = own.color && COLORS >= 256;
    if (cell->picked && !ground) attributes |= A_REVERSE;
    wchar_t text[2] = {(wchar_t)cell->rune, 0};
    cchar_t out;
    short pair = own.color ? pair_of((enum style)cell->style, cell->picked) : 0;
    if (setcchar(&out, text, attributes, pair, NULL) == OK) mvadd_wch(row, column, &out);
}

void terminal_show(const struct screen *screen) {
    erase();
    for (int row = 0; row < screen->height && row < LINES; row++)
        for (int column = 0; column < screen->width && column < COLS; column++) {
            const struct cell *cell = &screen->cells[row * screen->width + column];
            if (cell->rune) show_cell(row, column, cell);
        }
    refresh();
}

/* --- input --- */

static struct input mouse(void) {
    MEVENT event;
    if (getmouse(&event) != OK) return (struct input){.kind = INPUT_NONE};
    if (event.bstate & BUTTON4_PRESSED)
        return (struct input){.kind = INPUT_WHEEL, .rows = -WHEEL_ROWS};
    if (event.bstate & BUTTON5_PRESSED)
        return (struct input){.kind = INPUT_WHEEL, .rows = WHEEL_ROWS};
    if (!(event.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED)))
        return (struct input){.kind = INPUT_NONE};
    return (struct input){.kind = INPUT_CLICK, .row = event.y, .column = event.x};
}

static int special(wint_t key) {
    static const struct {
        int curses, own;
    } table[] = {
        {KEY_UP, KEY_ARROW_UP},       {KEY_DOWN, KEY_ARROW_DOWN}, {KEY_LEFT, KEY_ARROW_LEFT},
        {KEY_RIGHT, KEY_ARROW_RIGHT}, {KEY_PPAGE, KEY_PAGE_UP},   {KEY_NPAGE, KEY_PAGE_DOWN},
        {KEY_HOME, KEY_TOP},          {KEY_END, KEY_BOTTOM},      {KEY_BTAB, KEY_BACK_TAB},
        {KEY_BACKSPACE, KEY_RUB},     {KEY_ENTER, KEY_RETURN},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if ((wint_t)table[i].curses == key) return table[i].own;
    return KEY_NONE;
}

struct input terminal_read(void) {
    enum { CONTROL_C = 3, CONTROL_L = 12 };
    wint_t key;
    int got = get_wch(&key);
    if (got == ERR) return (struct input){.kind = INPUT_NONE};
    if (got == KEY_CODE_YES && key == KEY_RESIZE) return (struct input){.kind = INPUT_RESIZE};
    if (got == KEY_CODE_YES && key == KEY_MOUSE) return mouse();
    struct input input = {.kind = INPUT_KEY, .key = got == KEY_CODE_YES ? special(key) : (int)key};
    if (input.key == CONTROL_C) input.key = 'q'; /* raw: the terminal does not send the signal */
    if (input.key == CONTROL_L) {
        clearok(stdscr, TRUE);
        input.kind = INPUT_RESIZE;
    }
    return input;
}
