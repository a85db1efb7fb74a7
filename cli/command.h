/* command: what `vectron NAME …` is, and what all commands share: exit codes, words on stderr. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/args.h"
#include "cli/client.h"
#include "cli/config.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *of; /* the command that this is a part of: "index" of `vectron index build` */
    const char *name;
    const char *arguments;         /* "COLLECTION TEXT" */
    const char *summary;           /* one line */
    const char *help;              /* paragraphs and examples, may be NULL */
    const struct args_flag *flags; /* may be NULL */
    unsigned role;                 /* whose settings are flags too; 0: none */
    enum args_way way;             /* of the client's, those that --help tells of */
    int (*run)(const struct args *args);
    const struct command *const *parts; /* NULL, or commands of its own, ended by NULL */
};

extern const struct command command_collections, command_search, command_get, command_import,
    command_index;
extern const struct command command_console, command_supervise;
extern const struct command command_admin, command_trace, command_flight, command_stats,
    command_letters, command_actor, command_tap, command_profile, command_record, command_replay,
    command_demo, command_config, command_version;

/* "vectron: …" on stderr. Returns EXIT_FAILED. */
int command_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a wrong command line, with a pointer to --help. Returns EXIT_USAGE. */
int command_misuse(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What a refused call says to a person. Returns EXIT_FAILED. */
int command_refused(const struct client_result *result);

/* Settings and a client of the client role; closes by command_session_close. False: said why. */
struct command_session {
    struct config *config;
    struct client *client;
};
bool command_session_open(const struct args *args, struct command_session *out);
void command_session_close(struct command_session *session);
/* One call; NULL: it failed, and said why, with *code its exit code. Owned: client_reply_free. */
ProtobufCMessage *
command_call(struct command_session *session, const struct client_call *call, int *code);
/* A reply as one line of proto3 JSON on stdout. */
void command_print_json(const ProtobufCMessage *message);

#endif
