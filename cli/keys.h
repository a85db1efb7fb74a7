/* keys: VECTRON_KEY_FILE and VECTRON_ALLOWED_KEYS, for servers and tools. */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include "cli/config.h"

struct keyring;
struct node;

/* The keys that the settings name; NULL when they name none. Owned. Returns an exit code, having
 * said why it failed. */
int keys_load(const struct config *config, struct keyring **out);
/* The allowed keys of a running server anew; wrong files leave the old ones and are logged. */
void keys_reload(const struct config *config, struct node *node);
/* A small node to ask other processes from, with the client's keys. Returns an exit code. */
int keys_open_tool(const struct config *config, struct node **out);

#endif
