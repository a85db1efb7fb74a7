/* rerankers: known as long as they are heard of. Nothing of them is logged: a new placement driver
 * tells each one to register again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/pd/driver.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum { RERANKERS_MAX = 256, TEXT_SIZE = 256 };
#define PATIENCE_US UINT64_C(30000000) /* contract 6.4 */

struct reranker {
    char address[TEXT_SIZE];
    char role[TEXT_SIZE];
    uint64_t heard_us;
    uint64_t beat_ms;
};

static bool is_healthy(const struct reranker *reranker, const struct turn *turn) {
    return turn_now_us(turn) - reranker->heard_us <= PATIENCE_US;
}

static void hear(struct reranker *reranker, const struct turn *turn) {
    reranker->heard_us = turn_now_us(turn);
    reranker->beat_ms = turn_wall_ms(turn);
}

/* Ids are places, from 1. */
static void
tell(const struct driver *self, uint32_t nth, PdReranker *out, const struct turn *turn) {
    struct reranker *reranker = &self->rerankers[nth];
    pd_reranker__init(out);
    out->reranker = nth + 1;
    out->grpc_address = reranker->address;
    out->role = reranker->role;
    out->last_beat_ms = reranker->beat_ms;
    out->healthy = is_healthy(reranker, turn);
}

enum status
driver_register_reranker(struct driver *self, const PdRegisterReranker *msg, struct turn *turn) {
    uint32_t nth = 0;
    if (!msg->grpc_address[0] || strlen(msg->grpc_address) >= TEXT_SIZE ||
        strlen(msg->role) >= TEXT_SIZE)
        return turn_fail(turn, STATUS_INVALID, "an address or role is empty or above %d bytes",
                         TEXT_SIZE - 1);
    while (nth < self->n_rerankers && strcmp(self->rerankers[nth].address, msg->grpc_address) != 0)
        nth++;
    if (nth == RERANKERS_MAX)
        return turn_fail(turn, STATUS_QUOTA, "%d rerankers are the limit", RERANKERS_MAX);
    if (nth == self->n_rerankers) {
        struct reranker *rows = mem_resize(self->rerankers, (nth + 1) * sizeof *rows);
        if (!rows) return turn_fail(turn, STATUS_NO_MEMORY, "reranker");
        self->rerankers = rows;
        self->n_rerankers++;
        rows[nth] = (struct reranker){0};
        snprintf(rows[nth].address, TEXT_SIZE, "%s", msg->grpc_address);
    }
    snprintf(self->rerankers[nth].role, TEXT_SIZE, "%s", msg->role);
    hear(&self->rerankers[nth], turn);
    PdReranker answer;
    tell(self, nth, &answer, turn);
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

enum status
driver_beat_reranker(struct driver *self, const PdRerankerBeat *msg, struct turn *turn) {
    if (msg->reranker == 0 || msg->reranker > self->n_rerankers)
        return turn_fail(turn, STATUS_NOT_FOUND, "reranker %" PRIu64 " not found: register first",
                         msg->reranker);
    hear(&self->rerankers[msg->reranker - 1], turn);
    return STATUS_OK;
}

enum status
driver_list_rerankers(struct driver *self, const PdListRerankers *msg, struct turn *turn) {
    (void)msg;
    PdRerankers answer = PD_RERANKERS__INIT;
    PdReranker *rows = turn_alloc(turn, (self->n_rerankers + 1) * sizeof *rows);
    answer.rerankers = turn_alloc(turn, (self->n_rerankers + 1) * sizeof *answer.rerankers);
    if (!rows || !answer.rerankers) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < self->n_rerankers; i++) {
        tell(self, i, &rows[i], turn);
        answer.rerankers[answer.n_rerankers++] = &rows[i];
    }
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

enum status
driver_pick_reranker(struct driver *self, const PdPickReranker *msg, struct turn *turn) {
    (void)msg;
    for (uint32_t i = 0; i < self->n_rerankers; i++) {
        uint32_t nth = (self->next_reranker + i) % self->n_rerankers;
        if (!is_healthy(&self->rerankers[nth], turn)) continue;
        self->next_reranker = nth + 1;
        PdReranker answer;
        tell(self, nth, &answer, turn);
        turn_reply(turn, &answer.base);
        return STATUS_OK;
    }
    return turn_fail(turn, STATUS_NOT_READY, "no healthy rerankers available");
}

void rerankers_free(struct driver *self) {
    mem_free(self->rerankers);
}
