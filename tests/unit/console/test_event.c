/* Recordings: what is written is read again; what is broken is refused, at any byte. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/console/history.h"
#include "runtime/memory.h"

static struct event *make(uint64_t at_ms, size_t size) {
    unsigned char body[256];
    memset(body, 7, sizeof body);
    struct event event = {.at_ms = at_ms,
                          .question = QUESTION_TAP,
                          .status = STATUS_BUSY,
                          .more = true,
                          .took_us = 9,
                          .size = size,
                          .body = body};
    strcpy(event.address, "tcp://a:1");
    strcpy(event.key, "shard/1");
    strcpy(event.text, "words");
    return event_copy(&event);
}

Test(event, comes_back_as_it_went) {
    struct event *event = make(5, 200), *got;
    struct buffer out;
    buffer_init(&out);
    event_write(event, &out);
    size_t used;
    for (size_t cut = 0; cut < out.size; cut++) {
        cr_assert_eq(event_read(out.data, cut, &used, &got), STATUS_OK);
        cr_assert_eq(used, 0, "more is needed");
    }
    cr_assert_eq(event_read(out.data, out.size, &used, &got), STATUS_OK);
    cr_expect_eq(used, out.size);
    cr_expect_eq(got->at_ms, 5);
    cr_expect_eq(got->question, QUESTION_TAP);
    cr_expect_eq(got->status, STATUS_BUSY);
    cr_expect(got->more);
    cr_expect_str_eq(got->address, "tcp://a:1");
    cr_expect_str_eq(got->key, "shard/1");
    cr_expect_str_eq(got->text, "words");
    cr_expect_eq(got->size, 200);
    cr_expect_eq(memcmp(got->body, event->body, 200), 0);
    mem_free(got);
    mem_free(event);
    buffer_free(&out);
}

Test(event, garbage_is_refused) {
    static const unsigned char rows[][8] = {
        {0xff, 0xff, 0xff, 0xff}, {4, 0, 0, 0, 1, 2, 3, 4}, {1, 0, 0, 0, 0x80}};
    for (size_t i = 0; i < 3; i++) {
        size_t used;
        struct event *got = NULL;
        cr_expect_eq(event_read(rows[i], 8, &used, &got), STATUS_INVALID, "row %zu", i);
        cr_expect_null(got);
    }
}

Test(history, forgets_the_oldest) {
    struct history history;
    struct event *one = make(1, 100);
    history_init(&history, 10 * event_bytes(one));
    mem_free(one);
    for (uint64_t i = 0; i < 1000; i++)
        history_add(&history, make(i, 100));
    cr_expect_eq(history.n, 10);
    cr_expect_eq(history.forgotten, 990);
    cr_expect_eq(history_at(&history, 0)->at_ms, 990);
    cr_expect_eq(history_until(&history, 994), 5);
    cr_expect_eq(history_until(&history, 5), 0);
    cr_expect_eq(history_until(&history, 5000), 10);
    history_free(&history);
}

Test(history, a_file_holds_it) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/vectron-history-%d", (int)getpid());
    unlink(path);
    struct history history, again;
    history_init(&history, 1 << 20);
    history_init(&again, 1 << 20);
    for (uint64_t i = 0; i < 100; i++)
        history_add(&history, make(i, i));
    cr_assert_eq(history_save(&history, path), STATUS_OK);
    cr_expect_eq(history_save(&history, path), STATUS_EXISTS, "never over another one");
    size_t read;
    cr_assert_eq(history_load(&again, path, &read), STATUS_OK);
    cr_expect_eq(read, 100);
    cr_expect_eq(history_at(&again, 42)->size, 42);
    /* Killed while it wrote. */
    cr_assert_eq(truncate(path, 3000), 0);
    cr_assert_eq(history_load(&again, path, &read), STATUS_OK);
    cr_expect_lt(read, 100);
    cr_expect_gt(read, 10);
    FILE *file = fopen(path, "w");
    fputs("something else", file);
    fclose(file);
    cr_expect_eq(history_load(&again, path, &read), STATUS_INVALID);
    unlink(path);
    cr_expect_eq(history_load(&again, path, &read), STATUS_IO);
    history_free(&history);
    history_free(&again);
}
