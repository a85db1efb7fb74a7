/* event: recordings are sized ConsoleEvents; all in them is judged as bytes from outside. */
#include "cli/console/event.h"

#include <stdio.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/text.h"
#include "schemas/console.pb-c.h"

enum { HEAD = 4, EVENT_SIZE_MAX = CODEC_MESSAGE_MAX };

const char event_magic[8] = {'V', 'C', 'O', 'N', 'S', 'O', 'L', '1'};

size_t event_bytes(const struct event *event) {
    return sizeof *event + event->size;
}

struct event *event_copy(const struct event *event) {
    struct event *copy = mem_alloc(event_bytes(event));
    if (!copy) return NULL;
    *copy = *event;
    copy->body = (unsigned char *)(copy + 1);
    if (event->size) memcpy(copy->body, event->body, event->size);
    return copy;
}

void event_write(const struct event *event, struct buffer *out) {
    ConsoleEvent row = CONSOLE_EVENT__INIT;
    row.at_ms = event->at_ms;
    row.question = event->question;
    row.address = (char *)event->address;
    row.key = (char *)event->key;
    row.status = event->status;
    row.text = (char *)event->text;
    row.took_us = event->took_us;
    row.more = event->more;
    row.body = (ProtobufCBinaryData){event->size, event->body};
    size_t size;
    if (codec_measure(&row.base, &size) != STATUS_OK) return; /* larger than any recording holds */
    unsigned char *at = buffer_reserve(out, HEAD + size);
    if (!at) return;
    for (unsigned i = 0; i < HEAD; i++)
        at[i] = (unsigned char)(size >> 8 * i);
    codec_write(&row.base, at + HEAD);
    out->size += HEAD + size;
}

static void copy_text(char *out, size_t room, const char *text) {
    size_t size = strlen(text);
    if (size >= room) size = text_cut(text, room - 1);
    memcpy(out, text, size);
    out[size] = 0;
}

static enum status take(const ConsoleEvent *row, struct event **out) {
    bool sound = row->question > QUESTION_NONE && row->question < QUESTION_COUNT &&
                 row->status < STATUS_COUNT;
    if (!sound) return STATUS_INVALID;
    struct event event = {
        .at_ms = row->at_ms,
        .question = (enum question)row->question,
        .status = (enum status)row->status,
        .more = row->more,
        .took_us = row->took_us,
        .size = row->body.len,
        .body = row->body.data,
    };
    copy_text(event.address, sizeof event.address, row->address);
    copy_text(event.key, sizeof event.key, row->key);
    copy_text(event.text, sizeof event.text, row->text);
    *out = event_copy(&event);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status event_read(const void *data, size_t size, size_t *used, struct event **out) {
    const unsigned char *at = data;
    *used = 0;
    if (size < HEAD) return STATUS_OK;
    size_t need = 0;
    for (unsigned i = 0; i < HEAD; i++)
        need |= (size_t)at[i] << 8 * i;
    if (need > EVENT_SIZE_MAX) return STATUS_INVALID;
    if (size - HEAD < need) return STATUS_OK;
    struct arena arena;
    arena_init(&arena, 0);
    ProtobufCMessage *message;
    enum status s =
        codec_decode(&console_event__descriptor, at + HEAD, need, &arena, &message, NULL);
    if (s == STATUS_OK) s = take((const ConsoleEvent *)message, out);
    arena_free(&arena);
    if (s == STATUS_OK) *used = HEAD + need;
    return s;
}
