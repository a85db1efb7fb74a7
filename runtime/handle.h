/* handle: the fields of an actor handle: peer 16 | slot 24 | incarnation 24. */
#ifndef RUNTIME_HANDLE_H
#define RUNTIME_HANDLE_H

#include <stdint.h>

#include "runtime/actor.h"

enum {
    HANDLE_SLOT_BITS = 24,
    HANDLE_INCARNATION_BITS = 24,
    HANDLE_INCARNATION_MAX = (1 << HANDLE_INCARNATION_BITS) - 1,
    /* Addresses whatever incarnation the slot has now: between a supervisor and its children, whose
     * bond outlives restarts. Never handed to actors. */
    HANDLE_ANY_INCARNATION = 0,
};

static inline actor_handle handle_make(uint16_t peer, uint32_t slot, uint32_t incarnation) {
    return (uint64_t)peer << 48 | (uint64_t)slot << HANDLE_INCARNATION_BITS | incarnation;
}

static inline uint16_t handle_peer(actor_handle handle) {
    return (uint16_t)(handle >> 48);
}

static inline uint32_t handle_slot(actor_handle handle) {
    return (uint32_t)(handle >> HANDLE_INCARNATION_BITS) & ((1u << HANDLE_SLOT_BITS) - 1);
}

static inline uint32_t handle_incarnation(actor_handle handle) {
    return (uint32_t)handle & HANDLE_INCARNATION_MAX;
}

/* The same actor on the scale of this process: without its peer number. */
static inline actor_handle handle_local(actor_handle handle) {
    return handle & (((uint64_t)1 << 48) - 1);
}

#endif
