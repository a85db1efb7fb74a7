/* pair: two processes' links in one thread, pumped by hand. Time is real plus what the test adds.
 */
#ifndef TESTS_UNIT_WIRE_PAIR_H
#define TESTS_UNIT_WIRE_PAIR_H

#include "runtime/link.h"

enum { END_PARCELS = 4096, END_FOUND = 64 };

/* One process: its link and all that the link told its node. */
struct end {
    struct link *link;
    struct parcel *parcels[END_PARCELS]; /* owned: delivered, in order */
    size_t n_parcels;
    size_t delivered; /* also those that `discard` freed */
    size_t refused[STATUS_COUNT];
    struct {
        uint64_t token;
        enum status status;
        actor_handle handle;
    } found[END_FOUND];
    size_t n_found;
    struct {
        char text[64];
        actor_handle handle;
    } named[END_FOUND]; /* now, in no order */
    size_t n_named;
    uint16_t lost[END_FOUND];
    size_t n_lost;
    size_t n_alarms;
    char alarms[4096]; /* a line each */
    bool discard;      /* count what is delivered, do not keep it */
};

extern void *end_context;       /* ZeroMQ's, of the running test */
extern uint64_t end_skipped_us; /* added to the clock */

void end_set_up(void);
void end_tear_down(void);
uint64_t end_now_us(void *node);
/* The names "shard/1" … "shard/9" are actors there. incarnation 0: a random one. */
void end_open(struct end *end, const char *address, const char *name, uint64_t incarnation);
/* context and incarnation may be left out. */
void end_open_with(struct end *end, const struct link_options *options);
void end_close(struct end *end);
void end_forget(struct end *end); /* what was delivered */
/* The handle behind "shard/n", on that process's own scale. */
actor_handle end_local(unsigned n);

/* Runs both (b may be NULL) until the condition or for `ms`; true: the condition came. */
typedef bool (*end_condition)(const struct end *a, const struct end *b);
bool end_pump(struct end *a, struct end *b, unsigned ms, end_condition condition);
/* Looks "shard/n" of b up from a, over b's address. */
actor_handle end_meet(struct end *a, struct end *b, unsigned n);
/* A call of a band with a body of `size` bytes that says its number. */
struct parcel *end_parcel(actor_handle to, uint64_t number, size_t size);

#endif
