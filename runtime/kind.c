/* kind: a list; a process has some dozens of types, and an actor keeps its kind's pointer. */
#include "runtime/kind.h"

#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/raw.h"

void kinds_open(struct kinds *kinds) {
    pthread_mutex_init(&kinds->lock, NULL);
    kinds->first = NULL;
    kinds->count = 0;
}

void kinds_close(struct kinds *kinds) {
    while (kinds->first) {
        struct kind *kind = kinds->first;
        kinds->first = kind->next;
        mem_free(kind);
    }
    pthread_mutex_destroy(&kinds->lock);
}

static struct kind *new_kind(const struct actor_type *type) {
    uint32_t n = 0;
    while (type->handlers && type->handlers[n].message)
        n++;
    struct kind *kind = mem_alloc(sizeof *kind + n * sizeof(struct accept));
    if (!kind) return NULL;
    kind->type = type;
    kind->any = NULL;
    kind->n_accepts = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct handler *handler = &type->handlers[i];
        if (handler->message == &raw__descriptor)
            kind->any = handler;
        else
            kind->accepts[kind->n_accepts++] = (struct accept){codec_op(handler->message), handler};
    }
    return kind;
}

const struct kind *kinds_get(struct kinds *kinds, const struct actor_type *type) {
    pthread_mutex_lock(&kinds->lock);
    struct kind *kind = kinds->first;
    while (kind && kind->type != type)
        kind = kind->next;
    if (!kind && (kind = new_kind(type))) {
        kind->number = kinds->count++;
        kind->next = kinds->first;
        kinds->first = kind;
    }
    pthread_mutex_unlock(&kinds->lock);
    return kind;
}

const struct handler *kind_handler(const struct kind *kind, uint32_t op) {
    for (uint32_t i = 0; i < kind->n_accepts; i++)
        if (kind->accepts[i].op == op) return kind->accepts[i].handler;
    return kind->any;
}
