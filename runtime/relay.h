/* relay: the first lane's side of the link to other processes. Everything on that lane's thread,
 * but open and close. Private to runtime/. */
#ifndef RUNTIME_RELAY_H
#define RUNTIME_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/keyring.h"
#include "runtime/status.h"

struct link_peer;
struct link_security;
struct node;
struct node_options;
struct parcel;
struct rebuff;
struct relay;

/* link_open's failures. The descriptor joins the first lane's set. */
MUST_USE enum status
relay_open(struct node *node, const struct node_options *options, struct relay **out);
/* After the lanes ended. NULL is fine. */
void relay_close(struct relay *relay);
const char *relay_address(const struct relay *relay);
void relay_send(struct relay *relay, struct parcel *parcel);
void relay_lookup(struct relay *relay, struct parcel *parcel);
void relay_wake(struct relay *relay);
/* True: it had something to send. */
bool relay_flush(struct relay *relay);
void relay_tick(struct relay *relay, uint64_t now_us);
/* When the loop must not sleep beyond; 0: there is more to read now. */
uint64_t relay_due_us(const struct relay *relay);
bool relay_peer(const struct relay *relay, size_t nth, struct link_peer *out);
void relay_security(const struct relay *relay, struct link_security *out);
const struct rebuff *relay_rebuff(const struct relay *relay, size_t nth);
enum keyring_change relay_renew_keys(struct relay *relay, struct keyring *keyring);

#endif
