/* fake: the services between two doubles in the simulator. Below them a router that answers from a
 * script; above them edge calls made of JSON, whose answers are collected as lines:
 *
 *     header NAME=VALUE · details BYTES · retry MS · reply JSON · part JSON · end · fail STATUS
 * words
 */
#ifndef TESTS_EDGE_SERVICES_FAKE_H
#define TESTS_EDGE_SERVICES_FAKE_H

#include "adapters/edge/call.h"
#include "runtime/sim/sim.h"

/* One answer of the router, in the order of its questions. */
struct answer {
    const ProtobufCMessageDescriptor *type;
    const char *json;   /* the reply; NULL: a failure */
    bool more;          /* a part of one reply */
    enum status status; /* of a failure */
    const char *words;
    uint32_t retry_ms;
    uint64_t delay_us;
};
#define ANSWER(reply, text) \
    { .type = &reply##__descriptor, .json = (text) }
#define PART(reply, text) \
    { .type = &reply##__descriptor, .json = (text), .more = true }
#define FAILURE(code, text) \
    { .status = (code), .words = (text) }

struct request {
    const char *method; /* "Search" */
    const char *json;   /* of a decoded request, or the body of a JSON call */
    const void *body;   /* of a raw protobuf call */
    size_t body_size;
    const char *collection; /* bound path field */
    const char *session;    /* header vectron-session */
    uint64_t timeout_us;    /* 0 = 10 s */
    bool clogged;           /* the client reads nothing */
};

/* A fresh simulator with an "edge" and, unless routerless, a "router". */
void fake_open(void);
void fake_open_without_router(void);
void fake_close(void);
/* The router's next answers, up to one without type and status. */
void fake_script(const struct answer *answers);
/* Starts a call and runs until nothing is ready. Calls must end before fake_close. */
void fake_start(const struct request *request);
void fake_cancel(void); /* the client of the last call is gone */
void fake_run(uint64_t us);
/* What the last call was answered, in lines; borrowed until the next call. */
const char *fake_answer(void);
/* Start, 100 s of virtual time, answer. */
const char *fake_serve(const struct request *request);
/* What the router was asked since the last time: its lines of the trace, without "router < ". */
const char *fake_asked(void);
/* The pages of upserts so far: "1000 from p0, 500 from p1000, ". */
const char *fake_pages(void);
size_t fake_details(const void **bytes);
/* Calls whose memory was given back. */
unsigned fake_freed(void);

#endif
