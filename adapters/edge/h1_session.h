/* h1_session: HTTP/1.1 of one connection: one request after the other, answered in order. */
#ifndef EDGE_H1_SESSION_H
#define EDGE_H1_SESSION_H

#include "adapters/edge/conn.h"

struct h1_session;

MUST_USE enum status h1_session_new(struct conn *conn, struct h1_session **out);
/* Its call is left. NULL is fine. */
void h1_session_free(struct h1_session *session, struct turn *turn);
void h1_session_input(struct h1_session *session, const void *data, size_t size, struct turn *turn);
/* False while a request is being answered: what the client sends on waits in the kernel. */
bool h1_session_wants_input(const struct h1_session *session);
/* Appends until about CONN_OUTPUT bytes are there or nothing is left to say. */
void h1_session_fill(struct h1_session *session, struct buffer *out, struct turn *turn);
bool h1_session_finished(const struct h1_session *session);
uint64_t h1_session_due(const struct h1_session *session);
void h1_session_late(struct h1_session *session, struct turn *turn);
/* The connection ends behind the request under way. */
void h1_session_drain(struct h1_session *session);

#endif
