/* service_reflection: one answer for each question, in order. Both versions have the same messages
 * on the wire, so the types of v1 serve both. */
#include "adapters/edge/descriptors.h"
#include "adapters/edge/exchange.h"
#include "adapters/edge/reflection.h"
#include "schemas/messages.h"
#include "schemas/reflection_v1.pb-c.h"

#include <string.h>

enum { FILES_MAX = 64, SERVICES_MAX = 64 };

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;
typedef Grpc__Reflection__V1__FileDescriptorResponse file_response;
typedef Grpc__Reflection__V1__ErrorResponse error_response;
typedef Grpc__Reflection__V1__ListServiceResponse list_response;
typedef Grpc__Reflection__V1__ServiceResponse service_response;

/* The generated names, without their first 60 letters. */
#define ASKS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##what
#define SAYS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##what

static void answer_error(struct edge_call *call,
                         reflection_response *response,
                         enum status status,
                         struct turn *turn) {
    error_response error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    error.error_code = status_grpc(status);
    error.error_message = (char *)status_text(status);
    response->message_response_case = SAYS(ERROR_RESPONSE);
    response->error_response = &error;
    edge_part(call, &response->base, turn);
}

static void answer_file(struct edge_call *call,
                        reflection_response *response,
                        const struct descriptor_file *file,
                        struct turn *turn) {
    const struct descriptor_set set = {schema_descriptors, schema_descriptors_size};
    struct descriptor_file files[FILES_MAX];
    ProtobufCBinaryData encoded[FILES_MAX];
    file_response answer = GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    answer.n_file_descriptor_proto = descriptors_with_imports(&set, file, files, FILES_MAX);
    for (size_t i = 0; i < answer.n_file_descriptor_proto; i++)
        encoded[i] = (ProtobufCBinaryData){files[i].size, (uint8_t *)files[i].data};
    answer.file_descriptor_proto = encoded;
    response->message_response_case = SAYS(FILE_DESCRIPTOR_RESPONSE);
    response->file_descriptor_response = &answer;
    edge_part(call, &response->base, turn);
}

static void
answer_services(struct edge_call *call, reflection_response *response, struct turn *turn) {
    service_response services[SERVICES_MAX];
    service_response *pointers[SERVICES_MAX];
    list_response answer = GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    const struct edge_service *service;
    for (; answer.n_service < SERVICES_MAX && (service = hub_service(call->hub, answer.n_service));
         answer.n_service++) {
        service_response *entry = &services[answer.n_service];
        grpc__reflection__v1__service_response__init(entry);
        entry->name = (char *)service->name;
        pointers[answer.n_service] = entry;
    }
    answer.service = pointers;
    response->message_response_case = SAYS(LIST_SERVICES_RESPONSE);
    response->list_services_response = &answer;
    edge_part(call, &response->base, turn);
}

static void run(void *self, struct edge_call *call, struct turn *turn) {
    const struct descriptor_set set = {schema_descriptors, schema_descriptors_size};
    reflection_request *request = (reflection_request *)edge_call_request(call);
    reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    struct descriptor_file file;
    bool found = false;
    (void)self;
    response.valid_host = request->host;
    response.original_request = request;
    switch (request->message_request_case) {
    case ASKS(LIST_SERVICES):
        answer_services(call, &response, turn);
        return;
    case ASKS(FILE_BY_FILENAME):
        found = descriptors_by_name(&set, request->file_by_filename,
                                    strlen(request->file_by_filename), &file);
        break;
    case ASKS(FILE_CONTAINING_SYMBOL):
        found = descriptors_by_symbol(&set, request->file_containing_symbol, &file);
        break;
    case ASKS(FILE_CONTAINING_EXTENSION):
    case ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE):
        break; /* proto3 has no extensions: none is found */
    default:
        answer_error(call, &response, STATUS_INVALID, turn);
        return;
    }
    if (found)
        answer_file(call, &response, &file, turn);
    else
        answer_error(call, &response, STATUS_NOT_FOUND, turn);
}

#define REFLECTION_METHOD(version) \
    { \
        .path = "/grpc.reflection." version ".ServerReflection/ServerReflectionInfo", \
        .request = &grpc__reflection__v1__server_reflection_request__descriptor, \
        .response = &grpc__reflection__v1__server_reflection_response__descriptor, .stream = true, \
        .both = true, .deadline_ms = EDGE_NO_DEADLINE, .body_max = 64 * 1024, .run = run, \
    }
static const struct edge_method v1[] = {REFLECTION_METHOD("v1")};
static const struct edge_method v1alpha[] = {REFLECTION_METHOD("v1alpha")};

const struct edge_service edge_reflection_v1 = {
    .name = "grpc.reflection.v1.ServerReflection",
    .methods = v1,
    .n_methods = 1,
};
const struct edge_service edge_reflection_v1alpha = {
    .name = "grpc.reflection.v1alpha.ServerReflection",
    .methods = v1alpha,
    .n_methods = 1,
};
