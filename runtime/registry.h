/* registry: names in this process: of its actors, and of actors of peers that registered them
 * (runtime/link_names.c). Any thread. */
#ifndef RUNTIME_REGISTRY_H
#define RUNTIME_REGISTRY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/actor.h"

struct registry_entry;

struct registry {
    pthread_mutex_t lock;
    struct registry_entry **buckets; /* owned, chained by name */
    struct registry_entry **slots;   /* owned, chained by the handle's slot */
    size_t n_buckets;                /* power of two */
    size_t count;
};

MUST_USE enum status registry_open(struct registry *registry);
void registry_close(struct registry *registry);
/* EXISTS: the name is taken; NO_MEMORY. The name is copied. */
MUST_USE enum status registry_add(struct registry *registry, const char *name, actor_handle handle);
/* Points a known name at its actor's new incarnation. */
void registry_renew(struct registry *registry, const char *name, actor_handle handle);
void registry_remove(struct registry *registry, const char *name);
/* The name of whoever is in this slot, cut to size; false: nobody there has a name. */
bool registry_name(struct registry *registry, uint32_t slot, char *text, size_t size);
/* 0: nobody has this name. */
actor_handle registry_find(struct registry *registry, const char *name);

#endif
