/* openapi: paths from the routes, schemas from the messages they use, each by its full proto name.
 */
#include "adapters/edge/openapi.h"

#include <pthread.h>
#include <string.h>

#include "adapters/edge/json.h"
#include "adapters/edge/json_name.h"
#include "runtime/assert.h"
#include "runtime/poison.h"

enum { TYPES_MAX = 64 };

struct document {
    struct buffer *out;
    const struct edge_service *const *services;
    const struct edge_route *routes;
    const ProtobufCMessageDescriptor *types[TYPES_MAX]; /* that are referred to, each once */
    size_t n_types;
};

static void put(struct document *document, const char *text) {
    buffer_append(document->out, text, strlen(text));
}

static void put_string(struct document *document, const char *text) {
    json_write_string(document->out, text, strlen(text));
}

/* A comma before all members but the first. */
static void separate(struct document *document, bool *first) {
    if (!*first) put(document, ",");
    *first = false;
}

/* --- schemas -------------------------------------------------------------------------------- */

static void put_reference(struct document *document, const ProtobufCMessageDescriptor *type) {
    size_t i = 0;
    while (i < document->n_types && document->types[i] != type)
        i++;
    if (i == document->n_types) {
        assert(i < TYPES_MAX);
        document->types[document->n_types++] = type;
    }
    buffer_printf(document->out, "{\"$ref\":\"#/components/schemas/%s\"}", type->name);
}

static void put_enum(struct document *document, const ProtobufCEnumDescriptor *type) {
    put(document, "{\"type\":\"string\",\"enum\":[");
    for (unsigned i = 0; i < type->n_values; i++) {
        if (i > 0) put(document, ",");
        put_string(document, type->values[i].name);
    }
    put(document, "]}");
}

/* The schema of one value of the field, as json_write shows it. */
static void put_value(struct document *document, const ProtobufCFieldDescriptor *field) {
    static const char *const plain[] = {
        [PROTOBUF_C_TYPE_INT32] = "\"integer\",\"format\":\"int32\"",
        [PROTOBUF_C_TYPE_SINT32] = "\"integer\",\"format\":\"int32\"",
        [PROTOBUF_C_TYPE_SFIXED32] = "\"integer\",\"format\":\"int32\"",
        [PROTOBUF_C_TYPE_INT64] = "\"string\",\"format\":\"int64\"",
        [PROTOBUF_C_TYPE_SINT64] = "\"string\",\"format\":\"int64\"",
        [PROTOBUF_C_TYPE_SFIXED64] = "\"string\",\"format\":\"int64\"",
        [PROTOBUF_C_TYPE_UINT32] = "\"integer\",\"format\":\"uint32\",\"minimum\":0",
        [PROTOBUF_C_TYPE_FIXED32] = "\"integer\",\"format\":\"uint32\",\"minimum\":0",
        [PROTOBUF_C_TYPE_UINT64] = "\"string\",\"format\":\"uint64\"",
        [PROTOBUF_C_TYPE_FIXED64] = "\"string\",\"format\":\"uint64\"",
        [PROTOBUF_C_TYPE_FLOAT] = "\"number\",\"format\":\"float\"",
        [PROTOBUF_C_TYPE_DOUBLE] = "\"number\",\"format\":\"double\"",
        [PROTOBUF_C_TYPE_BOOL] = "\"boolean\"",
        [PROTOBUF_C_TYPE_STRING] = "\"string\"",
        [PROTOBUF_C_TYPE_BYTES] = "\"string\",\"contentEncoding\":\"base64\"",
    };
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        put_reference(document, field->descriptor);
    else if (field->type == PROTOBUF_C_TYPE_ENUM)
        put_enum(document, field->descriptor);
    else
        buffer_printf(document->out, "{\"type\":%s}", plain[field->type]);
}

static void put_field(struct document *document,
                      const ProtobufCMessageDescriptor *type,
                      const ProtobufCFieldDescriptor *field) {
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        put_value(document, field);
        return;
    }
    bool map = json_name_is_map(type, field);
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    put(document,
        map ? "{\"type\":\"object\",\"additionalProperties\":" : "{\"type\":\"array\",\"items\":");
    put_value(document, map ? &entry->fields[1] : field);
    put(document, "}");
}

static void put_schema(struct document *document, const ProtobufCMessageDescriptor *type) {
    put_string(document, type->name);
    put(document, ":{\"type\":\"object\",\"properties\":{");
    for (unsigned i = 0; i < type->n_fields; i++) {
        char name[JSON_NAME_MAX];
        json_name_camel(type->fields[i].name, name);
        if (i > 0) put(document, ",");
        put_string(document, name);
        put(document, ":");
        put_field(document, type, &type->fields[i]);
    }
    put(document, "}}");
}

/* Writing one schema may add others to the list. */
static void put_schemas(struct document *document) {
    put(document, "\"components\":{\"schemas\":{\"Error\":{\"type\":\"object\",\"properties\":{"
                  "\"code\":{\"type\":\"integer\",\"description\":\"gRPC status code\"},"
                  "\"message\":{\"type\":\"string\"},"
                  "\"details\":{\"type\":\"array\",\"items\":{}}}}");
    for (size_t i = 0; i < document->n_types; i++) {
        put(document, ",");
        put_schema(document, document->types[i]);
    }
    put(document, "}}");
}

/* --- paths ---------------------------------------------------------------------------------- */

static const struct edge_method *find_method(const struct document *document, const char *path) {
    for (size_t s = 0; document->services[s]; s++)
        for (size_t i = 0; i < document->services[s]->n_methods; i++)
            if (strcmp(document->services[s]->methods[i].path, path) == 0)
                return &document->services[s]->methods[i];
    return NULL;
}

/* "{collection}" in the pattern is the request's field of that name. */
static void put_parameters(struct document *document,
                           const struct edge_route *route,
                           const ProtobufCMessageDescriptor *request) {
    bool first = true;
    put(document, "\"parameters\":[");
    for (const char *at = route->pattern; (at = strchr(at, '{')); at++) {
        char name[JSON_NAME_MAX];
        size_t size = strcspn(at + 1, "}");
        assert(size < sizeof name);
        memcpy(name, at + 1, size);
        name[size] = '\0';
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(request, name);
        assert(field); /* a route binds fields that exist */
        separate(document, &first);
        put(document, "{\"name\":");
        put_string(document, name);
        put(document, ",\"in\":\"path\",\"required\":true,\"schema\":");
        put_value(document, field);
        put(document, "}");
    }
    put(document, "]");
}

static void put_operation(struct document *document, const struct edge_route *route) {
    const struct edge_method *method = find_method(document, route->method);
    assert(method); /* a route leads to a method that is served */
    put(document, "{\"operationId\":");
    put_string(document, strrchr(method->path, '/') + 1);
    put(document, ",");
    put_parameters(document, route, method->request);
    if (route->body) {
        put(document, ",\"requestBody\":{\"content\":{\"application/json\":{\"schema\":");
        put_reference(document, method->request);
        put(document, "}}}");
    }
    put(document, ",\"responses\":{\"200\":{\"description\":\"OK\",\"content\":{");
    put(document, route->events ? "\"text/event-stream\"" : "\"application/json\"");
    put(document, ":{\"schema\":");
    put_reference(document, method->response);
    put(document, "}}},\"default\":{\"description\":\"failure\",\"content\":{\"application/json\":"
                  "{\"schema\":{\"$ref\":\"#/components/schemas/Error\"}}}}}}");
}

static void put_verb(struct document *document, const char *verb) {
    put(document, "\"");
    for (; *verb; verb++) {
        char lower = (char)(*verb | 0x20);
        buffer_append(document->out, &lower, 1);
    }
    put(document, "\":");
}

/* All routes of the path that `from` is the first of. */
static void put_path(struct document *document, const struct edge_route *from) {
    bool first = true;
    put_string(document, from->pattern);
    put(document, ":{");
    for (const struct edge_route *route = from; route->verb; route++) {
        if (strcmp(route->pattern, from->pattern) != 0) continue;
        separate(document, &first);
        put_verb(document, route->verb);
        put_operation(document, route);
    }
    put(document, "}");
}

static bool is_first(const struct document *document, const struct edge_route *route) {
    const struct edge_route *at = document->routes;
    while (strcmp(at->pattern, route->pattern) != 0)
        at++;
    return at == route;
}

void openapi_write(const struct edge_service *const *services,
                   const struct edge_route *routes,
                   struct buffer *out) {
    struct document document = {.out = out, .services = services, .routes = routes};
    bool first = true;
    put(&document, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Vectron\",\"version\":"
                   "\"" VECTRON_VERSION "\"},\"paths\":{");
    for (const struct edge_route *route = routes; route->verb; route++) {
        if (!is_first(&document, route)) continue;
        separate(&document, &first);
        put_path(&document, route);
    }
    put(&document, "},");
    put_schemas(&document);
    put(&document, "}");
}

/* --- the gateway's document ----------------------------------------------------------------- */

static struct buffer text;

static void make_text(void) {
    openapi_write(edge_gateway_services, edge_gateway_routes, &text);
    buffer_append(&text, "", 1);
}

const char *edge_openapi(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_text);
    return text.failed ? "" : (const char *)text.data;
}
