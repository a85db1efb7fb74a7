/* keyring: who this process is on its links, and whom it lets in: its own CURVE key pair and the
 * public keys of the allowed nodes. Changes by keyring_adopt only; one thread at a time.
 *
 *     own file, mode 0600               allowed keys: a file, or a folder of *.pub files
 *         name worker1                      # one node a line; a node may have several keys
 *         public rq:rM>}U?@Lns4…            worker1 rq:rM>}U?@Lns4…
 *         secret JTKVSB%%)wK0E.X…           gateway Yne@$w-vo<fVvi]…
 *
 * Keys are Z85 (ZeroMQ RFC 32), 40 characters for 32 bytes. Lines that begin with # are remarks. */
#ifndef RUNTIME_KEYRING_H
#define RUNTIME_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/buffer.h"
#include "runtime/status.h"

enum {
    KEY_BYTES = 32,
    KEY_TEXT = 40,
    KEYRING_NAME_MAX = 63,
    KEYRING_NODES_MAX = 4096,
    KEYRING_FILE_MAX = 1024 * 1024,
};

struct keyring;

/* INVALID, NOT_FOUND, DENIED (others may read the own file), IO, NO_MEMORY: why says which file and
 * line, and what to do. */
struct keyring_paths {
    const char *own;
    const char *allowed;
};
MUST_USE enum status
keyring_load(const struct keyring_paths *paths, struct keyring **out, struct buffer *why);
/* The same from text; `own` is wiped. */
MUST_USE enum status
keyring_read(char *own, char *allowed, struct keyring **out, struct buffer *why);
/* The allowed keys of `from`, and its own pair when that is of the same name. `from` is only to be
 * freed after it. */
enum keyring_change {
    KEYRING_SAME,  /* the own pair */
    KEYRING_NEW,   /* another one */
    KEYRING_OTHER, /* another name's: the own pair stays */
};
enum keyring_change keyring_adopt(struct keyring *keyring, struct keyring *from);
/* Wipes the secret. NULL is fine. */
void keyring_free(struct keyring *keyring);

const char *keyring_name(const struct keyring *keyring);
const char *keyring_public(const struct keyring *keyring);
const char *keyring_secret(const struct keyring *keyring);
size_t keyring_count(const struct keyring *keyring);
/* The node with this public key; NULL: not allowed. */
const char *keyring_who(const struct keyring *keyring, const char *key);
/* A key of the node, another one for each `nth` as long as there are some; NULL: it has none. */
const char *keyring_key(const struct keyring *keyring, const char *name, unsigned nth);

/* Letters, digits, dot, dash, underscore; at most KEYRING_NAME_MAX. */
bool keyring_name_fits(const char *name, size_t size);
/* Makes a key pair, writes the own file (0600) and its public key. EXISTS: there is such a file,
 * which is left alone; INVALID: the name; IO. why has words. */
MUST_USE enum status
keyring_make(const char *name, const char *path, char key[KEY_TEXT + 1], struct buffer *why);

#endif
