/* registry: two chained hash maps of the same entries, by name and by slot, under one lock; actors
 * cache the handles they look up. */
#include "runtime/registry.h"

#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/handle.h"
#include "runtime/memory.h"

enum { REGISTRY_BUCKETS_MIN = 64 };

struct registry_entry {
    struct registry_entry *next;      /* owned; of the same bucket of names */
    struct registry_entry *next_slot; /* of the same bucket of slots */
    uint64_t hash;
    actor_handle handle;
    char name[];
};

static uint64_t hash_of(const char *name) {
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

enum status registry_open(struct registry *registry) {
    registry->n_buckets = REGISTRY_BUCKETS_MIN;
    registry->count = 0;
    registry->buckets = mem_zero(registry->n_buckets, sizeof(struct registry_entry *));
    registry->slots = mem_zero(registry->n_buckets, sizeof(struct registry_entry *));
    if (!registry->buckets || !registry->slots) {
        mem_free(registry->buckets);
        mem_free(registry->slots);
        registry->buckets = registry->slots = NULL;
        return STATUS_NO_MEMORY;
    }
    pthread_mutex_init(&registry->lock, NULL);
    return STATUS_OK;
}

void registry_close(struct registry *registry) {
    if (!registry->buckets) return;
    for (size_t i = 0; i < registry->n_buckets; i++)
        while (registry->buckets[i]) {
            struct registry_entry *entry = registry->buckets[i];
            registry->buckets[i] = entry->next;
            mem_free(entry);
        }
    mem_free(registry->buckets);
    mem_free(registry->slots);
    registry->buckets = registry->slots = NULL;
    pthread_mutex_destroy(&registry->lock);
}

/* The link that points at the name's entry, or at NULL where it would be. */
static struct registry_entry **find(struct registry *registry, const char *name, uint64_t hash) {
    struct registry_entry **at = &registry->buckets[hash & (registry->n_buckets - 1)];
    while (*at && ((*at)->hash != hash || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    return at;
}

/* The link that ends the chain of this slot, or points at the entry. */
static struct registry_entry **find_slot(struct registry *registry, uint32_t slot) {
    struct registry_entry **at = &registry->slots[slot & (registry->n_buckets - 1)];
    while (*at && handle_slot((*at)->handle) != slot)
        at = &(*at)->next_slot;
    return at;
}

/* Slots are this process's own: an actor of a peer that has a name here is not among them. */
static void add_slot(struct registry *registry, struct registry_entry *entry) {
    if (handle_peer(entry->handle) != 0) return;
    struct registry_entry **bucket =
        &registry->slots[handle_slot(entry->handle) & (registry->n_buckets - 1)];
    entry->next_slot = *bucket;
    *bucket = entry;
}

static void remove_slot(struct registry *registry, const struct registry_entry *entry) {
    if (handle_peer(entry->handle) != 0) return;
    struct registry_entry **at = find_slot(registry, handle_slot(entry->handle));
    assert(*at == entry);
    *at = entry->next_slot;
}

/* Doubles the buckets; without memory the chains just grow longer. */
static void grow(struct registry *registry) {
    size_t n = registry->n_buckets * 2;
    struct registry_entry **buckets = mem_zero(n, sizeof(struct registry_entry *));
    struct registry_entry **slots = mem_zero(n, sizeof(struct registry_entry *));
    if (!buckets || !slots) {
        mem_free(buckets);
        mem_free(slots);
        return;
    }
    for (size_t i = 0; i < registry->n_buckets; i++)
        while (registry->buckets[i]) {
            struct registry_entry *entry = registry->buckets[i];
            registry->buckets[i] = entry->next;
            entry->next = buckets[entry->hash & (n - 1)];
            buckets[entry->hash & (n - 1)] = entry;
        }
    mem_free(registry->buckets);
    mem_free(registry->slots);
    registry->buckets = buckets;
    registry->slots = slots;
    registry->n_buckets = n;
    for (size_t i = 0; i < n; i++)
        for (struct registry_entry *entry = buckets[i]; entry; entry = entry->next)
            add_slot(registry, entry);
}

enum status registry_add(struct registry *registry, const char *name, actor_handle handle) {
    size_t size = strlen(name) + 1;
    struct registry_entry *entry = mem_alloc(sizeof *entry + size);
    if (!entry) return STATUS_NO_MEMORY;
    entry->hash = hash_of(name);
    entry->handle = handle;
    memcpy(entry->name, name, size);
    pthread_mutex_lock(&registry->lock);
    if (registry->count >= registry->n_buckets) grow(registry);
    struct registry_entry **at = find(registry, name, entry->hash);
    bool taken = *at != NULL;
    if (!taken) {
        entry->next = NULL;
        *at = entry;
        add_slot(registry, entry);
        registry->count++;
    }
    pthread_mutex_unlock(&registry->lock);
    if (!taken) return STATUS_OK;
    mem_free(entry);
    return STATUS_EXISTS;
}

void registry_renew(struct registry *registry, const char *name, actor_handle handle) {
    pthread_mutex_lock(&registry->lock);
    struct registry_entry *entry = *find(registry, name, hash_of(name));
    assert(entry);
    remove_slot(registry, entry);
    entry->handle = handle;
    add_slot(registry, entry);
    pthread_mutex_unlock(&registry->lock);
}

void registry_remove(struct registry *registry, const char *name) {
    pthread_mutex_lock(&registry->lock);
    struct registry_entry **at = find(registry, name, hash_of(name));
    struct registry_entry *entry = *at;
    assert(entry);
    *at = entry->next;
    remove_slot(registry, entry);
    registry->count--;
    pthread_mutex_unlock(&registry->lock);
    mem_free(entry);
}

actor_handle registry_find(struct registry *registry, const char *name) {
    pthread_mutex_lock(&registry->lock);
    struct registry_entry *entry = *find(registry, name, hash_of(name));
    actor_handle handle = entry ? entry->handle : 0;
    pthread_mutex_unlock(&registry->lock);
    return handle;
}

bool registry_name(struct registry *registry, uint32_t slot, char *text, size_t size) {
    pthread_mutex_lock(&registry->lock);
    const struct registry_entry *entry = *find_slot(registry, slot);
    if (entry) snprintf(text, size, "%s", entry->name);
    pthread_mutex_unlock(&registry->lock);
    return entry != NULL;
}
