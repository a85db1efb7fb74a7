/* env_file: the syntax of settings files, one KEY=value a line.
 *
 *   # a comment                       a whole line, or after white space behind an unquoted value
 *   export KEY=value                  "export " is optional
 *   KEY="value # kept"  # comment     quotes, single or double, keep everything between them
 *
 * The original did not cut trailing comments, so that its own sample file could not be used; here
 * they are cut. A value that has " #" in it needs quotes. */
#ifndef CLI_ENV_FILE_H
#define CLI_ENV_FILE_H

#include <stdbool.h>

#include "runtime/buffer.h"
#include "runtime/status.h"

struct env_entry {
    const char *name; /* borrowed until the callback returns */
    const char *value;
    unsigned line;
    bool comment_cut; /* a trailing comment was there */
};
typedef enum status (*env_entry_take)(void *context, const struct env_entry *entry);

/* Calls take for each entry of the text, in order. INVALID: why names the line. Whatever take
 * fails with ends the reading. text is changed in place and ended by NUL. */
MUST_USE enum status
env_file_parse(char *text, env_entry_take take, void *context, struct buffer *why);

#endif
