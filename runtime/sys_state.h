/* sys_state: what the parts of sys share: sys.c (the actor and its questions to the lanes),
 * sys_lane.c (a lane's reporter), sys_view.c (one actor; who waits), sys_row.c (rows),
 * sys_report.c (what the process shares). Private to runtime/. */
#ifndef RUNTIME_SYS_STATE_H
#define RUNTIME_SYS_STATE_H

#include "runtime/span.h"
#include "runtime/sys.h"
#include "runtime/turn_state.h"
#include "schemas/sys.pb-c.h"

enum {
    SYS_API = 1,
    SYS_ROWS_MAX = 2048, /* actors in one report: some 1 KiB each at worst, 4 MiB a message */
    SYS_LINKS_MAX = 256,
    SYS_QUEUED_MAX = 64,
    SYS_LAST_MAX = 32,
    SYS_WAITS_MAX = 64,
    SYS_SENDERS_MAX = 8,
    SYS_OTHERS_MAX = 64, /* children, watchers, links of one actor */
    SYS_EDGES_MAX = 2048,
    SYS_LETTERS_REPORTED = 32, /* in a SysReport */
    SYS_LETTERS_DEFAULT = 64,
    SYS_MEMORY_MAX = 64,
    SYS_WALK_MAX = 4096,      /* parcels or waits of one actor that are looked at for one answer */
    SYS_ASK_US = 1000 * 1000, /* a lane that does not answer by then is told by what it publishes */
};

/* --- sys.c: questions to all lanes --- */
struct sys;
struct gathering;

struct lane_answer {
    struct gathering *gathering;
    void *body; /* owned, encoded reply; NULL: none came */
    size_t size;
};

/* One question in work at all lanes. */
struct gathering {
    struct gathering *next; /* owned */
    struct sys *sys;
    struct promise promise;
    /* Makes the answer from the lanes' and settles the promise. */
    void (*finish)(struct gathering *gathering, struct turn *turn);
    uint32_t open; /* lanes that did not answer yet */
    uint32_t n;
    struct lane_answer answers[]; /* by lane */
};
/* Asks every lane's reporter; finish runs in a later turn. NO_MEMORY: nothing was asked. */
MUST_USE enum status sys_gather(struct sys *self,
                                struct turn *turn,
                                const ProtobufCMessage *question,
                                void (*finish)(struct gathering *, struct turn *));
/* The lane's answer decoded into the turn's arena, which may be changed; NULL: it gave none of this
 * type. */
ProtobufCMessage *sys_answer(struct turn *turn,
                             const struct gathering *gathering,
                             uint32_t lane,
                             const ProtobufCMessageDescriptor *type);

/* --- sys_lane.c --- */
extern const struct actor_type sys_reporter_types[2]; /* by enum lane_kind */
const char *sys_reporter_name(struct turn *turn, uint32_t lane);

/* --- sys_view.c: on the actor's lane --- */
/* The actor of this lane that the handle means; NULL: it is gone, or on its way to another lane. */
struct cell *sys_cell(const struct turn *turn, actor_handle handle);
SysActorView *sys_view(struct turn *turn, struct cell *cell, bool bodies);
SysWaits *sys_lane_waits(struct turn *turn);

/* --- sys_row.c --- */
SysActor *sys_actor_row(struct turn *turn, struct cell *cell);
SysMessage *sys_queued_row(struct turn *turn, const struct parcel *parcel);
SysMessage *sys_span_row(struct turn *turn, const struct span_record *record);
/* A list in the turn's arena for n rows; NULL: no memory, or none wanted. */
#define SYS_LIST(turn, n, Row) ((Row **)turn_alloc((turn), (n) * sizeof(Row *)))
const char *sys_type_name(uint32_t op);
/* A trace id's 16 bytes; nothing for none. */
void sys_trace(struct turn *turn, const uint64_t trace[2], ProtobufCBinaryData *out);
/* The name of an actor here; slot#incarnation of one that is gone. Of a remote one the peer before
 * it: by its number, and on the first lane, which knows them, by its name. */
char *sys_name(struct turn *turn, actor_handle handle);
void sys_name_peer(struct turn *turn, char **name, actor_handle handle);

/* --- sys_letters.c: on the first lane --- */
/* The newest letters below number `before` (0: of all) into a list of *out; how many. */
size_t
sys_letter_rows(struct turn *turn, uint64_t before, size_t max, bool bodies, SysDeadLetter ***out);
MUST_USE enum status sys_ask_letters(const SysAskLetters *ask, struct turn *turn);
MUST_USE enum status sys_resend(const SysResend *ask, struct turn *turn);
/* What may be shown of a body; nothing when it is no such message. */
void sys_body(
    struct turn *turn, uint32_t op, const void *body, size_t size, ProtobufCBinaryData *out);

/* --- sys.c: refusals --- */
MUST_USE enum status sys_no_bodies(struct turn *turn);
MUST_USE enum status sys_no_actions(struct turn *turn);

/* --- sys_tap.c --- */
struct lookout;
struct tapping;
/* Taps of one lane, held by its reporter. */
struct sys_taps {
    struct lane *lane;        /* borrowed */
    struct lookout *lookouts; /* owned */
};
MUST_USE enum status sys_lane_tap(struct sys_taps *taps, const SysTap *ask, struct turn *turn);
void sys_lane_taps_close(struct sys_taps *taps);
/* Those of the process, held by sys. */
struct sys_tappings {
    struct tapping *first; /* owned */
    uint32_t n;
};
struct sys_tappings *sys_tappings(struct sys *self);
MUST_USE enum status sys_tap(struct sys *self, const SysTap *ask, struct turn *turn);
void sys_taps_close(struct sys_tappings *taps);

/* --- sys_do.c: sys's side, which forwards, and the lane's --- */
MUST_USE enum status sys_do(const SysDo *ask, struct turn *turn);
MUST_USE enum status sys_lane_do(const SysDo *ask, struct turn *turn);

/* --- sys_lint.c --- */
enum { SYS_LINT_LINKS = 64 };
struct lane_load {
    uint64_t busy_us, clock_us; /* at the last look */
};
struct lint_link {
    char address[128]; /* "": free */
    bool there;
    uint32_t gone; /* looks since it was there */
};
struct sys_lint {
    struct lane_load loads[TABLE_LANES_MAX];
    uint32_t apart[2];         /* looks in a row, by enum lane_kind */
    char cycle[CELL_NAME_MAX]; /* subject of the alarm that is on; "": none */
    struct lint_link links[SYS_LINT_LINKS];
};
struct sys_lint *sys_lint(struct sys *self);
/* In sys's open. */
void sys_lint_start(struct turn *turn);
MUST_USE enum status sys_lane_lint(struct turn *turn);

/* --- sys_profile.c --- */
struct profiling;
struct sys_profiles {
    struct profiling *running; /* owned; NULL: none */
};
struct sys_profiles *sys_profiles(struct sys *self);
MUST_USE enum status sys_profile(struct sys *self, const SysProfile *ask, struct turn *turn);
void sys_profiles_close(struct sys_profiles *profiles);

/* --- sys_report.c --- */
void sys_report_finish(struct gathering *gathering, struct turn *turn);

#endif
