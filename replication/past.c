/* past: the configurations in the log since the snapshot, the snapshot's own first: a snapshot
 * of an index needs the members as of it (H6), and only the log of entries knows them otherwise. */
#include "replication/state.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum status past_add(struct consensus *self, uint64_t index, struct raft_configuration *members) {
    enum status s =
        effects_room((void **)&self->past, self->n_past, &self->past_capacity, sizeof *self->past);
    if (s != STATUS_OK) {
        raft_configuration_close(members);
        return s;
    }
    self->past[self->n_past++] = (struct past){.index = index, .members = *members};
    return STATUS_OK;
}

void past_cut(struct consensus *self, uint64_t first) {
    while (self->n_past > 0 && self->past[self->n_past - 1].index >= first)
        raft_configuration_close(&self->past[--self->n_past].members);
}

const struct past *past_at(const struct consensus *self, uint64_t index) {
    for (uint32_t i = self->n_past; i > 0; i--)
        if (self->past[i - 1].index <= index) return &self->past[i - 1];
    return NULL;
}

void past_forget(struct consensus *self, uint64_t index) {
    const struct past *kept = past_at(self, index);
    if (!kept) return;
    uint32_t n = (uint32_t)(kept - self->past);
    for (uint32_t i = 0; i < n; i++)
        raft_configuration_close(&self->past[i].members);
    self->n_past -= n;
    for (uint32_t i = 0; i < self->n_past; i++)
        self->past[i] = self->past[i + n];
}
