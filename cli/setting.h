/* setting: the one table of everything that can be configured: our own names, every environment
 * variable and flag of the original Vectron. The loader (config.h), `vectron config`, the env
 * samples and docs/tuning.md all read it. Static data, any thread. */
#ifndef CLI_SETTING_H
#define CLI_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/buffer.h"
#include "runtime/status.h"

/* A row belongs to one or more roles; two rows of one name never share a role. */
enum {
    ROLE_UP = 1,
    ROLE_PD = 2,
    ROLE_WORKER = 4,
    ROLE_GATEWAY = 8,
    ROLE_AUTH = 16,
    ROLE_RERANKER = 32,
    ROLE_CLIENT = 64, /* the commands that talk to a running server */
};

struct role_name {
    unsigned role;
    const char *name; /* as on the command line */
    const char *stem; /* of its env files and NAME_ENV_FILE */
    const char *about;
};
/* Ended by {0}. */
extern const struct role_name role_names[];
/* NULL: no such role. The original's names (apigateway, placementdriver) are understood too. */
const struct role_name *role_by_name(const char *name);
const struct role_name *role_by_bit(unsigned role);

enum setting_type {
    SETTING_BOOL,     /* 1 0 true false yes no on off */
    SETTING_INT,      /* decimal; low..high */
    SETTING_REAL,     /* decimal; low..high */
    SETTING_DURATION, /* "250ms" "5s" "2m" "24h"; a bare number counts in the row's unit */
    SETTING_SIZE, /* "64MB" "1GiB" (all powers of 1024); a bare number counts in the row's unit */
    SETTING_STRING,
    SETTING_LISTEN,  /* host:port or :port; opened by this process */
    SETTING_ADDRESS, /* host:port of somebody else */
    SETTING_LINK,    /* tcp://host:port, host:port, ipc://path or none */
    SETTING_LIST,    /* comma separated */
    SETTING_ENUM,    /* one of choices, any case */
};

enum setting_kind {
    SETTING_EFFECTIVE,
    SETTING_MAPPED,   /* counts as `target` unless that one is set itself */
    SETTING_ACCEPTED, /* without effect here, whatever its value; `effect` says why */
};

struct setting {
    const char *name;
    const char *flag; /* without dashes; NULL: none */
    enum setting_type type;
    const char *fallback; /* default as text, "" = unset */
    double low, high;     /* numbers, durations in ms, sizes in bytes; both 0: no bounds */
    const char *choices;  /* enum: "a b c" */
    const char *unit;     /* of a bare duration or size: "ms" "s" "MB" "KB" */
    unsigned roles;
    enum setting_kind kind;
    const char *target; /* of a mapped row */
    bool secret;        /* shown as *** */
    const char *group;  /* heading in documents */
    const char *effect;
};

extern const struct setting setting_table[];
extern const size_t setting_count;

/* The row of this name for one role; NULL: that role has none. */
const struct setting *setting_find(const char *name, unsigned role);
const struct setting *setting_by_flag(const char *flag, unsigned role);
/* Known to any role. */
bool setting_known(const char *name);
/* The known name with the smallest edit distance, NULL when none is near. */
const char *setting_nearest(const char *name);

const char *setting_type_name(enum setting_type type);
/* "1 to 1024", "one of a, b", "" */
void setting_range(const struct setting *setting, struct buffer *out);

/* Judges a value. INVALID: why names the value and what is allowed. The empty text is fine for
 * strings, lists, addresses and means "unset". */
struct setting_value {
    bool on;
    int64_t number; /* int; duration in ms; size in bytes */
    double real;
};
MUST_USE enum status setting_parse(const struct setting *setting,
                                   const char *text,
                                   struct setting_value *out,
                                   struct buffer *why);

#endif
