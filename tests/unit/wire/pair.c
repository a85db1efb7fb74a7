/* pair: the double of a node behind a link. */
#include "tests/unit/wire/pair.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "runtime/handle.h"
#include "runtime/turn.h"

void *end_context;
uint64_t end_skipped_us;

void end_set_up(void) {
    end_context = zmq_ctx_new();
    end_skipped_us = 0;
}

void end_tear_down(void) {
    zmq_ctx_term(end_context);
    end_context = NULL;
}

uint64_t end_now_us(void *node) {
    (void)node;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + end_skipped_us;
}

static void deliver(void *node, struct parcel *parcel) {
    struct end *end = node;
    end->delivered++;
    if (end->discard)
        parcel_free(parcel);
    else if (end->n_parcels < END_PARCELS)
        end->parcels[end->n_parcels++] = parcel;
    else
        parcel_free(parcel);
}

actor_handle end_local(unsigned n) {
    return handle_make(0, n, 7);
}

static actor_handle find(void *node, const char *name) {
    (void)node;
    unsigned n;
    return sscanf(name, "shard/%u", &n) == 1 && n >= 1 && n <= 9 ? end_local(n) : 0;
}

static size_t named(const struct end *end, const char *text) {
    size_t i = 0;
    while (i < end->n_named && strcmp(end->named[i].text, text) != 0)
        i++;
    return i;
}

static enum status give_name(void *node, const char *text, actor_handle handle) {
    struct end *end = node;
    if (strcmp(text, "ext/taken") == 0 || named(end, text) < end->n_named) return STATUS_EXISTS;
    cr_assert_lt(end->n_named, (size_t)END_FOUND);
    snprintf(end->named[end->n_named].text, sizeof end->named->text, "%s", text);
    end->named[end->n_named++].handle = handle;
    return STATUS_OK;
}

static void take_name(void *node, const char *text) {
    struct end *end = node;
    size_t i = named(end, text);
    cr_assert_lt(i, end->n_named, "%s was taken back twice", text);
    end->named[i] = end->named[--end->n_named];
}

static void refuse(void *node, struct parcel *parcel, enum status reason) {
    ((struct end *)node)->refused[reason]++;
    parcel_free(parcel);
}

static void lost(void *node, uint16_t peer) {
    struct end *end = node;
    end->lost[end->n_lost++ % END_FOUND] = peer;
}

static void found(void *node, uint64_t token, enum status status, actor_handle handle) {
    struct end *end = node;
    size_t i = end->n_found++ % END_FOUND;
    end->found[i].token = token;
    end->found[i].status = status;
    end->found[i].handle = handle;
}

static void alarm(void *node, const char *words) {
    struct end *end = node;
    end->n_alarms++;
    size_t size = strlen(end->alarms);
    snprintf(end->alarms + size, sizeof end->alarms - size, "%s\n", words);
}

void end_open_with(struct end *end, const struct link_options *given) {
    memset(end, 0, sizeof *end);
    struct link_host host = {end,    deliver, find,  give_name,  take_name,
                             refuse, lost,    found, end_now_us, alarm};
    struct link_options options = *given;
    const char *address = options.address;
    if (!options.zmq_context) options.zmq_context = end_context;
    if (!options.incarnation) options.incarnation = end_now_us(NULL);
    enum status s = STATUS_EXISTS; /* a socket closed just now is freed a moment later */
    for (unsigned i = 0; s == STATUS_EXISTS && i < 100; i++) {
        s = link_open(&options, &host, &end->link);
        if (s == STATUS_EXISTS) poll(NULL, 0, 10);
    }
    cr_assert_eq(s, STATUS_OK, "%s: %s", address, status_name(s));
}

void end_open(struct end *end, const char *address, const char *name, uint64_t incarnation) {
    end_open_with(
        end, &(struct link_options){.address = address, .name = name, .incarnation = incarnation});
}

void end_forget(struct end *end) {
    while (end->n_parcels > 0)
        parcel_free(end->parcels[--end->n_parcels]);
}

void end_close(struct end *end) {
    link_close(end->link);
    end->link = NULL;
    end_forget(end);
}

static bool run(struct end *end) {
    if (!end || !end->link) return false;
    bool more = link_ready(end->link);
    if (end_now_us(NULL) >= link_due(end->link)) link_tick(end->link);
    link_flush(end->link);
    return more;
}

bool end_pump(struct end *a, struct end *b, unsigned ms, end_condition condition) {
    uint64_t skipped = end_skipped_us, until = end_now_us(NULL) + (uint64_t)ms * 1000;
    for (;;) {
        bool more = run(a);
        more |= run(b);
        if (condition && condition(a, b)) return true;
        if (end_now_us(NULL) - (end_skipped_us - skipped) >= until) return false;
        struct pollfd fds[2] = {{a && a->link ? link_fd(a->link) : -1, POLLIN, 0},
                                {b && b->link ? link_fd(b->link) : -1, POLLIN, 0}};
        if (!more) poll(fds, 2, 5);
    }
}

static bool has_found(const struct end *a, const struct end *b) {
    (void)b;
    return a->n_found > 0;
}

actor_handle end_meet(struct end *a, struct end *b, unsigned n) {
    char name[16];
    snprintf(name, sizeof name, "shard/%u", n);
    a->n_found = 0;
    link_lookup(a->link, link_address(b->link), name, 42, end_now_us(NULL) + 5000000);
    cr_assert(end_pump(a, b, 5000, has_found), "%s was not found", name);
    cr_assert_eq(a->found[0].status, STATUS_OK, "%s", status_name(a->found[0].status));
    cr_assert_eq(a->found[0].token, 42);
    cr_assert_eq(handle_local(a->found[0].handle), end_local(n));
    return a->found[0].handle;
}

struct parcel *end_parcel(actor_handle to, uint64_t number, size_t size) {
    struct parcel *parcel = parcel_new(size);
    parcel->envelope.kind = PARCEL_CALL;
    parcel->envelope.band = BAND_DATA;
    parcel->envelope.op = 77;
    parcel->envelope.to = to;
    parcel->envelope.from = end_local(1);
    parcel->envelope.correlation = number;
    parcel->envelope.deadline_us = NO_DEADLINE;
    parcel->size = size;
    memset(parcel->body, (int)number, size);
    return parcel;
}
