/* client: one curl easy handle a call on one multi handle; with TLS all calls share a connection. A
 * gRPC body is one byte (0: not compressed), four of length, the message; its outcome comes in
 * headers or trailers. */
#include "cli/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/buffer.h"
#include "runtime/memory.h"

enum {
    FRAME_HEAD = 5,
    REPLY_MAX = 256 * 1024 * 1024,
    TEXT_MAX = 2048,
    UPLOAD_BYTES = 512 * 1024,

    CODE_UNKNOWN = 2,
    CODE_DEADLINE = 4,
    CODE_INTERNAL = 13,
    CODE_UNAVAILABLE = 14,
};

struct transfer {
    struct transfer *next; /* of the idle ones, or of all in flight */
    struct client *client;
    CURL *easy;                 /* owned; kept for the next call */
    struct curl_slist *headers; /* owned */
    struct buffer request;
    struct buffer reply;
    const ProtobufCMessageDescriptor *type;
    client_done done;
    void *context;
    int code; /* -1: not told */
    uint32_t retry_after_ms;
    char text[TEXT_MAX];
    char error[CURL_ERROR_SIZE];
};

struct client {
    CURLM *multi;
    char *url;        /* "http://host:port", owned */
    char *bearer;     /* "authorization: Bearer …", owned; NULL: none */
    const char *said; /* borrowed; NULL: nothing besides */
    char *ca_file;    /* owned; NULL: the system's */
    uint64_t timeout_ms;
    size_t in_flight;
    struct transfer *flying; /* owned */
    struct transfer *idle;   /* owned */
    char text[TEXT_MAX];     /* of the last client_run */
};

static const char *const code_names[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

const char *client_code_name(int code) {
    size_t n = sizeof code_names / sizeof *code_names;
    return code >= 0 && (size_t)code < n ? code_names[code] : "UNKNOWN";
}

bool client_code_passes(int code) {
    return code == 8 || code == 10 || code == CODE_UNAVAILABLE;
}

/* --- what curl calls
 * ------------------------------------------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t n, void *context) {
    struct transfer *transfer = context;
    if (transfer->reply.size + size * n > REPLY_MAX + FRAME_HEAD) return 0;
    buffer_append(&transfer->reply, data, size * n);
    return transfer->reply.failed ? 0 : size * n;
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* grpc-message is percent-encoded; what is not is taken as it is. */
static void decode_message(const char *from, size_t n, char *to, size_t room) {
    size_t used = 0;
    for (size_t i = 0; i < n && used + 1 < room; i++) {
        bool coded = from[i] == '%' && i + 2 < n && hex(from[i + 1]) >= 0 && hex(from[i + 2]) >= 0;
        to[used++] = coded ? (char)(hex(from[i + 1]) * 16 + hex(from[i + 2])) : from[i];
        if (coded) i += 2;
    }
    to[used] = 0;
}

/* The value of the header `name`, NULL when the line is another one. */
static const char *header_value(const char *line, size_t n, const char *name, size_t *size) {
    size_t length = strlen(name);
    if (n <= length || line[length] != ':' || strncasecmp(line, name, length) != 0) return NULL;
    const char *value = line + length + 1, *end = line + n;
    while (value < end && *value == ' ')
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    *size = (size_t)(end - value);
    return value;
}

static int number_of(const char *value, size_t size) {
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)size, value);
    return (int)strtol(text, NULL, 10);
}

/* Headers and trailers both come here. */
static size_t take_header(char *data, size_t size, size_t n, void *context) {
    struct transfer *transfer = context;
    size_t line = size * n, length;
    const char *value;
    if ((value = header_value(data, line, "grpc-status", &length)))
        transfer->code = number_of(value, length);
    else if ((value = header_value(data, line, "grpc-message", &length)))
        decode_message(value, length, transfer->text, sizeof transfer->text);
    else if ((value = header_value(data, line, "grpc-retry-pushback-ms", &length)))
        transfer->retry_after_ms = (uint32_t)number_of(value, length);
    else if ((value = header_value(data, line, "retry-after", &length)) &&
             !transfer->retry_after_ms)
        transfer->retry_after_ms = (uint32_t)number_of(value, length) * 1000;
    return line;
}

/* --- transfers
 * -------------------------------------------------------------------------------------- */

static void transfer_free(struct transfer *transfer) {
    if (transfer->easy) curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    buffer_free(&transfer->request);
    buffer_free(&transfer->reply);
    mem_free(transfer);
}

static bool add_header(struct transfer *transfer, const char *line) {
    struct curl_slist *headers = curl_slist_append(transfer->headers, line);
    if (headers) transfer->headers = headers;
    return headers != NULL;
}

static struct transfer *transfer_new(struct client *client) {
    struct transfer *transfer = mem_zero(1, sizeof *transfer);
    if (!transfer) return NULL;
    transfer->client = client;
    transfer->easy = curl_easy_init();
    char timeout[48];
    snprintf(timeout, sizeof timeout, "grpc-timeout: %llum",
             (unsigned long long)client->timeout_ms);
    bool ok = transfer->easy && add_header(transfer, "content-type: application/grpc") &&
              add_header(transfer, "te: trailers") && add_header(transfer, timeout) &&
              add_header(transfer, "user-agent: vectron-cli/" VECTRON_VERSION) &&
              (!client->bearer || add_header(transfer, client->bearer)) &&
              (!client->said || add_header(transfer, client->said));
    if (!ok) {
        transfer_free(transfer);
        return NULL;
    }
    CURL *easy = transfer->easy;
    bool tls = strncmp(client->url, "https://", 8) == 0;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     tls ? (long)CURL_HTTP_VERSION_2TLS
                         : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    if (client->ca_file) curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (tls) {
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    } else {
        /* curl 7.88, Debian 12's, cannot use an h2c connection twice ("Error in the HTTP2 framing
         * layer", before it sends a byte): a connection a call. */
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BYTES);
    /* A proxy of the environment does not speak h2c to a database on the same host. */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    /* A little later than the server, whose words are better. */
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)client->timeout_ms + 500);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    return transfer;
}

static bool encode(struct transfer *transfer, const ProtobufCMessage *request) {
    size_t size = protobuf_c_message_get_packed_size(request);
    buffer_clear(&transfer->request);
    unsigned char *at = buffer_reserve(&transfer->request, FRAME_HEAD + size);
    if (!at || size > UINT32_MAX) return false;
    at[0] = 0;
    for (int i = 0; i < 4; i++)
        at[1 + i] = (unsigned char)(size >> (24 - 8 * i));
    protobuf_c_message_pack(request, at + FRAME_HEAD);
    transfer->request.size += FRAME_HEAD + size;
    return true;
}

enum status client_start(struct client *client,
                         const struct client_call *call,
                         client_done done,
                         void *context) {
    struct transfer *transfer = client->idle;
    if (transfer)
        client->idle = transfer->next;
    else
        transfer = transfer_new(client);
    if (!transfer) return STATUS_NO_MEMORY;
    char url[1024];
    snprintf(url, sizeof url, "%s/vectron.v1.VectronService/%s", client->url, call->method);
    buffer_clear(&transfer->reply);
    transfer->type = call->reply;
    transfer->done = done;
    transfer->context = context;
    transfer->code = -1;
    transfer->retry_after_ms = 0;
    *transfer->text = *transfer->error = 0;
    if (!encode(transfer, call->request)) {
        transfer_free(transfer);
        return STATUS_NO_MEMORY;
    }
    curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, transfer->request.data);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)transfer->request.size);
    if (curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK) {
        transfer_free(transfer);
        return STATUS_NO_MEMORY;
    }
    transfer->next = client->flying;
    client->flying = transfer;
    client->in_flight++;
    return STATUS_OK;
}

static void unlink_flying(struct client *client, const struct transfer *transfer) {
    struct transfer **at = &client->flying;
    while (*at != transfer)
        at = &(*at)->next;
    *at = transfer->next;
    client->in_flight--;
}

/* What the transport says, when gRPC said nothing. */
static void judge_transport(struct transfer *transfer, CURLcode code) {
    if (code == CURLE_OPERATION_TIMEDOUT) {
        transfer->code = CODE_DEADLINE;
        snprintf(transfer->text, sizeof transfer->text, "no answer from %s in time",
                 transfer->client->url);
        return;
    }
    if (code != CURLE_OK) {
        transfer->code = CODE_UNAVAILABLE;
        snprintf(transfer->text, sizeof transfer->text, "%s: %s", transfer->client->url,
                 *transfer->error ? transfer->error : curl_easy_strerror(code));
        return;
    }
    long http = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http);
    transfer->code = http == 503 ? CODE_UNAVAILABLE : CODE_UNKNOWN;
    snprintf(transfer->text, sizeof transfer->text,
             "%s answered HTTP %ld without a gRPC status: is it a Vectron gRPC port?",
             transfer->client->url, http);
}

static ProtobufCMessage *decode(const struct transfer *transfer) {
    const unsigned char *data = transfer->reply.data;
    size_t size = transfer->reply.size;
    if (size < FRAME_HEAD || data[0] != 0) return NULL;
    size_t length = (size_t)data[1] << 24 | (size_t)data[2] << 16 | (size_t)data[3] << 8 | data[4];
    if (length != size - FRAME_HEAD) return NULL;
    return protobuf_c_message_unpack(transfer->type, NULL, length, data + FRAME_HEAD);
}

static void finish(struct client *client, CURLMsg *message) {
    struct transfer *transfer = NULL;
    CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
    curl_multi_remove_handle(client->multi, transfer->easy);
    unlink_flying(client, transfer);
    bool unreached = transfer->code < 0 && code == CURLE_COULDNT_CONNECT;
    if (transfer->code < 0) judge_transport(transfer, code);
    struct client_result result = {
        .code = transfer->code, .retry_after_ms = transfer->retry_after_ms, .unreached = unreached};
    if (result.code == 0) {
        *transfer->text = 0;
        result.reply = decode(transfer);
        if (!result.reply) {
            result.code = CODE_INTERNAL;
            snprintf(transfer->text, sizeof transfer->text, "the reply cannot be decoded");
        }
    }
    result.text = transfer->text;
    transfer->done(transfer->context, &result);
    transfer->next = client->idle;
    client->idle = transfer;
}

size_t client_wait(struct client *client, unsigned timeout_ms) {
    int running = 0, left;
    curl_multi_perform(client->multi, &running);
    size_t before = client->in_flight;
    if ((size_t)running == before && before > 0) {
        curl_multi_poll(client->multi, NULL, 0, (int)timeout_ms, NULL);
        curl_multi_perform(client->multi, &running);
    }
    CURLMsg *message;
    while ((message = curl_multi_info_read(client->multi, &left)))
        if (message->msg == CURLMSG_DONE) finish(client, message);
    return client->in_flight;
}

struct waiting {
    struct client *client;
    struct client_result *result;
    bool done;
};

static void take_result(void *context, struct client_result *result) {
    struct waiting *waiting = context;
    snprintf(waiting->client->text, sizeof waiting->client->text, "%s", result->text);
    *waiting->result = *result;
    waiting->result->text = waiting->client->text;
    waiting->done = true;
}

enum status
client_run(struct client *client, const struct client_call *call, struct client_result *out) {
    struct waiting waiting = {.client = client, .result = out};
    enum status status = client_start(client, call, take_result, &waiting);
    while (status == STATUS_OK && !waiting.done)
        client_wait(client, 1000);
    return status;
}

/* --- open and close
 * ----------------------------------------------------------------------------------- */

static char *url_of(const char *address) {
    struct buffer url;
    buffer_init(&url);
    buffer_printf(&url, "%s%s", strstr(address, "://") ? "" : "http://", address);
    char *text = url.failed ? NULL : mem_string((char *)url.data);
    buffer_free(&url);
    return text;
}

enum status client_open(const struct client_options *options, struct client **out) {
    static bool started; /* the command line has one thread when it gets here */
    if (!started) curl_global_init(CURL_GLOBAL_DEFAULT);
    started = true;
    struct client *client = mem_zero(1, sizeof *client);
    if (!client) return STATUS_NO_MEMORY;
    client->timeout_ms = options->timeout_ms;
    client->multi = curl_multi_init();
    client->url = url_of(options->address);
    bool ok = client->multi && client->url;
    if (ok && options->token && *options->token) {
        struct buffer line;
        buffer_init(&line);
        buffer_printf(&line, "authorization: Bearer %s", options->token);
        client->bearer = line.failed ? NULL : mem_string((char *)line.data);
        buffer_free(&line);
        ok = client->bearer != NULL;
    }
    if (ok && options->ca_file && *options->ca_file) {
        client->ca_file = mem_string(options->ca_file);
        ok = client->ca_file != NULL;
    }
    if (!ok) {
        client_close(client);
        return STATUS_NO_MEMORY;
    }
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    *out = client;
    return STATUS_OK;
}

enum status client_open_config(const struct config *config, struct client **out) {
    struct client_options options = {
        .address = config_text(config, "VECTRON_ADDRESS"),
        .token = config_text(config, "VECTRON_TOKEN"),
        .ca_file = config_text(config, "VECTRON_CA_FILE"),
        .timeout_ms = (uint64_t)config_number(config, "VECTRON_TIMEOUT_MS"),
    };
    return client_open(&options, out);
}

static void free_list(struct client *client, struct transfer *transfer) {
    while (transfer) {
        struct transfer *next = transfer->next;
        curl_multi_remove_handle(client->multi, transfer->easy);
        transfer_free(transfer);
        transfer = next;
    }
}

void client_say(struct client *client, const char *header) {
    client->said = header;
}

void client_close(struct client *client) {
    if (!client) return;
    free_list(client, client->flying);
    free_list(client, client->idle);
    if (client->multi) curl_multi_cleanup(client->multi);
    mem_free(client->url);
    mem_free(client->bearer);
    mem_free(client->ca_file);
    mem_free(client);
}

void client_reply_free(ProtobufCMessage *reply) {
    if (reply) protobuf_c_message_free_unpacked(reply, NULL);
}

const char *client_address(const struct client *client) {
    return client->url;
}
