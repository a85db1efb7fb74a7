/* json_translate: the other side of json_format.py. Reads records "<kind><size as 4 bytes
 * little-endian><bytes>" from stdin: kind 'w' is an encoded Every to be written as JSON, 'r' is
 * JSON to be read and encoded. Answers
 * "<ok|no><size><bytes>" with 'o' or 'n' and the result or the error's text. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/json.h"
#include "every.pb-c.h"
#include "runtime/memory.h"

enum { RECORD_MAX = 1 << 24 };

static void answer(char kind, const void *data, size_t size) {
    uint32_t length = (uint32_t)size;
    putchar(kind);
    fwrite(&length, sizeof length, 1, stdout);
    fwrite(data, 1, size, stdout);
    fflush(stdout);
}

static void write_json(const uint8_t *data, size_t size) {
    Every__Every *message = every__every__unpack(NULL, size, data);
    if (!message) {
        answer('n', "not decoded", 11);
        return;
    }
    struct buffer out;
    buffer_init(&out);
    json_write(&message->base, &out);
    answer('o', out.data, out.size);
    buffer_free(&out);
    every__every__free_unpacked(message, NULL);
}

static void read_json(const uint8_t *data, size_t size) {
    struct arena arena;
    struct json_error error;
    ProtobufCMessage *message;
    arena_init(&arena, 0);
    enum status s =
        json_read(&every__every__descriptor, (const char *)data, size, &arena, &message, &error);
    if (s == STATUS_OK) {
        size_t packed = protobuf_c_message_get_packed_size(message);
        uint8_t *bytes = mem_alloc(packed);
        protobuf_c_message_pack(message, bytes);
        answer('o', bytes, packed);
        mem_free(bytes);
    } else
        answer('n', error.text, strlen(error.text));
    arena_free(&arena);
}

int main(void) {
    static uint8_t data[RECORD_MAX];
    for (;;) {
        int kind = getchar();
        uint32_t size;
        if (kind == EOF) return 0;
        if (fread(&size, sizeof size, 1, stdin) != 1 || size > RECORD_MAX) return 1;
        if (fread(data, 1, size, stdin) != size) return 1;
        /* The reader must never look behind the text: it gets a copy of exactly that size. */
        uint8_t *copy = mem_copy(data, size);
        if (kind == 'w')
            write_json(copy, size);
        else
            read_json(copy, size);
        mem_free(copy);
    }
}
