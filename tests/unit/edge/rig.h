/* rig: an edge without sockets under a clock that the test moves: one hub with the echo service,
 * one connection, and an HTTP/2 client made of nghttp2. */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "adapters/edge/conn.h"
#include "adapters/edge/hub.h"

struct rig {
    struct edge_options options;
    struct hub hub;
    struct conn *conn;  /* NULL: the edge has closed it */
    struct buffer read; /* what the client has read */
    size_t window;      /* bytes the client still reads; SIZE_MAX: all */
    bool drained;
    uint64_t alive;        /* blocks there were before */
    struct client *client; /* of rig_h2 */
};

/* options may be NULL. */
void rig_open(struct rig *rig, const struct edge_options *options);
/* Asserts that no memory and no budget is left behind. */
void rig_close(struct rig *rig);
/* A fresh connection; the one before is lost. */
void rig_connect(struct rig *rig);
void rig_lose(struct rig *rig);
/* Bytes from the client, in pieces of `step` (0 = one piece). */
void rig_send(struct rig *rig, const void *data, size_t size, size_t step);
/* Moves what the edge has to say to rig->read. */
void rig_pump(struct rig *rig);
/* Moves the clock, in steps of 10 ms. */
void rig_wait(struct rig *rig, uint64_t ms);
/* Calls that wait by echo_wait: all of them go on now. Returns how many. */
size_t rig_release(struct rig *rig);
/* From now on large bodies are parsed by rig_parse, not in place. */
void rig_elsewhere(struct rig *rig);
/* Does the jobs that were handed over. Returns how many. */
size_t rig_parse(struct rig *rig);
/* The text the client has read, ended by NUL; forgotten with the next call. */
const char *rig_text(struct rig *rig);

/* --- HTTP/2 ------------------------------------------------------------------------------- */
struct reply {
    int32_t id;
    int status;
    char grpc_status[8];
    char message[512];
    char content_type[64];
    char encoding[16];
    char details[64];
    char metadata[64]; /* x-echo */
    char retry_after[16];
    struct buffer body;
    bool closed;
    uint32_t error;
};
enum { REPLIES_MAX = 2048 };
struct client {
    struct nghttp2_session *nghttp2;
    struct rig *rig;
    struct reply replies[REPLIES_MAX];
    size_t n_replies;
    bool goaway;
    int32_t goaway_last;
    uint32_t goaway_error;
    size_t goaways;
};
struct request {
    const char *method; /* NULL: POST */
    const char *path;
    const char *type; /* content-type; NULL: application/grpc; "": none */
    const char *names[6];
    const char *values[6];
    const void *body;
    size_t size;
    bool open; /* do not end the request */
};
/* Connects and exchanges settings. */
void rig_h2(struct rig *rig);
struct reply *rig_request(struct rig *rig, const struct request *request);
/* Moves bytes both ways until nothing moves. */
void rig_exchange(struct rig *rig);
/* Moves the client's bytes in pieces of n. */
extern size_t rig_step;

/* A gRPC message: prefix and an encoded SearchRequest. Freed by buffer_free. */
struct buffer rig_search(const char *collection, const char *query, uint32_t top_k, uint32_t ms);
/* The nth message of a gRPC body as SearchResponse; NULL: there is none. Freed with protobuf-c. */
struct Vectron__V1__SearchResponse *rig_message(const struct reply *reply, size_t nth);

#endif
