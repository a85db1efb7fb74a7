/* door: a foreign socket is a guest: a light cell of the lane without an actor in it, whose handle
 * is the sender of the foreign messages and whose sink writes what is sent to it on the door's
 * socket.
 *
 *   foreign DEALER ─ [envelope][body] ─▶ ROUTER ─▶ parcel from guest ─▶ mailbox
 *                  ◀─ [envelope][body] ─ ROUTER ◀─ guest's sink ◀─ parcel to guest */
#include "runtime/door.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

#include "runtime/assert.h"
#include "runtime/cell.h"
#include "runtime/codec.h"
#include "runtime/envelope.h"
#include "runtime/host.h"
#include "runtime/memory.h"
#include "runtime/worker.h"

enum { DOOR_ENDPOINT_MAX = 320, FRAMES = 3 };

struct guest {
    struct guest *next; /* owned; newest first */
    struct door *door;
    struct cell *cell; /* owned */
    size_t id_size;
    unsigned char id[]; /* routing id */
};

struct door {
    struct cell *cell; /* borrowed: the owner */
    void *socket;      /* owned */
    int fd;
    struct guest *guests; /* owned */
    uint32_t n_guests;
    bool pending; /* in worker.doors */
    struct door *next_pending;
    char endpoint[DOOR_ENDPOINT_MAX];
};

/* --- guests
 * ---------------------------------------------------------------------------------------- */

/* By the lane's kind: a guest lives on its door's lane. */
static const struct actor_type guest_types[] = {
    [LANE_IO] = {.kind = "guest", .size = 1, .lane = LANE_IO, .light = true, .quiet = true},
    [LANE_COMPUTE] =
        {.kind = "guest", .size = 1, .lane = LANE_COMPUTE, .light = true, .quiet = true},
};

static void mark_pending(struct door *door) {
    struct worker *worker = door->cell->lane->driver;
    if (door->pending) return;
    door->pending = true;
    door->next_pending = worker->doors;
    worker->doors = door;
}

/* A frame of the message that is being sent: only the first can be refused. */
static bool send_frame(void *socket, const void *data, size_t size, int flags) {
    return zmq_send(socket, data, size, flags | ZMQ_DONTWAIT) >= 0;
}

static bool send_id(struct door *door, const struct guest *guest) {
    if (send_frame(door->socket, guest->id, guest->id_size, ZMQ_SNDMORE)) return true;
    if (errno != EAGAIN) return false;
    int events = 0;
    size_t size = sizeof events;
    zmq_getsockopt(door->socket, ZMQ_EVENTS, &events, &size);
    return send_frame(door->socket, guest->id, guest->id_size, ZMQ_SNDMORE);
}

/* A guest that left or does not read loses its messages: they become dead letters. */
static void write_to_guest(struct cell *cell, struct parcel *parcel) {
    const struct guest *guest = cell->sink_context;
    struct door *door = guest->door;
    unsigned char envelope[ENVELOPE_SIZE_MAX];
    struct core *core = cell->core;
    if (parcel->envelope.kind >= PARCEL_WIRE_COUNT || !send_id(door, guest)) {
        core_refuse(core, cell->lane, parcel, STATUS_LOST_PEER, "the foreign socket is gone");
        return;
    }
    size_t size = envelope_encode(&parcel->envelope, cell->lane->now_us, envelope);
    bool sent = send_frame(door->socket, envelope, size, ZMQ_SNDMORE) &&
                send_frame(door->socket, parcel->body, parcel->size, 0);
    assert(sent); /* ROUTER took the first frame, so it takes the rest */
    parcel_free(parcel);
    mark_pending(door); /* sending may have swallowed the doorbell */
}

static void remove_guest(struct guest **at) {
    struct guest *guest = *at;
    struct cell *cell = guest->cell;
    *at = guest->next;
    guest->door->n_guests--;
    table_give(&cell->core->table, cell->handle);
    if (cell->ready) lane_unready(cell->lane, cell);
    cell_free(cell);
    mem_free(guest);
}

static struct guest *add_guest(struct door *door, const void *id, size_t size) {
    struct lane *lane = door->cell->lane;
    uint32_t nth = lane->kind == LANE_IO ? lane->index : lane->index - lane->core->n_io;
    struct guest *guest = mem_alloc(sizeof *guest + size);
    if (!guest) return NULL;
    struct spawn spawn = {.type = &guest_types[lane->kind], .lane = (int)nth + 1};
    if (cell_new(lane->core, &spawn, 0, 0, &guest->cell) != STATUS_OK) {
        mem_free(guest);
        return NULL;
    }
    cell_arrive(guest->cell);
    guest->cell->sink = write_to_guest;
    guest->cell->sink_context = guest;
    guest->door = door;
    guest->id_size = size;
    memcpy(guest->id, id, size);
    guest->next = door->guests;
    door->guests = guest;
    door->n_guests++;
    return guest;
}

/* The guest behind a routing id; NULL: no memory. */
static struct guest *guest_of(struct door *door, const void *id, size_t size) {
    struct guest **at = &door->guests;
    for (; *at; at = &(*at)->next) {
        if ((*at)->id_size == size && memcmp((*at)->id, id, size) == 0) return *at;
        if (!(*at)->next && door->n_guests >= DOOR_GUESTS_MAX) break;
    }
    if (*at) remove_guest(at);
    return add_guest(door, id, size);
}

/* --- open and close
 * --------------------------------------------------------------------------------- */

static void set_options(void *socket) {
    int messages = DOOR_MESSAGES, linger = 0, mandatory = 1;
    int64_t largest = CODEC_MESSAGE_MAX;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &messages, sizeof messages);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &messages, sizeof messages);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory);
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
}

enum status door_open(struct cell *cell, const char **words) {
    struct worker *worker = cell->lane->driver;
    struct door *door = mem_zero(1, sizeof *door);
    if (!door) return STATUS_NO_MEMORY;
    char name[CELL_NAME_MAX];
    door->cell = cell;
    snprintf(door->endpoint, sizeof door->endpoint, "inproc://%s/%s#%u", cell->core->name,
             cell_name(cell, name), handle_incarnation(cell->handle));
    cell->socket = door;
    door->socket = zmq_socket(worker->node->context, ZMQ_ROUTER);
    enum status s = STATUS_QUOTA;
    *words = "no socket or descriptor is left for the actor's mailbox";
    if (!door->socket) goto fail;
    set_options(door->socket);
    size_t size = sizeof door->fd;
    int rc = zmq_getsockopt(door->socket, ZMQ_FD, &door->fd, &size);
    assert(rc == 0);
    /* The lowest free number is taken, so a high one means that few are left. */
    if (door->fd >= worker->node->files_max - DOOR_FILES_RESERVE) goto fail;
    s = STATUS_INVALID;
    *words =
        "the actor's name is no endpoint, or another node of this name is in the ZeroMQ context";
    if (zmq_bind(door->socket, door->endpoint) == 0) {
        *words = "the actor's mailbox cannot be watched";
        s = worker_watch(worker, door->fd, EPOLLIN, WORKER_DOOR, handle_slot(cell->handle), false);
    }
    if (s == STATUS_OK) return s;
fail:
    door_close(cell);
    return s;
}

void door_close(struct cell *cell) {
    struct door *door = cell->socket;
    if (!door) return;
    struct worker *worker = cell->lane->driver;
    for (struct door **at = &worker->doors; door->pending && *at; at = &(*at)->next_pending)
        if (*at == door) {
            *at = door->next_pending;
            break;
        }
    while (door->guests)
        remove_guest(&door->guests);
    if (door->socket) {
        worker_unwatch(worker, door->fd);
        /* zmq_close alone frees the endpoint some time later, in a context that may go on. */
        zmq_unbind(door->socket, door->endpoint);
        zmq_close(door->socket);
    }
    mem_free(door);
    cell->socket = NULL;
}

const char *door_endpoint(const struct cell *cell) {
    const struct door *door = cell->socket;
    return door ? door->endpoint : "";
}

/* --- input
 * ----------------------------------------------------------------------------------------- */

/* Reads one message of any number of frames, keeping the first three; how many there were, 0: none
 * is there. */
static int read_frames(void *socket, zmq_msg_t frames[FRAMES]) {
    int n = 0, more = 1;
    while (more) {
        zmq_msg_t extra;
        zmq_msg_t *frame = n < FRAMES ? &frames[n] : &extra;
        zmq_msg_init(frame);
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(frame);
            return n;
        }
        more = zmq_msg_more(frame);
        if (n++ >= FRAMES) zmq_msg_close(frame);
    }
    return n;
}

/* The message for the owner, or for nobody: through this door one reaches nobody else. */
static void enter(struct door *door, zmq_msg_t frames[FRAMES]) {
    struct cell *owner = door->cell;
    struct parcel *parcel = NULL;
    struct envelope_frames parts = {
        .envelope = zmq_msg_data(&frames[1]),
        .envelope_size = zmq_msg_size(&frames[1]),
        .body = zmq_msg_data(&frames[2]),
        .body_size = zmq_msg_size(&frames[2]),
    };
    enum status s = envelope_open(&parts, owner->lane->now_us, &parcel, NULL);
    struct guest *guest = NULL;
    if (s == STATUS_OK) guest = guest_of(door, zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0]));
    if (!guest) {
        owner->stats->dropped++;
        parcel_free(parcel);
        return;
    }
    struct envelope *envelope = &parcel->envelope;
    if (envelope->to == 0) envelope->to = owner->handle;
    envelope->from = guest->cell->handle;
    bool asks = envelope->kind == PARCEL_CALL || envelope->kind == PARCEL_CAST;
    if (asks && envelope->band == BAND_SYSTEM) envelope->band = BAND_CONTROL;
    if (envelope->to != owner->handle)
        core_refuse(owner->core, owner->lane, parcel, STATUS_LOST_PEER, "not behind this door");
    else
        core_send(owner->core, owner->lane, parcel);
}

/* True when more may be there. */
static bool drain(struct door *door) {
    for (int i = 0; i < DOOR_BATCH; i++) {
        zmq_msg_t frames[FRAMES];
        int n = read_frames(door->socket, frames);
        if (n == 0) return false;
        if (n == FRAMES)
            enter(door, frames);
        else
            door->cell->stats->dropped++;
        for (int j = 0; j < n && j < FRAMES; j++)
            zmq_msg_close(&frames[j]);
    }
    return true;
}

void door_event(struct worker *worker, uint32_t slot) {
    const struct core *core = worker->lane->core;
    actor_handle handle = handle_make(0, slot, HANDLE_ANY_INCARNATION);
    uint32_t lane = 0;
    const struct slot *found = table_find(&core->table, handle, &lane);
    if (found && lane == worker->lane->index && found->cell->socket)
        mark_pending(found->cell->socket);
}

void door_drain_pending(struct worker *worker) {
    struct door *door = worker->doors;
    worker->doors = NULL;
    while (door) {
        struct door *next = door->next_pending;
        door->pending = false;
        door->next_pending = NULL;
        if (drain(door)) mark_pending(door);
        door = next;
    }
}
