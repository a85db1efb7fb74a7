/* command: see the header. */
#include "cli/command.h"

#include <stdarg.h>

#include "adapters/edge/json.h"

static void say(const char *format, va_list args) {
    fflush(stdout);
    fputs("vectron: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int command_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    return EXIT_FAILED;
}

int command_misuse(const char *command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    fprintf(stderr, "see: vectron %s --help\n", command);
    return EXIT_USAGE;
}

int command_refused(const struct client_result *result) {
    command_fail("%s: %s", client_code_name(result->code), result->text);
    if (result->unreached)
        fputs("is the server running? `vectron up` starts one; --address names another\n", stderr);
    return EXIT_FAILED;
}

bool command_session_open(const struct args *args, struct command_session *out) {
    *out = (struct command_session){.config = config_load_process(ROLE_CLIENT, args)};
    if (!out->config) return false;
    if (client_open_config(out->config, &out->client) == STATUS_OK) return true;
    command_fail("out of memory");
    command_session_close(out);
    return false;
}

void command_session_close(struct command_session *session) {
    client_close(session->client);
    config_free(session->config);
}

ProtobufCMessage *
command_call(struct command_session *session, const struct client_call *call, int *code) {
    struct client_result result;
    if (client_run(session->client, call, &result) != STATUS_OK) {
        *code = command_fail("out of memory");
        return NULL;
    }
    if (result.code == 0) return result.reply;
    *code = command_refused(&result);
    return NULL;
}

void command_print_json(const ProtobufCMessage *message) {
    struct buffer text;
    buffer_init(&text);
    json_write_people(message, &text);
    if (!text.failed) printf("%.*s\n", (int)text.size, (char *)text.data);
    buffer_free(&text);
}
