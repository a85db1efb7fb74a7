/* endpoint: addresses of ZeroMQ sockets between processes: tcp:// and ipc://. */
#ifndef RUNTIME_ENDPOINT_H
#define RUNTIME_ENDPOINT_H

#include <stddef.h>

#include "runtime/status.h"

enum { ENDPOINT_MAX = 127 };

/* Binds and writes the address that was really bound, a picked port in it. INVALID: malformed or
 * another transport; EXISTS: in use, also by a process that serves the same ipc socket (ZeroMQ
 * alone would take it over in silence); IO: not ours to bind. An ipc folder that is not there is
 * made, for this user only. */
MUST_USE enum status endpoint_bind(void *socket, const char *address, char *bound, size_t size);
/* Starts connecting. INVALID: malformed or another transport. */
MUST_USE enum status endpoint_connect(void *socket, const char *address);

#endif
