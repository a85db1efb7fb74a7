/* town: what the simulator test of the runtime knows from above while citizens
 * (tests/sim/citizen.c) spawn, fail, link, call, cancel, move and sleep by a seed: who lives, and
 * what was promised to whom. tests/sim/ledger.c holds it against what happened. */
#ifndef TESTS_SIM_TOWN_H
#define TESTS_SIM_TOWN_H

#include "runtime/sim/world.h"

enum {
    MS = 1000,
    SECOND = 1000 * MS,
    NODES_MAX = 3,
    PEOPLE_MAX = 1000, /* 10 bits of a message name its sender */
    STREAMS_MAX = 32,
    OPENS_KEPT = 16,
    LIVES_MAX = 1 << 16,
    DEEDS_MAX = 1 << 18,
};

/* One way of messages: a sender's incarnation, a handle, a band. Numbers on it only grow. */
struct stream {
    actor_handle to;
    uint32_t person; /* who is expected there */
    bool control;
    bool remote;
    uint32_t next;
    uint32_t heard;
};

/* An actor from its spawn on, over all its lives. */
struct person {
    uint32_t id;
    uint32_t node;
    char name[16];
    enum restart restart;
    uint32_t intensity, period_s;
    bool light;
    uint32_t life; /* the present one's number, from 1; 0 = never opened */
    actor_handle handle;
    uint64_t opened_us[OPENS_KEPT]; /* ring */
    uint32_t n_opens;
    uint32_t epoch; /* of the streams: a move begins new ones */
    struct stream streams[STREAMS_MAX];
    uint32_t n_streams;
};

struct life {
    uint32_t person;
    bool left;  /* it left normally, by itself */
    bool traps; /* it does not follow linked ones */
};

/* A call, a monitor or a link, by the life that asked for it. */
struct deed {
    uint32_t life;
    uint32_t other; /* life of the other one; 0 = of another node, or not known */
    uint32_t told;  /* how often it was told of the end */
    bool undone;    /* unmonitored, unlinked */
};
struct deeds {
    struct deed rows[DEEDS_MAX];
    uint32_t n;
};

struct town {
    struct sim *sim;
    struct sim_options options;
    bool calm; /* nobody does anything new */
    struct person people[PEOPLE_MAX];
    uint32_t n_people;
    struct life lives[LIVES_MAX]; /* from 1 */
    uint32_t n_lives;
    struct deeds calls, monitors, links;
    uint64_t served, expired_served, disordered, misdelivered, twice;
    uint64_t outcomes[STATUS_COUNT];
    uint64_t moves, sleeps, restarts;
};
extern struct town town;

/* --- town.c --- */
/* A whole town of this seed: it lives, calms down, is held against the rules, and ends. Returns the
 * number of broken rules. trace: print what was traced. */
unsigned town_try(uint64_t seed, bool trace);
/* A person to spawn; NULL: the town is full. */
struct person *town_person(uint32_t node);
uint32_t town_life(struct person *person, uint64_t now_us);
uint32_t deed_add(struct deeds *deeds, uint32_t life, uint32_t other);
/* Whether this person's last life goes on. */
bool town_lives(const struct person *person);
/* Whether this life goes on. */
bool town_alive(uint32_t life);

/* --- citizen.c --- */
extern const struct actor_type mayor_type;

/* --- ledger.c --- */
/* What must hold at any moment. */
void ledger_look(void);
/* The same of one mailbox: of the actor with this handle on this node, if it is there. */
void ledger_look_at(uint32_t node, actor_handle handle);
/* What must hold when all is calm. Returns the number of broken rules, told on stderr. */
unsigned ledger_close(void);
/* A rule is broken. */
void ledger_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
