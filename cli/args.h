/* args: the command line in Go's syntax: -x v, --x v, -x=v, --x=v; a switch is -x or -x=false.
 * Flags and words may be mixed; "--" ends the flags. Flags come from the command itself and from
 * the settings of its role. Everything is borrowed from argv. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdio.h>

#include "cli/setting.h"

enum { ARGS_FLAGS_MAX = 32, ARGS_SETTINGS_MAX = 32, ARGS_WORDS_MAX = 16 };

struct args_flag {
    const char *name;  /* without dashes */
    const char *value; /* what it takes, "N"; NULL: a switch */
    const char *help;
};

struct args_setting {
    const struct setting *setting;
    const char *text;
};

struct args {
    const struct args_flag *flags; /* ended by {0} */
    unsigned role;
    const char *values[ARGS_FLAGS_MAX]; /* by index in flags; NULL: not given; switches: "true" … */
    struct args_setting settings[ARGS_SETTINGS_MAX];
    size_t n_settings;
    const char *words[ARGS_WORDS_MAX];
    size_t n_words;
    bool help;
};

/* INVALID: why says what is wrong. flags may be NULL; role 0: no settings. argv begins after the
 * command's name. */
MUST_USE enum status args_parse(struct args *args,
                                const struct args_flag *flags,
                                unsigned role,
                                char *const *argv,
                                struct buffer *why);
/* The last value given for this flag of the command; NULL: none. */
const char *args_text(const struct args *args, const char *name);
/* A switch that was given and not set to false. */
bool args_on(const struct args *args, const char *name);
/* A whole number in [low, high]; fallback when the flag is not there. INVALID: why has words. */
struct args_bounds {
    int64_t fallback, low, high;
};
MUST_USE enum status args_number(const struct args *args,
                                 const char *name,
                                 struct args_bounds bounds,
                                 int64_t *out,
                                 struct buffer *why);
/* A finite number, untouched when the flag is not there. INVALID: why has words. */
MUST_USE enum status
args_real(const struct args *args, const char *name, double *out, struct buffer *why);
/* The flags for --help: those of the command, then the settings of the role; at most 100 columns.
 * Of the client's settings: those of gRPC calls, or those of links. */
enum args_way { ARGS_LINKS, ARGS_CALLS };
void args_help(FILE *out, const struct args_flag *flags, unsigned role, enum args_way way);

#endif
