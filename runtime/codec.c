/* codec: which types there are, by op. The halves of the work are encode.c, decode.c and print.c.
 */
#include "runtime/codec.h"

#include <pthread.h>
#include <string.h>

#include "runtime/assert.h"
#include "schemas/messages.h"

/* Open addressing, at most half full: built once, then only read, by any thread. */
enum { SLOTS = 1024, MESSAGES_MAX = SLOTS / 2 };

static struct {
    uint32_t op;
    const ProtobufCMessageDescriptor *type;
} slots[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

uint32_t codec_op(const ProtobufCMessageDescriptor *type) {
    uint32_t hash = 2166136261u;
    for (const char *c = type->name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return hash;
}

/* The slot that holds op, or the free one where it would be. */
static size_t find_slot(uint32_t op) {
    size_t i = op % SLOTS;
    while (slots[i].type && slots[i].op != op)
        i = (i + 1) % SLOTS;
    return i;
}

static void fill(void) {
    size_t count = 0;
    for (; schema_messages[count]; count++) {
        assert(count < MESSAGES_MAX);
        uint32_t op = codec_op(schema_messages[count]);
        size_t i = find_slot(op);
        assert(!slots[i].type); /* two names with one hash: rename a message */
        slots[i].op = op;
        slots[i].type = schema_messages[count];
    }
}

const ProtobufCMessageDescriptor *codec_find(uint32_t op) {
    pthread_once(&once, fill);
    return slots[find_slot(op)].type;
}
