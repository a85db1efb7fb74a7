/* writes: the host makes our writes durable in order and may have several on their way. A later one
 * can overwrite the log where an earlier one wrote, so what an earlier one makes durable is trimmed
 * then (H3): an index counts as durable only while its entry is the log's. */
#include "replication/state.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

static struct write *at(const struct writes *writes, uint32_t nth) {
    return &writes->ring[(writes->first + nth) % writes->capacity];
}

static enum status make_room(struct writes *writes) {
    if (writes->count < writes->capacity) return STATUS_OK;
    uint32_t capacity = writes->capacity ? writes->capacity * 2 : 8;
    struct write *ring = mem_alloc(capacity * sizeof *ring);
    if (!ring) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < writes->count; i++)
        ring[i] = *at(writes, i);
    mem_free(writes->ring);
    writes->ring = ring;
    writes->first = 0;
    writes->capacity = capacity;
    return STATUS_OK;
}

enum status writes_add(struct writes *writes, uint64_t last, bool hard) {
    enum status s = make_room(writes);
    if (s != STATUS_OK) return s;
    writes->count++;
    *at(writes, writes->count - 1) = (struct write){++writes->number, last, hard};
    return STATUS_OK;
}

void writes_cut(struct writes *writes, uint64_t first) {
    for (uint32_t i = 0; i < writes->count; i++) {
        struct write *write = at(writes, i);
        if (write->last >= first) write->last = first - 1;
    }
}

uint64_t writes_done(struct writes *writes, uint64_t number) {
    uint64_t last = 0;
    while (writes->count > 0 && at(writes, 0)->number <= number) {
        if (at(writes, 0)->last > last) last = at(writes, 0)->last;
        writes->first = (writes->first + 1) % writes->capacity;
        writes->count--;
    }
    return last;
}

uint64_t writes_hard(const struct writes *writes) {
    for (uint32_t i = writes->count; i > 0; i--)
        if (at(writes, i - 1)->hard) return at(writes, i - 1)->number;
    return 0;
}

void writes_free(struct writes *writes) {
    mem_free(writes->ring);
    *writes = (struct writes){0};
}
