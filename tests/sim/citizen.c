/* citizen: an actor that does by chance whatever actors can do, and tells the town what it did. Its
 * options are its person; what is sent is LogDrop with
 *
 *     store = sender 10 | epoch 12 | stream 6 | number 20 | what 4      (bits, the highest first)
 */
#include <string.h>

#include "runtime/buffer.h"
#include "schemas/log.pb-c.h"
#include "tests/sim/town.h"

enum {
    OWED_MAX = 8,
    CALLS_MAX = 16,
    BONDS_MAX = 8,
    CHILDREN_MAX = 8,
    CITIZENS_FIRST = 6,
    TRIES = 16
};
enum { WHAT_BITS = 4, NUMBER_BITS = 20, STREAM_BITS = 6, EPOCH_BITS = 12 };

/* What a request asks for. */
enum what {
    WHAT_NOTHING,
    WHAT_ANSWER,
    WHAT_FAIL,
    WHAT_LATER,
    WHAT_NEVER,
    WHAT_PARTS,
    WHAT_ASK_ON,
    WHAT_COUNT
};

struct bond {
    uint64_t id;         /* of a call, monitor */
    actor_handle handle; /* of a linked one */
    uint32_t deed;
};

struct citizen {
    struct person *person;
    uint32_t life;
    bool asleep, stopping;
    struct promise owed[OWED_MAX];
    uint32_t n_owed;
    struct bond calls[CALLS_MAX], monitors[BONDS_MAX], links[BONDS_MAX];
    uint32_t n_calls, n_monitors, n_links;
    actor_handle children[CHILDREN_MAX];
    uint32_t n_children;
    struct policy group; /* intensity 0: it has none */
    uint32_t seeking;    /* person that is looked up */
};

static uint64_t below(struct turn *turn, uint64_t n) {
    return turn_random(turn) % n;
}

/* Somebody of this process who lives; NULL: chance found nobody. */
static struct person *neighbour(struct citizen *self, struct turn *turn) {
    for (int i = 0; i < TRIES; i++) {
        struct person *person = &town.people[below(turn, town.n_people)];
        bool here = person->node == self->person->node && person != self->person;
        if (here && town_lives(person)) return person;
    }
    return NULL;
}

/* --- sending
 * ------------------------------------------------------------------------------------------- */

static struct stream *
stream_to(struct citizen *self, actor_handle to, uint32_t person, bool control) {
    struct person *own = self->person;
    for (uint32_t i = 0; i < own->n_streams; i++)
        if (own->streams[i].to == to && own->streams[i].control == control) return &own->streams[i];
    if (own->n_streams == STREAMS_MAX) return NULL;
    struct stream *stream = &own->streams[own->n_streams++];
    *stream = (struct stream){
        .to = to, .person = person, .control = control, .remote = handle_peer(to) != 0};
    return stream;
}

/* The next message on the way to this handle. */
static uint64_t compose(struct citizen *self, struct stream *stream, enum what what) {
    const struct person *own = self->person;
    uint64_t word = own->id;
    word = word << EPOCH_BITS | (own->epoch & ((1u << EPOCH_BITS) - 1));
    word = word << STREAM_BITS | (uint64_t)(stream - own->streams);
    word = word << NUMBER_BITS | ++stream->next;
    return word << WHAT_BITS | what;
}

static void say(struct citizen *self, actor_handle to, uint32_t person, struct turn *turn) {
    bool control = below(turn, 4) == 0;
    struct stream *stream = stream_to(self, to, person, control);
    if (!stream) return;
    for (uint64_t n = 1 + below(turn, 5); n > 0; n--) {
        LogDrop message = LOG_DROP__INIT;
        message.store = compose(self, stream, WHAT_NOTHING);
        if (control)
            turn_tell_control(turn, to, &message.base);
        else
            turn_tell(turn, to, &message.base);
    }
    ledger_look_at(self->person->node, to);
}

static void forget(struct bond *bonds, uint32_t *n, uint32_t deed) {
    for (uint32_t i = 0; i < *n; i++)
        if (bonds[i].deed == deed) bonds[i--] = bonds[--*n];
}

static void answered(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct citizen *self = actor;
    uint32_t number = (uint32_t)(uintptr_t)context;
    struct deed *call = &town.calls.rows[number];
    (void)turn;
    if (outcome->more) return;
    if (call->life != self->life) ledger_broken("call %u was answered to another life", number);
    call->told++;
    town.outcomes[outcome->status]++;
    forget(self->calls, &self->n_calls, number);
}

static void ask(struct citizen *self,
                actor_handle to,
                uint32_t person,
                const struct promise *behalf,
                struct turn *turn) {
    bool control = below(turn, 4) == 0;
    struct stream *stream = stream_to(self, to, person, control);
    if (!stream || self->n_calls == CALLS_MAX) return;
    LogDrop message = LOG_DROP__INIT;
    message.store = compose(self, stream, (enum what)below(turn, WHAT_COUNT));
    uint32_t number = deed_add(&town.calls, self->life, 0);
    struct bond *bond = &self->calls[self->n_calls++];
    *bond = (struct bond){.deed = number};
    bond->id = turn_call(
        turn, &(struct call){.to = to,
                             .message = &message.base,
                             .done = answered,
                             .context = (void *)(uintptr_t)number,
                             .control = control,
                             .behalf = behalf,
                             .deadline_us = turn_now_us(turn) + 1 + below(turn, 50 * MS)});
}

/* --- bonds
 * ------------------------------------------------------------------------------------------- */

static void fired(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct citizen *self = actor;
    uint32_t number = (uint32_t)(uintptr_t)context;
    (void)outcome, (void)turn;
    town.monitors.rows[number].told++;
    forget(self->monitors, &self->n_monitors, number);
}

/* life 0: it may have changed since its handle was known. */
static void watch(struct citizen *self, actor_handle to, uint32_t life, struct turn *turn) {
    if (self->n_monitors == BONDS_MAX) return;
    struct bond *bond = &self->monitors[self->n_monitors++];
    bond->deed = deed_add(&town.monitors, self->life, life);
    bond->id = turn_monitor(turn, to, fired, (void *)(uintptr_t)bond->deed);
}

static void trapped(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct citizen *self = actor;
    (void)context, (void)turn;
    for (uint32_t i = 0; i < self->n_links; i++)
        if (self->links[i].handle == outcome->handle) {
            town.links.rows[self->links[i].deed].undone = true;
            forget(self->links, &self->n_links, self->links[i].deed);
        }
}

static void tie(struct citizen *self, actor_handle to, uint32_t life, struct turn *turn) {
    if (self->n_links == BONDS_MAX) return;
    struct bond *bond = &self->links[self->n_links++];
    *bond = (struct bond){.handle = to, .deed = deed_add(&town.links, self->life, life)};
    turn_note(turn, "links life %u with %u, deed %u", self->life, life, bond->deed);
    turn_link(turn, to);
}

/* A link that was tied twice is undone at once. */
static void untie(struct citizen *self, struct turn *turn) {
    if (self->n_links == 0) return;
    actor_handle handle = self->links[0].handle;
    uint32_t other = town.links.rows[self->links[0].deed].other;
    turn_unlink(turn, handle);
    for (uint32_t i = 0; i < town.links.n; i++) {
        struct deed *link = &town.links.rows[i];
        if ((link->life == self->life && link->other == other) ||
            (link->life == other && link->other == self->life))
            link->undone = true;
    }
    forget(self->links, &self->n_links, self->links[0].deed);
}

/* --- families
 * ------------------------------------------------------------------------------------------- */

extern const struct actor_type citizen_types[3];

static void bear(struct citizen *self, struct turn *turn) {
    if (self->n_children == CHILDREN_MAX) return;
    struct person *child = town_person(self->person->node);
    if (!child) return;
    uint64_t kind = below(turn, 3);
    child->light = kind == 2;
    child->restart = (enum restart)below(turn, 3);
    child->intensity = 1 + (uint32_t)below(turn, 4);
    child->period_s = 1 + (uint32_t)below(turn, 3);
    if (self->group.intensity) {
        child->intensity = self->group.intensity;
        child->period_s = self->group.period_s;
    }
    enum status s = turn_spawn(turn,
                               &(struct spawn){.type = &citizen_types[kind],
                                               .name = child->name,
                                               .options = child,
                                               .restart = child->restart,
                                               .intensity = child->intensity,
                                               .period_s = child->period_s,
                                               .stop_ms = 3},
                               &self->children[self->n_children]);
    if (s == STATUS_OK) self->n_children++; /* else there was no memory */
}

static actor_handle a_child(const struct citizen *self, struct turn *turn) {
    return self->n_children ? self->children[below(turn, self->n_children)] : 0;
}

static void found_group(struct citizen *self, struct turn *turn) {
    if (self->n_children > 0 || below(turn, 2)) return;
    self->group = (struct policy){.strategy = (enum strategy)below(turn, 3),
                                  .intensity = 1 + (uint32_t)below(turn, 3),
                                  .period_s = 1};
    if (turn_supervise(turn, &self->group) != STATUS_OK) self->group.intensity = 0;
}

/* --- far away
 * ------------------------------------------------------------------------------------------- */

static void met(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct citizen *self = actor;
    uint32_t person = (uint32_t)(uintptr_t)context;
    if (outcome->status != STATUS_OK || town.calm) return;
    switch (below(turn, 4)) {
    case 0:
        say(self, outcome->handle, person, turn);
        break;
    case 1:
        watch(self, outcome->handle, 0, turn);
        break;
    case 2:
        tie(self, outcome->handle, 0, turn);
        break;
    default:
        for (int i = 0; i < 3; i++)
            ask(self, outcome->handle, person, NULL, turn);
    }
}

static void seek(struct citizen *self, struct turn *turn) {
    const struct person *person = &town.people[below(turn, town.n_people)];
    if (person->node == self->person->node) return;
    const char *address = turn_printf(turn, "sim://%u", person->node);
    if (!address) return;
    turn_lookup(turn, &(struct lookup){.address = address,
                                       .name = person->name,
                                       .done = met,
                                       .context = (void *)(uintptr_t)person->id});
}

/* --- a day
 * ------------------------------------------------------------------------------------------- */

static enum status work(void *context) {
    (void)context;
    return STATUS_OK;
}

static void leave(struct citizen *self, struct turn *turn) {
    bool fails = below(turn, 3) > 0;
    if (!fails) town.lives[self->life].left = true;
    turn_exit(turn, fails ? STATUS_IO : STATUS_OK, "%s", fails ? "by chance" : "");
}

static void live(void *actor, void *context, struct turn *turn);

static void near(struct citizen *self, struct turn *turn) {
    const struct person *other = neighbour(self, turn);
    if (!other) return;
    switch (below(turn, 16)) {
    case 0:
        watch(self, other->handle, other->life, turn);
        break;
    case 1:
        if (below(turn, 2)) tie(self, other->handle, other->life, turn);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        say(self, other->handle, other->id, turn);
        break;
    default:
        for (uint64_t n = 1 + below(turn, 3); n > 0; n--)
            ask(self, other->handle, other->id, NULL, turn);
    }
}

static void act(struct citizen *self, struct turn *turn) {
    switch (below(turn, 24)) {
    case 0:
        bear(self, turn);
        break;
    case 1:
        turn_stop(turn, a_child(self, turn));
        break;
    case 2:
        turn_move(turn, below(turn, 2) ? turn_self(turn) : a_child(self, turn),
                  (int)below(turn, 5));
        break;
    case 3:
        untie(self, turn);
        break;
    case 4:
        if (self->n_monitors == 0) break;
        turn_unmonitor(turn, self->monitors[0].id);
        town.monitors.rows[self->monitors[0].deed].undone = true;
        forget(self->monitors, &self->n_monitors, self->monitors[0].deed);
        break;
    case 5:
        if (below(turn, 4) == 0) leave(self, turn);
        break;
    case 6:
    case 7:
        if (self->n_calls) turn_cancel(turn, self->calls[below(turn, self->n_calls)].id);
        break;
    case 8:
        turn_block(turn, &(struct block){.work = work});
        break;
    case 9:
        found_group(self, turn);
        break;
    case 10:
        town.lives[self->life].traps = true;
        turn_trap_exits(turn, trapped, NULL);
        break;
    case 11:
    case 12:
    case 13:
        seek(self, turn);
        break;
    default:
        near(self, turn);
    }
}

/* Lights rest now and then, so that they fall asleep. */
static void live(void *actor, void *context, struct turn *turn) {
    struct citizen *self = actor;
    (void)context;
    if (town.calm) return;
    act(self, turn);
    if (self->person->light && below(turn, 4) == 0) return;
    turn_timer(turn, 1 + below(turn, 4 * MS), live, NULL);
}

/* --- serving
 * ------------------------------------------------------------------------------------------- */

static void settle_one(void *actor, void *context, struct turn *turn) {
    struct citizen *self = actor;
    (void)context;
    if (self->n_owed == 0) return;
    struct promise promise = self->owed[--self->n_owed];
    if (!turn_wanted(turn, &promise))
        turn_reject(turn, &promise, STATUS_CANCELLED, "%s", "nobody wants it");
    else
        turn_resolve(turn, &promise,
                     &(LogDrop){.base = PROTOBUF_C_MESSAGE_INIT(&log_drop__descriptor)}.base);
    if (self->stopping && self->n_owed == 0) turn_exit(turn, STATUS_OK, "%s", "");
}

static void owe(struct citizen *self, enum what what, struct turn *turn) {
    if (self->n_owed == OWED_MAX) return; /* Done, then */
    LogDrop part = LOG_DROP__INIT;
    struct promise *promise = &self->owed[self->n_owed++];
    *promise = turn_defer(turn);
    if (what == WHAT_PARTS) turn_resolve_part(turn, promise, &part.base);
    if (what == WHAT_ASK_ON) {
        const struct person *other = neighbour(self, turn);
        if (other) ask(self, other->handle, other->id, promise, turn);
    }
    if (what != WHAT_NEVER) turn_timer(turn, below(turn, 10 * MS), settle_one, NULL);
}

/* Holds what came against what its sender's stream says. */
static void hear(const struct citizen *self, uint64_t word, struct turn *turn) {
    uint32_t number = (uint32_t)(word >> WHAT_BITS) & ((1u << NUMBER_BITS) - 1);
    word >>= WHAT_BITS + NUMBER_BITS;
    uint32_t at = (uint32_t)word & ((1u << STREAM_BITS) - 1);
    word >>= STREAM_BITS;
    uint32_t epoch = (uint32_t)word & ((1u << EPOCH_BITS) - 1);
    struct person *sender = &town.people[word >> EPOCH_BITS];
    town.served++;
    if (turn_now_us(turn) > turn_deadline_us(turn)) town.expired_served++;
    if (epoch != (sender->epoch & ((1u << EPOCH_BITS) - 1))) return; /* of an earlier life */
    struct stream *stream = &sender->streams[at];
    if (stream->person != self->person->id) town.misdelivered++;
    bool ordered = !stream->remote || !town.options.reorder;
    if (ordered && number <= stream->heard) town.disordered++;
    stream->heard = number;
}

#define CITIZEN_ACCEPTS(X) X(struct citizen, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(citizen_handlers, CITIZEN_ACCEPTS);

static enum status on_drop(struct citizen *self, const LogDrop *message, struct turn *turn) {
    enum what what = (enum what)(message->store & ((1u << WHAT_BITS) - 1));
    hear(self, message->store, turn);
    switch (what) {
    case WHAT_ANSWER:
        turn_reply(turn, &message->base);
        return STATUS_OK;
    case WHAT_FAIL:
        return turn_fail(turn, STATUS_IO, "%s", "by chance");
    case WHAT_LATER:
    case WHAT_NEVER:
    case WHAT_PARTS:
    case WHAT_ASK_ON:
        owe(self, what, turn);
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}

/* --- lives
 * ------------------------------------------------------------------------------------------- */

static void new_epoch(struct citizen *self, struct turn *turn) {
    self->person->epoch++;
    self->person->n_streams = 0;
    self->person->handle = turn_self(turn);
}

static enum status citizen_open(void *actor, const void *options, struct turn *turn) {
    struct citizen *self = actor;
    self->person = (struct person *)options;
    self->life = town_life(self->person, turn_now_us(turn));
    turn_note(turn, "life %u", self->life);
    new_epoch(self, turn);
    if (below(turn, 50) == 0) return turn_fail(turn, STATUS_NOT_READY, "%s", "by chance");
    found_group(self, turn);
    turn_timer(turn, below(turn, MS), live, NULL);
    return STATUS_OK;
}

static void citizen_moved(void *actor, struct turn *turn) {
    town.moves++;
    new_epoch(actor, turn);
}

static void citizen_stop(void *actor, struct turn *turn) {
    struct citizen *self = actor;
    self->stopping = true;
    if (self->n_owed == 0) turn_exit(turn, STATUS_OK, "%s", "");
}

static enum status citizen_sleep(void *actor, struct buffer *kept, struct turn *turn) {
    (void)turn;
    town.sleeps++;
    buffer_append(kept, actor, sizeof(struct citizen));
    return kept->failed ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status
citizen_wake(void *actor, const void *options, const struct buffer *kept, struct turn *turn) {
    (void)options;
    memcpy(actor, kept->data, sizeof(struct citizen));
    if (!town.calm) turn_timer(turn, below(turn, MS), live, NULL);
    return STATUS_OK;
}

const struct actor_type citizen_types[3] = {
    {.kind = "citizen",
     .size = sizeof(struct citizen),
     .handlers = citizen_handlers,
     .open = citizen_open,
     .moved = citizen_moved,
     .linkable = true},
    {.kind = "careful",
     .size = sizeof(struct citizen),
     .handlers = citizen_handlers,
     .open = citizen_open,
     .moved = citizen_moved,
     .stop = citizen_stop,
     .mutes = true,
     .mailbox_messages = 4,
     .mailbox_bytes = 200},
    {.kind = "light",
     .size = sizeof(struct citizen),
     .handlers = citizen_handlers,
     .open = citizen_open,
     .moved = citizen_moved,
     .passivate = citizen_sleep,
     .hydrate = citizen_wake,
     .idle_us = 5 * MS,
     .shed_us = 2 * MS,
     .light = true},
};

/* The mayor of a node only has children. */
static enum status mayor_open(void *actor, const void *options, struct turn *turn) {
    struct citizen *self = actor;
    self->person = (struct person *)options;
    self->life = town_life(self->person, turn_now_us(turn));
    new_epoch(self, turn);
    for (int i = 0; i < CITIZENS_FIRST && self->n_children < CHILDREN_MAX; i++)
        bear(self, turn);
    return STATUS_OK;
}

const struct actor_type mayor_type = {.kind = "mayor",
                                      .size = sizeof(struct citizen),
                                      .handlers = citizen_handlers,
                                      .open = mayor_open,
                                      .moved = citizen_moved};
