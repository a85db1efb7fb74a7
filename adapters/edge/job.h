/* job: one body on its way to a decoded request (unpacking, then decoding), or one response on its
 * way to JSON. The same work in place (small ones) and on a compute lane (large ones,
 * adapters/edge/parser.h), so it owns all it needs and shares nothing. */
#ifndef EDGE_JOB_H
#define EDGE_JOB_H

#include "adapters/edge/body.h"
#include "adapters/edge/call.h"

struct gunzip;

enum { JOB_TEXT_MAX = 224, JOB_HELD_MIN = 64 * 1024 };

struct edge_job {
    struct body input; /* owned; moves to `body` when nothing has to be unpacked */
    bool packed;
    bool encode; /* input is a protobuf message of `type`: `body` becomes its JSON */
    enum edge_format format;
    const ProtobufCMessageDescriptor *type; /* NULL: raw, only unpacked */
    size_t limit;                           /* of the unpacked body */

    struct body body;          /* owned: the outcome of a raw one */
    struct arena arena;        /* owned: holds request */
    ProtobufCMessage *request; /* the outcome of the others */
    size_t held;               /* of the budget, for what the arena holds */
    enum status status;
    char text[JOB_TEXT_MAX]; /* words of a failure, or on what a decoded body has in vain */

    struct gunzip *gunzip; /* owned; while unpacking */
    bool done;
};

/* Unpacks at most GZIP_STEP bytes, or decodes. True when the outcome is there. */
bool job_step(struct edge_job *job);
/* Frees what the job owns, not the job itself. What was moved out must be zeroed. */
void job_reset(struct edge_job *job);

/* --- jobs that change lanes: held by the asking call and by the table or the parser ------- */
/* NULL: no memory. The caller's share is given back by job_drop. */
struct edge_job *job_new(void);
void job_drop(struct edge_job *job); /* NULL is fine; any thread */
/* Puts a share into the process's table under `ticket`, which must be random: whoever can send a
 * message to a parser could name any job. False: no memory or a repeated ticket. */
bool job_post(struct edge_job *job, uint64_t ticket);
/* Takes it out of the table again, if no parser has taken it. */
void job_recall(struct edge_job *job);
/* Takes the table's share; NULL when there is none of that ticket. Any thread. */
struct edge_job *job_take(uint64_t ticket);

#endif
