/* view_help: every key, and what the colours mean. */
#include <string.h>

#include "cli/console/console.h"
#include "cli/console/draw.h"

static const struct column columns[] = {
    {"keys", "KEYS", VALUE_TEXT, 16, 0, 0},
    {"what", "WHAT THEY DO", VALUE_TEXT, 40, 90, 0},
    {0},
};

static const char *const keys[][2] = {
    {"1 … 8, tab", "the views; a click on a tab does the same"},
    {"↑ ↓ j k", "move; page up, page down, home, end; the wheel"},
    {"enter", "open what is picked; a second click on a row"},
    {"esc", "back; ends a search"},
    {"/", "search: rows with these words, while you type"},
    {"s S", "order by the next column, reverse; a click on a head"},
    {"space", "stand still: answers go on coming in and are kept"},
    {"← →  [ ]", "a second, ten seconds back and forth in what was kept"},
    {"{ } g", "its beginning, its end, live again"},
    {"w", "write what was kept to a file; vectron console --replay FILE shows it"},
    {"q", "quit"},
    {"", ""},
    {"actors: t", "as a tree of supervisors, or flat"},
    {"actor: t", "tap: its messages as they are handled, for a minute; t again ends it"},
    {"actor: p n c", "pause, step one message, continue (where the process allows actions)"},
    {"actor: R P m", "restart, passivate, migrate to another lane; all ask first"},
    {"letters: r", "send the letter once more; asks first"},
    {"traces: n f", "newest or slowest first; only failed ones"},
    {"b", "with bodies of messages, where the process allows them"},
};

static void fill(struct console *console, unsigned which, struct list *list) {
    (void)console, (void)which;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct list_row *row = list_add(list, i + 1, NULL);
        list_text(list, row, "keys", keys[i][0]);
        list_text(list, row, "what", keys[i][1]);
        list_style(list, row, "keys", STYLE_ACCENT);
    }
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    struct list_state *state = &console->states[VIEW_HELP];
    state->still = true;
    console->room_rows = list_draw(&console->list, screen, area, state);
}

const struct view view_help = {
    .name = "help",
    .hints = "esc back",
    .list_names = {"keys"},
    .columns = {columns},
    .fill = fill,
    .draw = draw,
    .sort = SIZE_MAX,
};
