/* recording: parts come from several lanes and are put in order by time and number. Every count and
 * name is judged here, so that the replay may trust them. */
#include "runtime/sim/recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/sim/replay.h"

enum { MAGIC_SIZE = sizeof REPLAY_MAGIC - 1, LENGTH_SIZE = 4, WHY_MAX = 512 };

uint32_t recording_op(const char *message) {
    const ProtobufCMessageDescriptor *type;
    for (size_t i = 0; (type = codec_nth(i)); i++)
        if (strcmp(type->name, message) == 0) return codec_op(type);
    return 0;
}

static enum status add(struct recording *recording, const SysMessage *turn) {
    if (recording->n == REPLAY_TURNS_MAX) return STATUS_TOO_LARGE;
    if (recording->n == recording->room) {
        size_t more = recording->room ? recording->room * 2 : 256;
        const SysMessage **bigger = mem_resize(recording->turns, more * sizeof *bigger);
        if (!bigger) return STATUS_NO_MEMORY;
        recording->turns = bigger;
        recording->room = more;
    }
    recording->turns[recording->n++] = turn;
    return STATUS_OK;
}

static bool known(const char *message, char why[WHY_MAX]) {
    if (!*message || recording_op(message)) return true;
    snprintf(why, WHY_MAX, "it has a message %.64s that this program does not know", message);
    return false;
}

static enum status judge(const SysMessage *turn, char why[WHY_MAX]) {
    if (!known(turn->message, why)) return STATUS_INVALID;
    for (size_t i = 0; i < turn->n_sent; i++)
        if (!known(turn->sent[i]->message, why)) return STATUS_INVALID;
    if (turn->asked.len == turn->n_told) return STATUS_OK;
    snprintf(why, WHY_MAX, "a turn has %zu questions and %zu answers", turn->asked.len,
             turn->n_told);
    return STATUS_INVALID;
}

static void take_disk(struct recording *recording, const SysTapped *part) {
    buffer_append(&recording->disk, part->disk.data, part->disk.len);
    if (part->disk_size) recording->disk_size = part->disk_size;
    if (*part->disk_refused) recording->refused = part->disk_refused;
}

static enum status
read_part(struct recording *recording, const unsigned char *at, size_t size, char why[WHY_MAX]) {
    ProtobufCMessage *message = NULL;
    const char *words = NULL;
    enum status s =
        codec_decode(&sys_tapped__descriptor, at, size, &recording->arena, &message, &words);
    if (s != STATUS_OK) snprintf(why, WHY_MAX, "%s", words ? words : status_text(s));
    const SysTapped *part = (const SysTapped *)message;
    if (s == STATUS_OK) take_disk(recording, part);
    if (recording->disk.failed) s = STATUS_NO_MEMORY;
    for (size_t i = 0; s == STATUS_OK && i < part->n_messages; i++) {
        s = judge(part->messages[i], why);
        if (s == STATUS_OK) s = add(recording, part->messages[i]);
    }
    return s;
}

static int by_time(const void *a, const void *b) {
    const SysMessage *x = *(const SysMessage *const *)a, *y = *(const SysMessage *const *)b;
    if (x->at_us != y->at_us) return x->at_us < y->at_us ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

enum status
recording_read(struct recording *recording, const void *bytes, size_t size, char why[WHY_MAX]) {
    const unsigned char *at = bytes;
    *recording = (struct recording){.n = 0};
    buffer_init(&recording->disk);
    arena_init(&recording->arena, 0);
    snprintf(why, WHY_MAX, "it does not begin with " REPLAY_MAGIC);
    if (size < MAGIC_SIZE || memcmp(at, REPLAY_MAGIC, MAGIC_SIZE) != 0) return STATUS_INVALID;
    enum status s = STATUS_OK;
    for (size_t i = MAGIC_SIZE; i < size && s == STATUS_OK;) {
        snprintf(why, WHY_MAX, "it is cut off at byte %zu", size);
        if (size - i < LENGTH_SIZE) return STATUS_INVALID;
        size_t length = (size_t)at[i] | (size_t)at[i + 1] << 8 | (size_t)at[i + 2] << 16 |
                        (size_t)at[i + 3] << 24;
        i += LENGTH_SIZE;
        if (length > size - i) return STATUS_INVALID;
        s = read_part(recording, at + i, length, why);
        i += length;
    }
    if (s == STATUS_OK && recording->n)
        qsort(recording->turns, recording->n, sizeof *recording->turns, by_time);
    return s;
}

void recording_free(struct recording *recording) {
    mem_free(recording->turns);
    buffer_free(&recording->disk);
    arena_free(&recording->arena);
}
