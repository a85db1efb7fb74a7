/* traceparent: the W3C Trace Context header, both ways: https://www.w3.org/TR/trace-context/.
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *     version, trace id, id of the caller's span, flags (1: sampled); lower-case hexadecimal */
#ifndef EDGE_TRACEPARENT_H
#define EDGE_TRACEPARENT_H

#include <stdbool.h>

#include "runtime/turn.h"

enum { TRACEPARENT_SIZE = 55 };

/* False: not valid, and to be treated as absent. Later versions are read as this one. */
bool traceparent_read(const char *text, struct root_span *out);
/* What an answer carries as "traceresponse": our trace and span. text has TRACEPARENT_SIZE + 1
 * bytes. */
void traceparent_write(const struct root_span *root, char *text);

#endif
