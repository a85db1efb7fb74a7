/* exchange: what the transport's own files know of a call (services see call.h). A call has two
 * parties: its stream, which a session owns, and its work (parser or service). It is freed when
 * both are done with it.
 *
 *   HEAD ──▶ BODY ──▶ PARSING ──▶ RUNNING ──▶ ENCODING ──▶ ENDED
 *     └────────┴─────────┴──────────┴─ refused, replied ────▲
 *
 * The stream lives from call_new to call_leave. */
#ifndef EDGE_EXCHANGE_H
#define EDGE_EXCHANGE_H

#include "adapters/edge/body.h"
#include "adapters/edge/conn.h"
#include "adapters/edge/grpc_frame.h"
#include "adapters/edge/headers.h"
#include "adapters/edge/route.h"

enum call_stage { CALL_HEAD, CALL_BODY, CALL_PARSING, CALL_RUNNING, CALL_ENCODING, CALL_ENDED };
enum call_kind { CALL_HTTP, CALL_GRPC };

/* What a session does for a call's answer. */
struct carrier {
    /* answer.status and answer.headers are final: begin. */
    void (*start)(struct edge_call *call);
    /* Bytes were added, or the answer ended. */
    void (*more)(struct edge_call *call);
    /* Cannot be ended properly: tell the client by breaking the stream. */
    void (*abort)(struct edge_call *call);
};

struct answer {
    int status;
    struct headers headers;
    struct headers trailers; /* gRPC */
    struct body out;         /* bytes from `sent` on wait for the session */
    size_t sent;
    uint64_t progress_us; /* when bytes last went, or began to wait */
    bool started;
    bool ended; /* nothing more is added to out */
    bool bare;  /* headers (gRPC's trailers among them) and no body */
};

struct edge_call {
    struct hub *hub;
    struct edge_call *next, *prev; /* of hub->calls */
    const struct carrier *carrier;
    struct conn *conn;                           /* NULL: the stream is gone */
    struct edge_call *stream_next, *stream_prev; /* of its HTTP/2 connection */
    int32_t stream_id;
    bool http2;
    enum call_stage stage;
    enum call_kind kind;
    struct arena arena;   /* head, answer's head, the service's */
    struct arena message; /* the decoded request */

    struct headers headers;
    const char *verb;
    const char *path;
    bool head_too_large;
    bool request_done; /* the client has said all */

    struct method_entry entry;
    struct route_match match;
    enum edge_format format;
    bool packed; /* the body is gzip */
    bool mirror; /* the client sent gzip and reads it: answer so */
    bool has_message;
    struct grpc_frame frame;
    struct body body;
    size_t received; /* bytes of body, for its pace */
    ProtobufCMessage *request;
    size_t held;          /* of the budget, for request */
    struct edge_job *job; /* PARSING, ENCODING: our share of it */

    struct timeout timeout;
    uint64_t began_us; /* of the body */
    uint64_t deadline_us;
    uint64_t beat_us;
    uint64_t reset_us; /* answered before the request ended: its stream is cut then; 0 = no */
    size_t unread;     /* bytes of such a request that came after the answer */
    bool unwanted;     /* the client is gone, cancelled or out of time */
    void (*on_cancel)(void *context, struct turn *turn);
    void *cancel_context;
    void (*on_free)(void *context);
    void *free_context;
    void *kept; /* the service's */

    struct answer answer;
    struct headers metadata; /* of edge_call_set_header */
    const char *details;     /* base64 */
    uint32_t retry_after_ms;

    struct root_span root; /* while traced */
    bool traced;
    enum status outcome; /* of the answer */
    const char *reason;  /* words of a failure while it is answered; NULL: none */
};

/* --- call.c: life ------------------------------------------------------------------------- */
/* NULL: no memory. */
struct edge_call *call_new(struct conn *conn, const struct carrier *carrier);
/* The stream is gone: with its answer complete, or not (then the client has cancelled). Frees the
 * call when no work is under way. */
void call_leave(struct edge_call *call, struct turn *turn);
/* The work is over: frees the call when its stream is gone too. */
void call_worked(struct edge_call *call);
/* Frees without a word (hub_close). */
void call_free(struct edge_call *call);
/* The job is done (status OK), or could not be. */
void call_job_done(struct edge_call *call, enum status status, const char *text, struct turn *turn);
/* Sets the timeout to the earliest of what the call waits for. */
void call_rearm(struct edge_call *call);
/* Tells the work that nobody waits for it. */
void call_unwanted(struct edge_call *call, struct turn *turn);

/* --- dispatch.c: from a head to a method -------------------------------------------------- */
/* The session has the whole head (verb, path, headers). */
void call_head(struct edge_call *call, struct turn *turn);
/* The request is decoded (or raw and whole): runs the method. */
void call_run(struct edge_call *call, struct turn *turn);

/* --- intake.c: the request's body --------------------------------------------------------- */
/* The head said which method: what its body may be. Refuses the call, or makes it wait for the
 * body. */
void intake_start(struct edge_call *call, struct turn *turn);
void intake_data(struct edge_call *call, const void *data, size_t size, struct turn *turn);
/* The client has said all. */
void intake_end(struct edge_call *call, struct turn *turn);
/* What the job of PARSING made. */
void intake_outcome(struct edge_call *call, struct edge_job *job, struct turn *turn);

/* --- answer.c: the way back --------------------------------------------------------------- */
struct failure {
    int grpc;
    int http;
    const char *text;
};
/* Ends a call that has no work under way, or whose work ends with it. */
void answer_fail(struct edge_call *call, const struct failure *failure, struct turn *turn);
void answer_status(struct edge_call *call, enum status status, const char *text, struct turn *turn);
/* A page of our own: text lives at least as long as the call. */
void answer_page(
    struct edge_call *call, int http, const char *type, const char *text, struct turn *turn);
void answer_empty(struct edge_call *call, int http, struct turn *turn);
/* What the job of ENCODING made: the service's answer. */
void answer_outcome(struct edge_call *call, struct edge_job *job, struct turn *turn);
/* A comment on an idle event stream. */
void answer_beat(struct edge_call *call, struct turn *turn);
/* Bytes waiting for the session, and that so many of them went. */
size_t answer_pending(const struct edge_call *call);
void answer_sent(struct edge_call *call, size_t size);

/* --- tracing.c: the call as a span ---------------------------------------------------------- */
/* Its method is known. Takes the client's trace, or begins one. */
void tracing_begin(struct edge_call *call, struct turn *turn);
/* Until tracing_leave the turn works for this call. */
void tracing_enter(struct edge_call *call, struct turn *turn);
void tracing_leave(struct turn *turn);
/* "traceresponse" on the answer; false: no memory. */
bool tracing_header(struct edge_call *call);
/* Once; later ones are ignored. */
void tracing_end(struct edge_call *call, enum status outcome, struct turn *turn);

/* --- http.c: what only HTTP has ----------------------------------------------------------- */
/* OPTIONS, pages, routes. */
void http_dispatch(struct edge_call *call, struct turn *turn);
/* CORS and metadata on every answer. */
bool http_answer_headers(struct edge_call *call);

#endif
