/* keyring: reading and writing key files. Whatever held a secret is wiped before it is freed. */
#include "runtime/keyring.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "runtime/assert.h"
#include "runtime/listing.h"
#include "runtime/memory.h"

struct node_key {
    char name[KEYRING_NAME_MAX + 1];
    char key[KEY_TEXT + 1];
};

struct keyring {
    char name[KEYRING_NAME_MAX + 1];
    char public[KEY_TEXT + 1];
    char secret[KEY_TEXT + 1];
    size_t n;
    struct node_key *nodes; /* owned */
};

/* --- text --- */

bool keyring_name_fits(const char *name, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])) return false;
    return size > 0 && size <= KEYRING_NAME_MAX;
}

static bool key_fits(const char *text) {
    uint8_t bytes[KEY_BYTES];
    bool fits = strlen(text) == KEY_TEXT && zmq_z85_decode(bytes, text);
    explicit_bzero(bytes, sizeof bytes);
    return fits;
}

/* Cuts the next line off *at and its two words out of it; false: the text is over. A line without
 * words is skipped; one with another number of words gives `second` NULL. */
static bool next_pair(char **at, unsigned *number, char **first, char **second) {
    while (*at && **at) {
        char *line = *at, *save = NULL, *end = strchr(line, '\n');
        if (end) *end = 0;
        *at = end ? end + 1 : NULL;
        ++*number;
        if (line[0] == '#') continue;
        *first = strtok_r(line, " \t\r", &save);
        if (!*first) continue;
        *second = strtok_r(NULL, " \t\r", &save);
        if (*second && strtok_r(NULL, " \t\r", &save)) *second = NULL;
        return true;
    }
    return false;
}

/* Where a field of the own file goes; NULL: no such field. */
static char *own_field(struct keyring *keyring, const char *word) {
    if (strcmp(word, "name") == 0) return keyring->name;
    if (strcmp(word, "public") == 0) return keyring->public;
    if (strcmp(word, "secret") == 0) return keyring->secret;
    return NULL;
}

static enum status read_own(struct keyring *keyring, char *text, struct buffer *why) {
    unsigned line = 0;
    char *word, *value, *at = text, derived[KEY_TEXT + 1];
    while (next_pair(&at, &line, &word, &value)) {
        char *field = own_field(keyring, word);
        bool fits =
            field && value &&
            (field == keyring->name ? keyring_name_fits(value, strlen(value)) : key_fits(value));
        if (!fits) {
            buffer_printf(why,
                          "line %u: wanted are `name NAME`, `public KEY` and `secret KEY`, "
                          "a key being 40 characters of Z85",
                          line);
            return STATUS_INVALID;
        }
        memcpy(field, value, strlen(value) + 1);
    }
    if (!keyring->name[0] || !keyring->public[0] || !keyring->secret[0]) {
        buffer_printf(why, "one of name, public and secret is missing; `vectron admin keygen NAME` "
                           "makes such a file");
        return STATUS_INVALID;
    }
    if (zmq_curve_public(derived, keyring->secret) != 0 || strcmp(derived, keyring->public) != 0) {
        buffer_printf(why, "public and secret are not of one pair");
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status add(struct keyring *keyring, const char *name, const char *key) {
    size_t n = keyring->n;
    if ((n & (n - 1)) == 0) { /* full at each power of two */
        void *more = mem_resize(keyring->nodes, (n ? 2 * n : 1) * sizeof *keyring->nodes);
        if (!more) return STATUS_NO_MEMORY;
        keyring->nodes = more;
    }
    struct node_key *node = &keyring->nodes[keyring->n++];
    memcpy(node->name, name, strlen(name) + 1);
    memcpy(node->key, key, KEY_TEXT + 1);
    return STATUS_OK;
}

static enum status read_allowed(struct keyring *keyring, char *text, struct buffer *why) {
    unsigned line = 0;
    char *name, *key, *at = text;
    while (next_pair(&at, &line, &name, &key)) {
        const char *known = NULL;
        if (!key || !key_fits(key) || !keyring_name_fits(name, strlen(name))) {
            buffer_printf(why,
                          "line %u: wanted is `NAME KEY`: a name of letters, digits, dot, "
                          "dash and underscore, a key of 40 characters of Z85",
                          line);
            return STATUS_INVALID;
        }
        known = keyring_who(keyring, key);
        if (known && strcmp(known, name) == 0) continue;
        if (known) {
            buffer_printf(why, "line %u: the key of %s is also that of %s", line, name, known);
            return STATUS_INVALID;
        }
        if (keyring->n == KEYRING_NODES_MAX) {
            buffer_printf(why, "line %u: more than %d keys", line, (int)KEYRING_NODES_MAX);
            return STATUS_INVALID;
        }
        if (add(keyring, name, key) != STATUS_OK) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

enum status keyring_read(char *own, char *allowed, struct keyring **out, struct buffer *why) {
    struct keyring *keyring = mem_zero(1, sizeof *keyring);
    size_t size = strlen(own);
    enum status s = keyring ? read_own(keyring, own, why) : STATUS_NO_MEMORY;
    explicit_bzero(own, size);
    if (s == STATUS_OK) s = read_allowed(keyring, allowed, why);
    if (s != STATUS_OK) {
        keyring_free(keyring);
        return s;
    }
    *out = keyring;
    return STATUS_OK;
}

/* --- files --- */

static enum status fail_errno(struct buffer *why, const char *path) {
    buffer_printf(why, "%s: %s", path, strerror(errno));
    return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
}

/* The file with a NUL behind it; owned by the caller. `secret`: only the owner may read it. */
static enum status read_file(const char *path, bool secret, char **out, struct buffer *why) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    enum status s = STATUS_OK;
    ssize_t size = 0, n = 0;
    if (fd < 0 || fstat(fd, &facts) != 0) {
        s = fail_errno(why, path);
    } else if (secret && (facts.st_mode & 077)) {
        buffer_printf(why, "%s: others may read it (mode %04o): chmod 600 %s", path,
                      facts.st_mode & 07777u, path);
        s = STATUS_DENIED;
    } else if (!S_ISREG(facts.st_mode) || facts.st_size > KEYRING_FILE_MAX) {
        buffer_printf(why, "%s: not a file of at most %d bytes", path, (int)KEYRING_FILE_MAX);
        s = STATUS_INVALID;
    } else if (!(text = mem_zero(1, (size_t)facts.st_size + 1))) {
        s = STATUS_NO_MEMORY;
    }
    while (text && size < facts.st_size &&
           (n = read(fd, text + size, (size_t)(facts.st_size - size))) > 0)
        size += n;
    if (text && n < 0) s = fail_errno(why, path);
    if (fd >= 0) close(fd);
    if (s != STATUS_OK)
        mem_free(text);
    else
        *out = text;
    return s;
}

static void wipe(char *text, size_t size) {
    if (text) explicit_bzero(text, size);
    mem_free(text);
}

/* Words that keyring_read and its parts wrote get the file's name before them. */
static void name_file(struct buffer *why, const char *path, const struct buffer *words) {
    if (words->size)
        buffer_printf(why, "%s, %.*s", path, (int)words->size, (const char *)words->data);
}

static enum status load_own(struct keyring *keyring, const char *path, struct buffer *why) {
    char *text = NULL;
    struct buffer words;
    enum status s = read_file(path, true, &text, why);
    if (s != STATUS_OK) return s;
    size_t size = strlen(text);
    buffer_init(&words);
    s = read_own(keyring, text, &words);
    name_file(why, path, &words);
    buffer_free(&words);
    wipe(text, size);
    return s;
}

static enum status load_list(struct keyring *keyring, const char *path, struct buffer *why) {
    char *text = NULL;
    struct buffer words;
    enum status s = read_file(path, false, &text, why);
    if (s != STATUS_OK) return s;
    buffer_init(&words);
    s = read_allowed(keyring, text, &words);
    name_file(why, path, &words);
    buffer_free(&words);
    mem_free(text);
    return s;
}

static bool is_key_file(const struct dirent *entry) {
    size_t size = strlen(entry->d_name);
    return size > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + size - 4, ".pub") == 0;
}

static enum status load_allowed(struct keyring *keyring, const char *path, struct buffer *why) {
    DIR *folder = listing_open(path);
    if (!folder && errno == ENOTDIR) return load_list(keyring, path, why);
    if (!folder) return fail_errno(why, path);
    enum status s = STATUS_OK;
    for (struct dirent *entry; s == STATUS_OK && (entry = readdir(folder));) {
        char file[PATH_MAX];
        if (!is_key_file(entry)) continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        s = load_list(keyring, file, why);
    }
    closedir(folder);
    return s;
}

enum status
keyring_load(const struct keyring_paths *paths, struct keyring **out, struct buffer *why) {
    if (!zmq_has("curve")) {
        buffer_printf(why, "this libzmq was built without CURVE");
        return STATUS_UNIMPLEMENTED;
    }
    struct keyring *keyring = mem_zero(1, sizeof *keyring);
    if (!keyring) return STATUS_NO_MEMORY;
    enum status s = load_own(keyring, paths->own, why);
    if (s == STATUS_OK) s = load_allowed(keyring, paths->allowed, why);
    if (s != STATUS_OK) {
        keyring_free(keyring);
        return s;
    }
    *out = keyring;
    return STATUS_OK;
}

enum keyring_change keyring_adopt(struct keyring *keyring, struct keyring *from) {
    mem_free(keyring->nodes);
    keyring->nodes = from->nodes;
    keyring->n = from->n;
    from->nodes = NULL;
    from->n = 0;
    if (strcmp(keyring->name, from->name) != 0) return KEYRING_OTHER;
    if (strcmp(keyring->public, from->public) == 0) return KEYRING_SAME;
    memcpy(keyring->public, from->public, sizeof keyring->public);
    memcpy(keyring->secret, from->secret, sizeof keyring->secret);
    return KEYRING_NEW;
}

void keyring_free(struct keyring *keyring) {
    if (!keyring) return;
    mem_free(keyring->nodes);
    explicit_bzero(keyring, sizeof *keyring);
    mem_free(keyring);
}

/* --- asking --- */

const char *keyring_name(const struct keyring *keyring) {
    return keyring->name;
}

const char *keyring_public(const struct keyring *keyring) {
    return keyring->public;
}

const char *keyring_secret(const struct keyring *keyring) {
    return keyring->secret;
}

size_t keyring_count(const struct keyring *keyring) {
    return keyring->n;
}

const char *keyring_who(const struct keyring *keyring, const char *key) {
    for (size_t i = 0; i < keyring->n; i++)
        if (strcmp(keyring->nodes[i].key, key) == 0) return keyring->nodes[i].name;
    return NULL;
}

const char *keyring_key(const struct keyring *keyring, const char *name, unsigned nth) {
    unsigned n = 0;
    for (size_t i = 0; i < keyring->n; i++)
        n += strcmp(keyring->nodes[i].name, name) == 0;
    if (n == 0) return NULL;
    nth %= n;
    for (size_t i = 0;; i++)
        if (strcmp(keyring->nodes[i].name, name) == 0 && nth-- == 0) return keyring->nodes[i].key;
}

/* --- making --- */

static enum status write_own(int fd, const char *name, const char *key, const char *secret) {
    char text[512];
    int size = snprintf(text, sizeof text,
                        "# The key pair of %s on Vectron's links. Keep it to this machine; others "
                        "are given the line `%s PUBLIC`.\nname %s\npublic %s\nsecret %s\n",
                        name, name, name, key, secret);
    bool written = write(fd, text, (size_t)size) == size && fsync(fd) == 0;
    explicit_bzero(text, sizeof text);
    return written ? STATUS_OK : STATUS_IO;
}

enum status
keyring_make(const char *name, const char *path, char key[KEY_TEXT + 1], struct buffer *why) {
    char secret[KEY_TEXT + 1];
    if (!keyring_name_fits(name, strlen(name))) {
        buffer_printf(why,
                      "\"%s\" is no node's name: letters, digits, dot, dash, underscore, at "
                      "most %d",
                      name, (int)KEYRING_NAME_MAX);
        return STATUS_INVALID;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        bool there = errno == EEXIST;
        buffer_printf(why, "%s: %s%s", path, strerror(errno),
                      there ? "; a key is never overwritten, remove it yourself" : "");
        return there ? STATUS_EXISTS : STATUS_IO;
    }
    enum status s = zmq_curve_keypair(key, secret) == 0 ? STATUS_OK : STATUS_UNIMPLEMENTED;
    if (s != STATUS_OK)
        buffer_printf(why, "this libzmq was built without CURVE");
    else if ((s = write_own(fd, name, key, secret)) != STATUS_OK)
        buffer_printf(why, "%s: %s", path, strerror(errno));
    explicit_bzero(secret, sizeof secret);
    close(fd);
    if (s != STATUS_OK) unlink(path);
    return s;
}
