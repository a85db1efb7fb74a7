/* fake: call.h once more, for tests. The call's arena goes with its end, so that a service that
 * touches an ended call is seen by the address sanitizer. */
#include "tests/unit/edge_services/fake.h"

#include <stdio.h>
#include <string.h>

#include "adapters/edge/json.h"
#include "adapters/edge/service_vectron.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/edge.pb-c.h"
#include "schemas/router.pb-c.h"
#include "schemas/runtime.pb-c.h"

struct edge_call {
    struct arena arena;
    struct request request;
    const struct edge_method *method;
    ProtobufCMessage *decoded;
    uint64_t deadline_us;
    bool wanted;
    void (*cancel)(void *context, struct turn *turn);
    void *cancel_context;
    void (*free)(void *context);
    void *free_context;
};

static struct sim *sim;
static struct edge_call *call; /* the last one; NULL once it ended */
static struct request wanted_request;
static struct buffer log_text, asked_text, details;
static const struct answer *script;
static unsigned freed;
static char pages[256];

/* --- the calls -------------------------------------------------------------------------------- */

static void note(const char *text) {
    buffer_append(&log_text, text, strlen(text));
}

static void note_message(const char *kind, const ProtobufCMessage *message) {
    note(kind);
    json_write(message, &log_text);
    note("\n");
}

static void call_end(void) {
    assert(call);
    struct edge_call *ended = call;
    call = NULL;
    if (ended->free) ended->free(ended->free_context);
    arena_free(&ended->arena);
    mem_free(ended);
    freed++;
}

const ProtobufCMessage *edge_call_request(const struct edge_call *of) {
    return of->decoded;
}

const void *edge_call_body(const struct edge_call *of, size_t *size) {
    if (of->request.body) {
        *size = of->request.body_size;
        return of->request.body;
    }
    *size = of->request.json ? strlen(of->request.json) : 0;
    return of->request.json;
}

enum edge_format edge_call_format(const struct edge_call *of) {
    return of->request.body ? EDGE_PROTOBUF : EDGE_JSON;
}

const char *edge_call_field(const struct edge_call *of, const char *field) {
    return strcmp(field, "collection") == 0 ? of->request.collection : NULL;
}

const char *edge_call_header(const struct edge_call *of, const char *name) {
    return strcmp(name, "vectron-session") == 0 ? of->request.session : NULL;
}

uint64_t edge_call_deadline_us(const struct edge_call *of) {
    return of->deadline_us;
}

struct arena *edge_call_arena(struct edge_call *of) {
    return &of->arena;
}

const char *edge_call_router(const struct edge_call *of) {
    (void)of;
    return "router";
}

bool edge_call_clogged(const struct edge_call *of) {
    return of->request.clogged;
}

void edge_call_on_cancel(struct edge_call *of,
                         void (*run)(void *context, struct turn *turn),
                         void *context) {
    of->cancel = run;
    of->cancel_context = context;
}

void edge_call_on_free(struct edge_call *of, void (*run)(void *context), void *context) {
    of->free = run;
    of->free_context = context;
}

void edge_call_set_header(struct edge_call *of, const char *name, const char *value) {
    (void)of;
    note("header ");
    note(name);
    note("=");
    note(value);
    note("\n");
}

void edge_call_set_details(struct edge_call *of, const void *data, size_t size) {
    (void)of;
    buffer_clear(&details);
    buffer_append(&details, data, size);
}

void edge_retry_after(struct edge_call *of, uint32_t ms) {
    (void)of;
    char text[32];
    snprintf(text, sizeof text, "retry %u\n", ms);
    note(text);
}

void edge_reply(struct edge_call *of, const ProtobufCMessage *response, struct turn *turn) {
    (void)turn;
    assert(of == call && response->descriptor == of->method->response);
    note_message("reply ", response);
    call_end();
}

void edge_part(struct edge_call *of, const ProtobufCMessage *response, struct turn *turn) {
    (void)turn;
    assert(of == call && of->method->stream && response->descriptor == of->method->response);
    note_message("part ", response);
}

void edge_end(struct edge_call *of, struct turn *turn) {
    (void)turn;
    assert(of == call && of->method->stream);
    note("end\n");
    call_end();
}

void edge_fail(struct edge_call *of, enum status status, const char *text, struct turn *turn) {
    (void)turn;
    assert(of == call && status != STATUS_OK);
    note("fail ");
    note(status_name(status));
    note(" ");
    note(text && text[0] ? text : status_text(status));
    note("\n");
    call_end();
}

static const struct edge_method *find_method(const char *name) {
    for (size_t i = 0; i < vectron_service.n_methods; i++) {
        const char *path = vectron_service.methods[i].path;
        if (strcmp(strrchr(path, '/') + 1, name) == 0) return &vectron_service.methods[i];
    }
    assert(!"a method of the service");
    return NULL;
}

/* --- the edge: Done starts a call, EdgeReload cancels it
 * --------------------------------------------- */

static enum status on_start(void *self, const void *message, struct turn *turn) {
    (void)message;
    assert(!call);
    call = mem_zero(1, sizeof *call);
    call->request = wanted_request;
    call->method = find_method(wanted_request.method);
    call->wanted = true;
    uint64_t timeout_us = wanted_request.timeout_us ? wanted_request.timeout_us : 10000000;
    call->deadline_us = turn_now_us(turn) + timeout_us;
    arena_init(&call->arena, 0);
    if (!call->method->raw) {
        const char *json = wanted_request.json ? wanted_request.json : "";
        struct json_error error;
        enum status s = json_read(call->method->request, json, strlen(json), &call->arena,
                                  &call->decoded, &error);
        assert(s == STATUS_OK);
    }
    call->method->run(self, call, turn);
    return STATUS_OK;
}

static enum status on_gone(void *self, const void *message, struct turn *turn) {
    (void)self, (void)message;
    assert(call);
    call->wanted = false;
    if (call->cancel) call->cancel(call->cancel_context, turn);
    return STATUS_OK;
}

static const struct handler edge_handlers[] = {
    {&done__descriptor, on_start},
    {&edge_reload__descriptor, on_gone},
    {NULL, NULL},
};
static const struct actor_type fake_edge_type = {
    .kind = "edge", .size = 1, .handlers = edge_handlers};

/* --- the router ------------------------------------------------------------------------------- */

struct late {
    struct promise promise;
    struct answer answer;
};

static void give(const struct promise *promise, const struct answer *answer, struct turn *turn) {
    if (!answer->json) {
        if (answer->retry_ms) turn_retry_after(turn, answer->retry_ms);
        turn_reject(turn, promise, answer->status, "%s", answer->words);
        return;
    }
    struct arena arena;
    struct json_error error;
    ProtobufCMessage *message;
    arena_init(&arena, 0);
    enum status s =
        json_read(answer->type, answer->json, strlen(answer->json), &arena, &message, &error);
    assert(s == STATUS_OK);
    if (answer->more)
        turn_resolve_part(turn, promise, message);
    else
        turn_resolve(turn, promise, message);
    arena_free(&arena);
}

static void give_late(void *self, void *context, struct turn *turn) {
    (void)self;
    struct late *late = context;
    give(&late->promise, &late->answer, turn);
    mem_free(late);
}

static void note_page(const RouterUpsert *page) {
    size_t n = strlen(pages);
    snprintf(pages + n, sizeof pages - n, "%zu from %s, ", page->n_points, page->points[0]->id);
}

static enum status on_question(void *self, const void *message, struct turn *turn) {
    (void)self;
    const ProtobufCMessage *question = message;
    if (question->descriptor == &router_upsert__descriptor) note_page(message);
    struct promise promise = turn_defer(turn);
    bool more = true;
    while (more) {
        assert(script && (script->type || script->status));
        more = script->more;
        if (script->delay_us) {
            struct late *late = mem_alloc(sizeof *late);
            *late = (struct late){promise, *script};
            turn_timer(turn, script->delay_us, give_late, late);
        } else
            give(&promise, script, turn);
        script++;
    }
    return STATUS_OK;
}

static const struct handler router_handlers[] = {
    {&router_create_collection__descriptor, on_question},
    {&router_delete_collection__descriptor, on_question},
    {&router_change_column__descriptor, on_question},
    {&router_list_collections__descriptor, on_question},
    {&router_describe__descriptor, on_question},
    {&router_upsert__descriptor, on_question},
    {&router_get__descriptor, on_question},
    {&router_delete__descriptor, on_question},
    {&router_search__descriptor, on_question},
    {&router_searches__descriptor, on_question},
    {NULL, NULL},
};
static const struct actor_type fake_router_type = {
    .kind = "router", .size = 1, .handlers = router_handlers};

/* --- the test's side -------------------------------------------------------------------------- */

void fake_open_without_router(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    sim_spawn(sim, "edge", &fake_edge_type, NULL);
    call = NULL;
    script = NULL;
    freed = 0;
    pages[0] = '\0';
}

void fake_open(void) {
    fake_open_without_router();
    sim_spawn(sim, "router", &fake_router_type, NULL);
    sim_trace_clear(sim);
}

void fake_close(void) {
    assert(!call);
    assert(!script || (!script->type && !script->status)); /* all answers were asked for */
    sim_close(&sim);
    buffer_free(&log_text);
    buffer_free(&asked_text);
    buffer_free(&details);
}

void fake_script(const struct answer *answers) {
    script = answers;
}

void fake_start(const struct request *request) {
    wanted_request = *request;
    buffer_clear(&log_text);
    buffer_clear(&details);
    sim_tell(sim, "edge", MESSAGE(Done, done));
}

void fake_cancel(void) {
    sim_tell(sim, "edge", MESSAGE(EdgeReload, edge_reload));
}

void fake_run(uint64_t us) {
    sim_run(sim, us);
}

const char *fake_answer(void) {
    buffer_append(&log_text, "", 1);
    log_text.size--;
    return (const char *)log_text.data;
}

const char *fake_serve(const struct request *request) {
    fake_start(request);
    fake_run(100000000);
    return fake_answer();
}

const char *fake_asked(void) {
    static const char start[] = "router < ";
    buffer_clear(&asked_text);
    for (const char *line = sim_trace(sim); *line;) {
        size_t size = strcspn(line, "\n") + 1;
        if (strncmp(line, start, strlen(start)) == 0)
            buffer_append(&asked_text, line + strlen(start), size - strlen(start));
        line += size;
    }
    buffer_append(&asked_text, "", 1);
    sim_trace_clear(sim);
    return (const char *)asked_text.data;
}

const char *fake_pages(void) {
    return pages;
}

size_t fake_details(const void **bytes) {
    *bytes = details.data;
    return details.size;
}

unsigned fake_freed(void) {
    return freed;
}
