/* view_letters: messages that reached nobody, newest first; below, all there is to know of the
 * picked one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/console/body.h"
#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/units.h"

enum { DETAIL_ROWS = 7 };

static const struct column columns[] = {
    {"at_ms", "TIME", VALUE_CLOCK, 8, 0, 0},
    {"process", "PROCESS", VALUE_NAME, 10, 18, 0},
    {"to", "TO", VALUE_NAME, 13, 26, 0},
    {"from", "FROM", VALUE_NAME, 12, 26, 1},
    {"message", "MESSAGE", VALUE_TEXT, 13, 28, 0},
    {"reason", "REASON", VALUE_TEXT, 9, 12, 0},
    {"size", "SIZE", VALUE_BYTES, 7, 0, 2},
    {"kept", "KEPT", VALUE_FLAG, 4, 0, 1},
    {"number", "number", VALUE_ID, 0, 0, -1},
    {"trace", "trace", VALUE_TEXT, 0, 0, -1},
    {0},
};

static void fill_row(struct list *list,
                     struct list_row *row,
                     const struct process *process,
                     const SysDeadLetter *letter) {
    list_number(list, row, "at_ms", (double)letter->at_ms);
    list_text(list, row, "process", process->label);
    list_text(list, row, "to", letter->to);
    list_text(list, row, "from", letter->from);
    list_text(list, row, "message", letter->message);
    list_text(list, row, "reason", letter->reason);
    list_style(list, row, "reason", STYLE_WARM);
    list_number(list, row, "size", (double)letter->size);
    list_number(list, row, "kept", letter->kept);
    list_id(list, row, "number", letter->number);
    char hex[33] = "";
    for (size_t i = 0; i < letter->trace.len && i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", letter->trace.data[i]);
    list_format(list, row, "trace", "%s", hex);
}

/* Those of the question; of a process that does not know it, the few of its report. */
static void fill(struct console *console, unsigned which, struct list *list) {
    (void)which;
    const struct process *process;
    for (size_t i = 0; (process = console_process(console, i)); i++) {
        const SysLetters *letters = model_message(process, QUESTION_LETTERS, NULL);
        const SysReport *report = process->report;
        size_t n = letters ? letters->n_letters : report ? report->n_letters : 0;
        SysDeadLetter *const *rows = letters ? letters->letters : report ? report->letters : NULL;
        for (size_t j = 0; j < n; j++) {
            uint64_t id = rows[j]->number ? rows[j]->number : rows[j]->at_ms * 64 + j;
            struct list_row *row = list_add(list, console_row_id(process, id), rows[j]);
            if (row) fill_row(list, row, process, rows[j]);
        }
    }
}

static const struct process *process_of(struct console *console, const SysDeadLetter *letter) {
    const struct process *process;
    for (size_t i = 0; (process = console_process(console, i)); i++) {
        const SysLetters *letters = model_message(process, QUESTION_LETTERS, NULL);
        for (size_t j = 0; letters && j < letters->n_letters; j++)
            if (letters->letters[j] == letter) return process;
    }
    return NULL;
}

static void draw_detail(struct console *console,
                        struct screen *screen,
                        struct area area,
                        const SysDeadLetter *letter) {
    const struct process *process = process_of(console, letter);
    draw_rule(screen, &(struct rule){area.row, area.column, area.width, letter->message,
                                     letter->kept ? "r sends it again" : NULL});
    int row = area.row + 1, column = area.column + 2;
    char clock[UNITS_MAX], size[UNITS_MAX];
    screen_format(screen, row++, column, STYLE_PLAIN, "%s  from %s  to %s  at %s",
                  units_clock(clock, letter->at_ms), letter->from, letter->to,
                  process ? process->label : "");
    screen_format(screen, row++, column, STYLE_WARM, "%s", letter->reason);
    screen_format(screen, row++, column, STYLE_DIM, "letter %" PRIu64 ", %s", letter->number,
                  units_bytes(size, (double)letter->size));
    if (!letter->body.len) {
        screen_put(screen, row, column, STYLE_DIM,
                   !process          ? "an older version: no bodies, no sending again"
                   : console->bodies ? "no body was kept, or this process does not show them"
                                     : "b asks for bodies");
        return;
    }
    char text[BODY_TEXT_MAX];
    body_text(letter->message, letter->body.data, letter->body.len, text, sizeof text);
    body_wrap(screen, (struct area){row, column, area.row + area.height - row, area.width - 4},
              text);
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    int used = console_complain(console, screen, area, QUESTION_LETTERS);
    area.row += used;
    area.height -= used;
    const struct list_row *picked = list_picked(&console->list, &console->states[VIEW_LETTERS]);
    bool room = picked && area.height > 2 * DETAIL_ROWS;
    struct area table = area;
    if (room) table.height -= DETAIL_ROWS;
    console_table(console, screen, table);
    if (room)
        draw_detail(console, screen,
                    (struct area){table.row + table.height, area.column, DETAIL_ROWS, area.width},
                    picked->about);
    if (console->list.n_rows == 0)
        screen_put(screen, area.row + 1, area.column + 1, STYLE_DIM,
                   "no dead letters: every message reached somebody");
}

static bool key(struct console *console, int key) {
    if (key == 'b') {
        console->bodies = !console->bodies;
        console_notice(console, console->bodies ? "bodies are asked for" : "no bodies");
        return true;
    }
    if (key != 'r') return false;
    const struct list_row *row = list_picked(&console->list, &console->states[VIEW_LETTERS]);
    const SysDeadLetter *letter = row ? row->about : NULL;
    const struct process *process = letter ? process_of(console, letter) : NULL;
    if (!process || !letter->kept) {
        console_notice(console, !letter ? "there is no letter"
                                        : "its body is gone: it cannot be sent again");
        return true;
    }
    struct once once = {.kind = ONCE_RESEND, .number = letter->number};
    memcpy(once.address, process->address, sizeof once.address);
    console_confirm(console, &once, "send %.60s to %.60s once more?", letter->message, letter->to);
    return true;
}

const struct view view_letters = {
    .name = "letters",
    .questions = 1u << QUESTION_LETTERS,
    .hints = "r resend  b bodies  / search  s sort",
    .list_names = {"letters"},
    .columns = {columns},
    .fill = fill,
    .draw = draw,
    .key = key,
    .sort = 0,
    .descending = true,
};
