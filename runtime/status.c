/* status: names, texts and codes, all from STATUS_LIST. */
#include "runtime/status.h"

#include <stddef.h>

static const struct {
    const char *name;
    const char *text;
    int grpc;
    int http;
} rows[STATUS_COUNT] = {
#define STATUS_ROW(name, text, grpc, http) [name] = {#name, text, grpc, http},
    STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static size_t row(enum status status) {
    return (size_t)status < STATUS_COUNT ? (size_t)status : STATUS_INTERNAL;
}

const char *status_name(enum status status) {
    if ((size_t)status >= STATUS_COUNT) return "UNKNOWN";
    return rows[status].name + sizeof "STATUS_" - 1;
}

const char *status_text(enum status status) {
    return rows[row(status)].text;
}

int status_grpc(enum status status) {
    return rows[row(status)].grpc;
}

int status_http(enum status status) {
    return rows[row(status)].http;
}
