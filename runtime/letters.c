/* letters: a ring by number under one lock. */
#include "runtime/letters.h"

#include "runtime/core.h"
#include "runtime/memory.h"

void letters_open(struct letters *letters) {
    *letters = (struct letters){.ring = NULL};
    pthread_mutex_init(&letters->lock, NULL);
}

void letters_close(struct letters *letters) {
    for (size_t i = 0; letters->ring && i < LETTERS_KEPT; i++) {
        mem_free(letters->ring[i].body);
        mem_free(letters->ring[i].to);
    }
    mem_free(letters->ring);
    pthread_mutex_destroy(&letters->lock);
}

/* Under the lock: may this body be kept? Older bodies make room. */
static bool has_room(struct letters *letters, size_t size, uint64_t now_ms) {
    if (size > LETTERS_BODY_MAX) return false;
    if (now_ms / 1000 != letters->since) {
        letters->since = now_ms / 1000;
        letters->bodies = 0;
    }
    return letters->bodies < LETTERS_BODIES_A_SECOND;
}

static void drop_body(struct letters *letters, struct letter *letter) {
    if (letter->body) letters->bytes -= letter->size;
    mem_free(letter->body);
    mem_free(letter->to);
    letter->body = NULL;
    letter->to = NULL;
}

static void make_room(struct letters *letters, size_t size) {
    uint64_t first = letters->count > LETTERS_KEPT ? letters->count - LETTERS_KEPT : 0;
    for (; letters->bytes + size > LETTERS_BODIES_MAX && first < letters->count; first++)
        drop_body(letters, &letters->ring[first % LETTERS_KEPT]);
}

static void keep_body(struct core *core, struct letter *letter, const struct parcel *parcel) {
    struct letters *letters = &core->letters;
    char name[CORE_NAME_MAX];
    make_room(letters, parcel->size);
    letter->body = mem_copy(parcel->body, parcel->size);
    if (!letter->body) return;
    letters->bytes += parcel->size;
    letters->bodies++;
    if (core_name(core, parcel->envelope.to, name)) letter->to = mem_string(name);
}

void letters_keep(struct core *core, const struct parcel *parcel, enum status reason) {
    struct letters *letters = &core->letters;
    uint64_t now = core->driver->wall_ms(core);
    pthread_mutex_lock(&letters->lock);
    if (!letters->ring) letters->ring = mem_zero(LETTERS_KEPT, sizeof *letters->ring);
    uint64_t place = letters->count++ % LETTERS_KEPT;
    if (letters->ring) {
        struct letter *letter = &letters->ring[place];
        drop_body(letters, letter);
        *letter = (struct letter){
            .number = letters->count,
            .at_ms = now,
            .envelope = parcel->envelope,
            .reason = reason,
            .size = parcel->size,
        };
        if (has_room(letters, parcel->size, now)) keep_body(core, letter, parcel);
    }
    pthread_mutex_unlock(&letters->lock);
}

bool letters_before(struct letters *letters, uint64_t number, struct letter *out) {
    pthread_mutex_lock(&letters->lock);
    uint64_t newest = letters->count;
    if (number && number - 1 < newest) newest = number - 1;
    bool kept = letters->ring && newest > 0 && letters->count - newest < LETTERS_KEPT;
    if (kept) {
        const struct letter *letter = &letters->ring[(newest - 1) % LETTERS_KEPT];
        *out = *letter;
        if (letter->body) out->body = mem_copy(letter->body, letter->size);
        if (letter->to) out->to = mem_string(letter->to);
    }
    pthread_mutex_unlock(&letters->lock);
    return kept;
}

uint64_t letters_count(struct letters *letters) {
    pthread_mutex_lock(&letters->lock);
    uint64_t count = letters->count;
    pthread_mutex_unlock(&letters->lock);
    return count;
}
