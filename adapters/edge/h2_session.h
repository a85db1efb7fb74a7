/* h2_session: HTTP/2 of one connection, on nghttp2: gRPC and JSON streams alike. */
#ifndef EDGE_H2_SESSION_H
#define EDGE_H2_SESSION_H

#include "adapters/edge/conn.h"

struct h2_session;

MUST_USE enum status h2_session_new(struct conn *conn, struct h2_session **out);
/* Its calls are left. NULL is fine. */
void h2_session_free(struct h2_session *session, struct turn *turn);
void h2_session_input(struct h2_session *session, const void *data, size_t size, struct turn *turn);
/* Appends frames until CONN_OUTPUT bytes are there or nothing is left to say. */
void h2_session_fill(struct h2_session *session, struct buffer *out, struct turn *turn);
bool h2_session_finished(const struct h2_session *session);
uint64_t h2_session_due(const struct h2_session *session);
void h2_session_late(struct h2_session *session, struct turn *turn);
/* GOAWAY, first without, then with the last stream. */
void h2_session_notice(struct h2_session *session);
void h2_session_drain(struct h2_session *session);

#endif
