/* Every view, drawn from the made-up cluster at 80x24 and 120x40, against files in golden/. After a
 * change that is meant: GOLDEN=write build/dev/test_console_views, then look at the difference. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/console/scene.h"

static struct console *console;

static void set_up(void) {
    setenv("TZ", "UTC", 1);
    tzset();
    console = calloc(1, sizeof *console);
    cr_assert_eq(console_init(console, 64 << 20), STATUS_OK);
    console->cost =
        (struct cost){.cpu = 0.0031, .bytes = 12000, .every_ms = 1000, .least_ms = 1000};
    scene_play(console);
}

static void tear_down(void) {
    console_free(console);
    free(console);
}

TestSuite(views, .init = set_up, .fini = tear_down);

static void drawn(int width, int height, bool ascii, struct buffer *out) {
    struct screen screen;
    cr_assert_eq(screen_init(&screen, width, height), STATUS_OK);
    screen.ascii = ascii;
    console_draw(console, &screen);
    buffer_init(out);
    screen_text(&screen, out);
    buffer_append(out, "", 1);
    screen_free(&screen);
}

static void compare(const char *name, const struct buffer *got) {
    char path[512], *want = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/tests/unit/console/golden/%s.txt", SOURCE_DIR, name);
    const char *mode = getenv("GOLDEN");
    FILE *file = fopen(path, mode && strcmp(mode, "write") == 0 ? "w" : "r");
    cr_assert(file, "%s", path);
    if (mode) {
        fputs((const char *)got->data, file);
    } else {
        FILE *memory = open_memstream(&want, &size);
        for (int c; (c = fgetc(file)) != EOF;)
            fputc(c, memory);
        fclose(memory);
        cr_expect_str_eq((const char *)got->data, want, "%s differs:\n%s", name,
                         (const char *)got->data);
        free(want);
    }
    fclose(file);
}

static void check(enum view_name view) {
    static const int sizes[][2] = {{80, 24}, {120, 40}};
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        struct buffer text;
        if (view != VIEW_ACTOR && view != VIEW_TRACE) console_go(console, view);
        console->view = view;
        drawn(sizes[i][0], sizes[i][1], false, &text);
        snprintf(name, sizeof name, "%s-%dx%d", view_of(view)->name, sizes[i][0], sizes[i][1]);
        compare(name, &text);
        buffer_free(&text);
    }
}

Test(views, cluster) {
    check(VIEW_CLUSTER);
}
Test(views, actors) {
    check(VIEW_ACTORS);
}
Test(views, links) {
    check(VIEW_LINKS);
}
Test(views, waits) {
    check(VIEW_WAITS);
}
Test(views, letters) {
    check(VIEW_LETTERS);
}
Test(views, traces) {
    check(VIEW_TRACES);
}
Test(views, shards) {
    check(VIEW_SHARDS);
}
Test(views, alarms) {
    check(VIEW_ALARMS);
}
Test(views, actor) {
    check(VIEW_ACTOR);
}
Test(views, trace) {
    check(VIEW_TRACE);
}
Test(views, help) {
    check(VIEW_HELP);
}

Test(views, tree_of_supervisors) {
    struct buffer text;
    console_go(console, VIEW_ACTORS);
    drawn(80, 24, false, &text);
    buffer_free(&text);
    console_key(console, 't');
    drawn(80, 24, false, &text);
    compare("tree-80x24", &text);
    buffer_free(&text);
}

Test(views, ascii_alone) {
    for (unsigned view = 0; view < VIEW_COUNT; view++) {
        struct buffer text;
        console->view = (enum view_name)view;
        drawn(80, 24, true, &text);
        for (size_t i = 0; i + 1 < text.size; i++)
            cr_assert(text.data[i] == '\n' || (text.data[i] >= ' ' && text.data[i] < 0x7f),
                      "%s has byte %#x", view_of(view)->name, text.data[i]);
        buffer_free(&text);
    }
}

/* Whatever the size: no crash, and never wider than the screen. */
Test(views, any_size) {
    static const int sizes[][2] = {{1, 1},    {2, 3},   {10, 4},   {39, 12},
                                   {60, 200}, {300, 8}, {512, 100}};
    for (unsigned view = 0; view < VIEW_COUNT; view++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct buffer text;
            console->view = (enum view_name)view;
            drawn(sizes[i][0], sizes[i][1], false, &text);
            char *rest = NULL;
            for (char *line = strtok_r((char *)text.data, "\n", &rest); line;
                 line = strtok_r(NULL, "\n", &rest))
                cr_assert_leq(screen_columns(line), sizes[i][0]);
            buffer_free(&text);
        }
}

/* Names, texts and addresses of a process that means harm. */
Test(views, hostile_names_cannot_steer_the_terminal) {
    static char evil[] = "\x1b]0;owned\x07\x1b[2J\xc2\x9b"
                         "31m\xe2\x80\xae\r\nx\xff\x7f";
    static char sound[] = "\x1b]0;owned\x07\x1b[2J\xc2\x9b"
                          "31m\xe2\x80\xae\r\nx\x7f";
    SysReport report = SYS_REPORT__INIT;
    report.node = report.version = report.role = sound;
    report.uptime_ms = 1;
    SysActor actor = SYS_ACTOR__INIT;
    actor.name = actor.kind = actor.doing = actor.operation = actor.supervisor = actor.endpoint =
        sound;
    report.n_actors = 1;
    report.actors = (SysActor *[]){&actor};
    SysLink link = SYS_LINK__INIT;
    link.name = link.address = link.security = link.last_failure = sound;
    report.n_links = 1;
    report.links = (SysLink *[]){&link};
    SysAlarm alarm = SYS_ALARM__INIT;
    alarm.name = alarm.subject = alarm.text = sound;
    report.n_alarms = 1;
    report.alarms = (SysAlarm *[]){&alarm};
    SysDeadLetter letter = SYS_DEAD_LETTER__INIT;
    letter.to = letter.from = letter.message = letter.reason = sound;
    report.n_letters = 1;
    report.letters = (SysDeadLetter *[]){&letter};
    console_take(console, scene_event(SCENE_MS + 4000, evil, QUESTION_ACTORS, "", &report.base));
    console_take(console,
                 scene_failure(SCENE_MS + 4000, evil, QUESTION_WAITS, evil, STATUS_BUSY, evil));
    console_show_actor(console, evil, sound);
    for (unsigned view = 0; view < VIEW_COUNT; view++) {
        struct buffer text;
        console->view = (enum view_name)view;
        drawn(200, 60, false, &text);
        for (const char *at = (const char *)text.data; *at; at++) {
            cr_assert(*at == '\n' || (unsigned char)*at >= ' ', "%s: control %#x",
                      view_of(view)->name, *at);
            cr_assert(*at != 0x7f);
        }
        cr_assert_null(strstr((const char *)text.data, "\xc2\x9b"));
        cr_assert_null(strstr((const char *)text.data, "\xe2\x80\xae"));
        buffer_free(&text);
    }
}

/* Seeds of tests/fuzz/fuzz_console.c: the scene, to be seen in each view. */
Test(views, are_seeds_of_the_fuzzer) {
    const char *mode = getenv("GOLDEN");
    if (!mode || strcmp(mode, "write") != 0) return;
    const struct history *history = &console->timeline.history;
    for (unsigned view = 0; view < VIEW_COUNT; view++) {
        char path[512];
        struct buffer out;
        buffer_init(&out);
        buffer_append(&out, &(unsigned char){(unsigned char)view}, 1);
        for (size_t i = 8; i < history->n; i++)
            event_write(history_at(history, i), &out);
        snprintf(path, sizeof path, "%s/tests/fuzz/seeds/console/%s", SOURCE_DIR,
                 view_of(view)->name);
        FILE *file = fopen(path, "w");
        cr_assert(file);
        fwrite(out.data, 1, out.size, file);
        fclose(file);
        buffer_free(&out);
    }
}

Test(views, json_is_of_the_tables) {
    struct buffer text;
    for (unsigned view = 0; view < VIEW_COUNT; view++) {
        console->view = (enum view_name)view;
        buffer_init(&text);
        console_json(console, &text);
        buffer_append(&text, "", 1);
        cr_assert(strstr((char *)text.data, view_of(view)->list_names[0]), "%s", (char *)text.data);
        buffer_free(&text);
    }
    console->view = VIEW_ACTORS;
    buffer_init(&text);
    console_json(console, &text);
    buffer_append(&text, "", 1);
    cr_assert(strstr((char *)text.data, "\"actor\":\"router\",\"process\":\"gateway\""), "%s",
              (char *)text.data);
    cr_assert(strstr((char *)text.data, "\"depth\":36"), "%s", (char *)text.data);
    buffer_free(&text);
}
