/* h1: cuts a stream of bytes into HTTP/1.1 requests. The only file that knows http-parser, which
 * has no maintainer any more: another parser can take its place here. Stricter than it: whatever
 * two parsers could read differently (request smuggling) is refused. */
#ifndef EDGE_H1_H
#define EDGE_H1_H

#include "adapters/edge/headers.h"

enum { H1_TARGET_MAX = 8 * 1024, H1_HEADER_MAX = 32 * 1024 };

struct h1; /* opaque */

/* A request's head, collected in an arena of the owner's choice. */
struct h1_head {
    struct arena *arena;     /* in */
    struct headers *headers; /* in */
    const char *verb;        /* static */
    const char *path;        /* in the arena; always begins with '/' or is "*" */
    bool keep_alive;
    bool chunks_allowed; /* the client speaks 1.1: answers may be chunked */
    bool expects_continue;
};

struct h1_failure {
    int http;
    const char *text; /* static */
};

/* Run inside h1_parse. */
struct h1_events {
    /* A request begins. False: no memory. */
    bool (*begin)(void *context, struct h1_head *head);
    void (*head)(void *context, const struct h1_head *head);
    void (*body)(void *context, const void *data, size_t size);
    /* The request is whole: h1_parse returns behind its last byte. */
    void (*end)(void *context);
};

/* events and context are borrowed. NULL: no memory. */
struct h1 *h1_new(const struct h1_events *events, void *context);
void h1_free(struct h1 *h1); /* NULL is fine */
/* Reads until the end of a request, of the data or of its sense; returns how many bytes were used.
 * After a failure (failure->http is not 0) nothing more can be read from this client. */
size_t h1_parse(struct h1 *h1, const void *data, size_t size, struct h1_failure *failure);

#endif
