/* address: listeners and links as people write them, to what the sockets take. Any thread. */
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

enum { ADDRESS_MAX = 512 };

/* A listener as it is opened: ":8081" becomes loopback, or every interface when insecure. */
void address_listen(const char *text, bool insecure, char out[ADDRESS_MAX]);
/* A link address as ZeroMQ takes it: "127.0.0.1:7001" → "tcp://127.0.0.1:7001"; "none" → "". */
void address_link(const char *text, bool insecure, char out[ADDRESS_MAX]);
/* Each of a comma-separated list through address_link. */
void address_links(const char *list, char out[ADDRESS_MAX]);
/* The same of a list of members, "1:HOST:PORT,2:HOST:PORT": "1:tcp://HOST:PORT,…". */
void address_members(const char *list, char out[ADDRESS_MAX]);
/* One of the comma-separated links leaves this machine without the name of a node, so without keys.
 */
bool address_open_link(const char *list);
/* True for 127.0.0.0/8, ::1, localhost, a missing host, ipc. */
bool address_loopback(const char *address);

#endif
