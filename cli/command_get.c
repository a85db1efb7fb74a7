/* vectron get: one point by its id. */
#include "adapters/edge/json_number.h"
#include "cli/command.h"
#include "schemas/apigateway.pb-c.h"

static const struct args_flag flags[] = {
    {"json", NULL, "print the server's reply as JSON"},
    {0},
};

enum { SHOWN = 16 }; /* numbers of a vector; --json has all */

static void print_number(const char *before, float number) {
    char text[JSON_NUMBER_MAX];
    int size = (int)json_number_print_float(text, number);
    printf("%s%.*s", before, size, text);
}

static void print_point(const Vectron__V1__Point *point) {
    printf("id       %s\nvector   [", point->id);
    for (size_t i = 0; i < point->n_vector && i < SHOWN; i++)
        print_number(i ? ", " : "", point->vector[i]);
    if (point->n_vector > SHOWN)
        printf(", …] %zu numbers, all with --json\n", point->n_vector);
    else
        puts("]");
    for (size_t i = 0; i < point->n_payload; i++)
        printf("payload  %s = %s\n", point->payload[i]->key, point->payload[i]->value);
}

static int run(const struct args *args) {
    if (args->n_words != 2) return command_misuse("get", "give COLLECTION and ID");
    struct command_session session;
    if (!command_session_open(args, &session)) return EXIT_USAGE;
    Vectron__V1__GetRequest request = VECTRON__V1__GET_REQUEST__INIT;
    request.collection = (char *)args->words[0];
    request.id = (char *)args->words[1];
    struct client_call call = {"Get", &request.base, &vectron__v1__get_response__descriptor};
    int code = EXIT_OK;
    ProtobufCMessage *message = command_call(&session, &call, &code);
    const Vectron__V1__GetResponse *reply = (void *)message;
    if (message && args_on(args, "json"))
        command_print_json(message);
    else if (message && reply->point)
        print_point(reply->point);
    client_reply_free(message);
    command_session_close(&session);
    return code;
}

const struct command command_get = {
    .name = "get",
    .arguments = "COLLECTION ID",
    .summary = "show one point: vector and payload",
    .help = "  vectron get packages cmus\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .way = ARGS_CALLS,
    .run = run,
};
