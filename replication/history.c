/* history: the configurations in the log since the snapshot, the snapshot's own first: a snapshot
 * of an index needs the members as of it (H6), and only the log of entries knows them otherwise. */
#include "replication/state.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum status
history_add(struct consensus *self, uint64_t index, struct raft_configuration *members) {
    enum status s = effects_room((void **)&self->history, self->n_history, &self->history_capacity,
                                 sizeof *self->history);
    if (s != STATUS_OK) {
        raft_configuration_close(members);
        return s;
    }
    self->history[self->n_history++] = (struct history){.index = index, .members = *members};
    return STATUS_OK;
}

void history_cut(struct consensus *self, uint64_t first) {
    while (self->n_history > 0 && self->history[self->n_history - 1].index >= first)
        raft_configuration_close(&self->history[--self->n_history].members);
}

const struct history *history_at(const struct consensus *self, uint64_t index) {
    for (uint32_t i = self->n_history; i > 0; i--)
        if (self->history[i - 1].index <= index) return &self->history[i - 1];
    return NULL;
}

void history_forget(struct consensus *self, uint64_t index) {
    const struct history *kept = history_at(self, index);
    if (!kept) return;
    uint32_t n = (uint32_t)(kept - self->history);
    for (uint32_t i = 0; i < n; i++)
        raft_configuration_close(&self->history[i].members);
    self->n_history -= n;
    for (uint32_t i = 0; i < self->n_history; i++)
        self->history[i] = self->history[i + n];
}
