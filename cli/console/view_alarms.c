/* view_alarms: what a person should look at, worst and newest first: alarms the processes tell, and
 * what the console finds by comparing. */
#include <stdio.h>
#include <string.h>

#include "cli/console/body.h"
#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/lints.h"
#include "runtime/memory.h"

static const struct column columns[] = {
    {"state", "", VALUE_TEXT, 1, 0, 0},
    {"name", "ALARM", VALUE_TEXT, 16, 18, 0},
    {"process", "PROCESS", VALUE_NAME, 11, 18, 0},
    {"subject", "ABOUT", VALUE_NAME, 12, 24, 0},
    {"since_us", "FOR", VALUE_US, 5, 0, 0},
    {"text", "WHAT", VALUE_TEXT, 24, 120, 0},
    {"since_ms", "since_ms", VALUE_CLOCK, 0, 0, -1},
    {"over", "over", VALUE_FLAG, 0, 0, -1},
    {"by", "by", VALUE_TEXT, 0, 0, -1},
    {0},
};

static void fill_row(struct console *console, struct list *list, const struct lint *lint) {
    uint64_t id = console_hash(lint->name) ^ console_hash(lint->subject) * 31 ^
                  (lint->process ? lint->process->number : 0);
    struct list_row *row = list_add(list, id, lint->process);
    enum style style = lint->over ? STYLE_DIM : STYLE_HOT;
    uint64_t now = console_now_ms(console);
    list_text(list, row, "state", lint->over ? "✓" : "▲");
    list_format(list, row, "name", "%s", lint->name);
    list_text(list, row, "process", lint->process ? lint->process->label : "");
    list_format(list, row, "subject", "%s", lint->subject);
    if (lint->since_ms) {
        list_number(list, row, "since_us",
                    now > lint->since_ms ? (double)(now - lint->since_ms) * 1000 : 0);
        list_number(list, row, "since_ms", (double)lint->since_ms);
    }
    list_format(list, row, "text", "%s", lint->text);
    list_number(list, row, "over", lint->over);
    list_text(list, row, "by", lint->own ? "console" : "process");
    list_style(list, row, "state", style);
    list_style(list, row, "name", style);
}

static void fill(struct console *console, unsigned which, struct list *list) {
    (void)which;
    struct lint *lints = mem_alloc(LINTS_MAX * sizeof *lints);
    size_t n = lints ? lints_find(&console->timeline.model, lints) : 0;
    for (unsigned over = 0; over < 2; over++)
        for (size_t i = 0; i < n; i++)
            if (lints[i].over == (over == 1)) fill_row(console, list, &lints[i]);
    mem_free(lints);
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    const struct list_row *picked = list_picked(&console->list, &console->states[VIEW_ALARMS]);
    if (!picked) {
        screen_put(screen, area.row + 1, area.column + 1, STYLE_GOOD, "✓");
        screen_put(screen, area.row + 1, area.column + 3, STYLE_PLAIN, "nothing to look at");
        return;
    }
    const char *text = picked->values[5].text ? picked->values[5].text : "";
    enum { DETAIL = 4 };
    struct area table = area;
    if (area.height > 3 * DETAIL) table.height -= DETAIL;
    console_table(console, screen, table);
    if (table.height == area.height) return;
    int row = table.row + table.height;
    draw_rule(screen, &(struct rule){row, area.column, area.width,
                                     picked->values[1].text ? picked->values[1].text : "", NULL});
    body_wrap(screen, (struct area){row + 1, area.column + 2, DETAIL - 1, area.width - 4}, text);
}

/* The actor it is about, where it is one. */
static void open(struct console *console, const struct list_row *row) {
    const struct process *process = row->about;
    const char *subject = row->values[3].text;
    if (!process || !subject || !*subject) return;
    const struct actor_row *actor = model_actor(process, subject);
    if (!actor && process->n_actors) return;
    console_show_actor(console, process->address, subject);
}

const struct view view_alarms = {
    .name = "alarms",
    .questions = 1u << QUESTION_ACTORS | 1u << QUESTION_WAITS,
    .hints = "enter its actor  / search",
    .list_names = {"alarms"},
    .columns = {columns},
    .fill = fill,
    .draw = draw,
    .open = open,
    .sort = SIZE_MAX,
};
