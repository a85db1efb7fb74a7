/* fuzz_console: a recording of the console from anywhere, and with it every answer of a process:
 * read, taken into the model, drawn in a view that the first byte picks, written as JSON. What
 * reaches the screen must be fit for a terminal. */
#include <stdint.h>

#include "cli/console/console.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIDTH = 100, HEIGHT = 30 };

static void check(const struct screen *screen) {
    for (int i = 0; i < screen->width * screen->height; i++) {
        uint32_t rune = screen->cells[i].rune;
        assert(rune == 0 || (rune >= ' ' && rune < 0x7f) || rune > 0x9f);
        assert(rune < 0x202a || rune > 0x202e);
    }
}

static void look(struct console *console, enum view_name view) {
    struct screen screen;
    struct buffer out;
    buffer_init(&out);
    assert(screen_init(&screen, WIDTH, HEIGHT) == STATUS_OK);
    console->view = view;
    console_draw(console, &screen);
    check(&screen);
    console_json(console, &out);
    screen_free(&screen);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    struct console *console = mem_alloc(sizeof *console);
    assert(console && console_init(console, 1 << 20) == STATUS_OK);
    struct event *event;
    for (size_t at = 1, used; at < size; at += used) {
        if (event_read(data + at, size - at, &used, &event) != STATUS_OK || used == 0) break;
        if (event->question == QUESTION_ACTOR)
            console_show_actor(console, event->address, event->key);
        if (event->question == QUESTION_TRACE && *event->key)
            console_show_trace(console, event->key);
        console_take(console, event);
    }
    look(console, (enum view_name)(data[0] % VIEW_COUNT));
    timeline_seek(&console->timeline,
                  (timeline_first_ms(&console->timeline) + timeline_last_ms(&console->timeline)) /
                      2);
    look(console, (enum view_name)(data[0] % VIEW_COUNT));
    console_free(console);
    mem_free(console);
    return 0;
}
