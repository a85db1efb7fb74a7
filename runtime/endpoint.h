/* endpoint: addresses of ZeroMQ sockets between processes: tcp:// and ipc://. A tcp address may
 * name the node there, tcp://NAME@HOST:PORT: then the connection is a CURVE one, to that node's
 * key. */
#ifndef RUNTIME_ENDPOINT_H
#define RUNTIME_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/keyring.h"
#include "runtime/status.h"

enum { ENDPOINT_MAX = 127 };

/* Binds and writes the address that was really bound, a picked port in it. INVALID: malformed or
 * another transport; EXISTS: in use, also by a process that serves the same ipc socket (ZeroMQ
 * alone would take it over in silence); IO: not ours to bind. An ipc folder that is not there is
 * made, for this user only. */
MUST_USE enum status endpoint_bind(void *socket, const char *address, char *bound, size_t size);
/* Starts connecting; the node's name is left out. INVALID: malformed or another transport. */
MUST_USE enum status endpoint_connect(void *socket, const char *address);

/* Copies the node's name, "" when there is none. False: what is before the @ is no name. */
bool endpoint_name(const char *address, char name[KEYRING_NAME_MAX + 1]);
bool endpoint_is_tcp(const char *address);
/* A tcp address of a network: not 127.0.0.0/8, ::1, localhost. */
bool endpoint_is_open(const char *address);

#endif
