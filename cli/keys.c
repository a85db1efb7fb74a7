/* keys: see the header. */
#include "cli/keys.h"

#include <stdio.h>

#include "cli/command.h"
#include "runtime/keyring.h"
#include "runtime/log.h"
#include "runtime/node.h"

/* OK with NULL: there are none. */
static enum status load(const struct config *config, struct keyring **out, struct buffer *why) {
    struct keyring_paths paths = {
        .own = config_text(config, "VECTRON_KEY_FILE"),
        .allowed = config_text(config, "VECTRON_ALLOWED_KEYS"),
    };
    *out = NULL;
    return *paths.own ? keyring_load(&paths, out, why) : STATUS_OK;
}

int keys_load(const struct config *config, struct keyring **out) {
    struct buffer why;
    buffer_init(&why);
    int code = EXIT_OK;
    enum status s = load(config, out, &why);
    if (s != STATUS_OK)
        code = command_fail("keys: %.*s", why.size ? (int)why.size : 13,
                            why.size ? (const char *)why.data : "out of memory");
    buffer_free(&why);
    return code;
}

static void renew(struct node *node, struct keyring *keyring) {
    size_t n = keyring_count(keyring);
    char name[KEYRING_NAME_MAX + 1], public[KEY_TEXT + 1];
    snprintf(name, sizeof name, "%s", keyring_name(keyring));
    snprintf(public, sizeof public, "%s", keyring_public(keyring));
    switch (node_renew_keys(node, keyring)) {
    case KEYRING_NEW:
        log_info("this node has a new key now: %s %s", name, public);
        break;
    case KEYRING_OTHER:
        log_error("the old key pair stays: the key file is now of %s; a name is for the process's "
                  "life, restart it",
                  name);
        break;
    case KEYRING_SAME:
        break;
    }
    log_info("%zu allowed keys were read again", n);
}

void keys_reload(const struct config *config, struct node *node) {
    struct keyring *keyring;
    struct buffer why;
    buffer_init(&why);
    enum status s = load(config, &keyring, &why);
    if (s != STATUS_OK) {
        log_error("the old keys stay: %s %.*s", status_name(s), (int)why.size,
                  why.size ? (const char *)why.data : "");
    } else if (keyring) {
        renew(node, keyring);
    }
    buffer_free(&why);
}

int keys_open_tool(const struct config *config, struct node **out) {
    struct keyring *keyring;
    int code = keys_load(config, &keyring);
    if (code != EXIT_OK) return code;
    struct node_options options = {
        .name = "tool",
        .io_lanes = 1,
        .compute_lanes = 1,
        .blocking = 1,
        .unwatched = true,
        .keyring = keyring,
        .insecure = config_on(config, "VECTRON_INSECURE"),
    };
    if (node_open(&options, out) == STATUS_OK) return EXIT_OK;
    return command_fail("%s", node_error());
}
