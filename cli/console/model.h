/* model: what is known of the cluster, made of events alone: the newest answer to every question,
 * and what follows from two answers in a row: rates, shares, windows of histograms. It knows no
 * screen and no clock of its own, so a recording gives what was live. One thread. */
#ifndef CONSOLE_MODEL_H
#define CONSOLE_MODEL_H

#include "cli/console/answer.h"
#include "runtime/histogram.h"
#include "schemas/sys.pb-c.h"

enum {
    MODEL_PROCESSES_MAX = 256,
    MODEL_ANSWERS_MAX = 4096, /* of one process, reports aside */
    MODEL_TAPPED_MAX = 512,   /* messages of a tap that are kept */
    SERIES_MAX = 240,
    LABEL_MAX = 96,
};

/* Values a second or so apart, newest last. */
struct series {
    float values[SERIES_MAX];
    size_t n;
};

/* Counts that fade: a window of some ten seconds. */
struct window {
    float counts[HISTOGRAM_BUCKETS];
};
/* The value below which the share of all lies, in us, interpolated inside its power of two; 0:
 * none. */
double window_percentile(const struct window *window, double share);

struct actor_row {
    const struct process *process;
    const SysActor *actor;
    bool rated;                             /* there were two answers: the next five are known */
    double received, sent, refused, failed; /* a second; refused: dropped and expired */
    double busy;                            /* share of a lane */
    struct window mailbox, handler;
    double mailbox_p50, mailbox_p99, handler_p50, handler_p99; /* us */
    uint64_t growing_ms;  /* unix time since when its depth only grew; 0: it does not */
    uint32_t grown_from;  /* the depth then */
    double expired_share; /* of what was received since the last answer */
};

struct lane_row {
    const SysLane *lane;
    bool rated;
    double busy;  /* share of its time */
    double turns; /* a second */
    double wakes;
};

struct link_row {
    const SysLink *link;
    const struct process *peer; /* NULL: a process we do not ask */
    bool rated;
    double sent, received, sent_bytes, received_bytes; /* a second */
};

struct process {
    char address[EVENT_ADDRESS_MAX];
    char label[LABEL_MAX];      /* its name, unique among those known */
    const struct process *same; /* the same process under another address: not shown */
    uint64_t number;            /* of the model: rows are picked by it */
    enum status status;         /* of the newest report; LOST_PEER: it does not answer */
    char text[EVENT_TEXT_MAX];
    uint64_t heard_ms;       /* unix time of the newest report */
    struct answer *held;     /* owned: the newest report … */
    const SysReport *report; /* … NULL before the first; kept when the process is lost */
    struct lane_row *lanes;  /* in held's arena */
    struct link_row *links;
    bool rated;
    double cpu;               /* share of a core; only when rated and told */
    double busy;              /* mean of the lanes */
    double turns;             /* a second */
    struct answer *roster;    /* owned: the newest report with actors; NULL: none was asked for */
    struct actor_row *actors; /* in its arena */
    size_t n_actors;
    struct series busy_series, turns_series, rss_series;
    struct answer *answers; /* owned, newest first */
    size_t n_answers;
};

/* A tapped message with where it was seen. */
struct tapped {
    struct answer *answer; /* owned reference */
    const SysMessage *message;
};

struct model {
    struct process *processes[MODEL_PROCESSES_MAX]; /* owned; in order of role and address */
    size_t n_processes;
    uint64_t last_number;
    uint64_t now_ms; /* time of the newest event taken */
    char tap_address[EVENT_ADDRESS_MAX], tap_key[EVENT_KEY_MAX];
    struct tapped tapped[MODEL_TAPPED_MAX]; /* ring, of the last tap */
    size_t tapped_first, n_tapped;
    uint64_t tap_matched, tap_skipped;
    enum status tap_status; /* once it ended */
    bool tap_open;
    char tap_text[EVENT_TEXT_MAX];
};

void model_init(struct model *model);
void model_free(struct model *model);
/* Knows nothing again. */
void model_reset(struct model *model);
/* Takes in the event (borrowed). */
void model_take(struct model *model, const struct event *event);

/* NULL: not known. */
struct process *model_process(const struct model *model, const char *address);
const struct process *model_by_number(const struct model *model, uint64_t number);
/* The newest answer; NULL: none. key NULL: any. */
const struct answer *
model_answer(const struct process *process, enum question question, const char *key);
/* The message of it when it went well, else NULL. */
const void *model_message(const struct process *process, enum question question, const char *key);
/* The actor's row in the roster; NULL. */
const struct actor_row *model_actor(const struct process *process, const char *name);
const struct actor_row *model_actor_by_handle(const struct process *process, uint64_t handle);
/* The process behind a link of `from` with this peer number; NULL: not known. */
const struct process *model_peer(const struct process *from, uint64_t number);

/* A process's name for an actor, better where the roster of its process is known: "shard/3@worker"
 * of another one. handle is as that process tells it. Writes to text and returns it. */
const char *model_actor_name(
    const struct process *process, uint64_t handle, const char *told, char *text, size_t size);

/* --- roster.c, for model.c --- */
/* Rows of the report in its answer's arena; before: the rows until now. */
void roster_build(struct process *process, struct answer *answer);

#endif
