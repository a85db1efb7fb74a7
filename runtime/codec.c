/* codec: which types there are, by op. The halves of the work are encode.c, decode.c and print.c.
 */
#include "runtime/codec.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/assert.h"
#include "schemas/messages.h"

/* Open addressing, at most half full. A slot is written once, its op before its type: readers take
 * no lock. */
enum { SLOTS = 2 * CODEC_TYPES_MAX };

static struct {
    uint32_t op;
    _Atomic(const ProtobufCMessageDescriptor *) type;
} slots[SLOTS];
static _Atomic(const ProtobufCMessageDescriptor *) types[CODEC_TYPES_MAX]; /* as they came */
static size_t n_types;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of writers */
static pthread_once_t once = PTHREAD_ONCE_INIT;

uint32_t codec_op(const ProtobufCMessageDescriptor *type) {
    uint32_t hash = 2166136261u;
    for (const char *c = type->name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return hash;
}

/* The slot that holds op, or the free one where it would be; its type in *type. */
static size_t find_slot(uint32_t op, const ProtobufCMessageDescriptor **type) {
    size_t i = op % SLOTS;
    while ((*type = atomic_load_explicit(&slots[i].type, memory_order_acquire)) &&
           slots[i].op != op)
        i = (i + 1) % SLOTS;
    return i;
}

static enum status add(const ProtobufCMessageDescriptor *type) {
    uint32_t op = codec_op(type);
    const ProtobufCMessageDescriptor *there = NULL;
    size_t i = find_slot(op, &there);
    if (there) return strcmp(there->name, type->name) == 0 ? STATUS_OK : STATUS_EXISTS;
    if (n_types == CODEC_TYPES_MAX) return STATUS_QUOTA;
    slots[i].op = op;
    atomic_store_explicit(&slots[i].type, type, memory_order_release);
    atomic_store_explicit(&types[n_types++], type, memory_order_release);
    return STATUS_OK;
}

static void fill(void) {
    for (size_t i = 0; schema_messages[i]; i++) {
        enum status s = add(schema_messages[i]);
        assert(s == STATUS_OK); /* two names with one hash: rename a message */
    }
}

const ProtobufCMessageDescriptor *codec_find(uint32_t op) {
    const ProtobufCMessageDescriptor *type = NULL;
    pthread_once(&once, fill);
    find_slot(op, &type);
    return type;
}

const ProtobufCMessageDescriptor *codec_nth(size_t n) {
    pthread_once(&once, fill);
    return n < CODEC_TYPES_MAX ? atomic_load_explicit(&types[n], memory_order_acquire) : NULL;
}

enum status codec_add(const ProtobufCMessageDescriptor *type) {
    pthread_once(&once, fill);
    pthread_mutex_lock(&lock);
    enum status s = add(type);
    pthread_mutex_unlock(&lock);
    return s;
}
