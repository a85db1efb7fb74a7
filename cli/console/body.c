/* body: codec_print does the work. */
#include "cli/console/body.h"

#include <stdio.h>
#include <string.h>

#include "cli/console/rune.h"
#include "runtime/codec.h"
#include "schemas/messages.h"

enum { HEX_BYTES = 96 };

static const ProtobufCMessageDescriptor *find(const char *type) {
    for (size_t i = 0; schema_messages[i]; i++)
        if (strcmp(schema_messages[i]->name, type) == 0) return schema_messages[i];
    return NULL;
}

const char *body_short(const char *message) {
    const char *slash = strrchr(message, '/'), *dot = strchr(message, '.');
    return slash && dot && dot < slash ? slash + 1 : message;
}

void body_text(const char *type, const uint8_t *data, size_t size, char *out, size_t room) {
    const ProtobufCMessageDescriptor *known = find(type);
    struct arena arena;
    arena_init(&arena, 0);
    ProtobufCMessage *message;
    if (known && codec_decode(known, data, size, &arena, &message, NULL) == STATUS_OK) {
        codec_print(message, out, room);
    } else {
        size_t at = 0;
        for (size_t i = 0; i < size && i < HEX_BYTES && at + 4 < room; i++)
            at += (size_t)snprintf(out + at, room - at, "%02x ", data[i]);
        if (at == 0 && room > 0) out[0] = 0;
    }
    arena_free(&arena);
}

int body_wrap(struct screen *screen, struct area area, const char *text) {
    int row = 0, column = 0;
    uint32_t rune;
    while ((rune = rune_next(&text)) != 0 && row < area.height) {
        char bytes[RUNE_BYTES_MAX + 1] = "";
        bytes[rune_encode(rune, bytes)] = 0;
        screen_put(screen, area.row + row, area.column + column, STYLE_PLAIN, bytes);
        column += (int)rune_width(rune);
        if (column + 1 < area.width) continue;
        column = 0;
        row++;
    }
    return row + (column > 0);
}
