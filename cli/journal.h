/* journal: which rows of an import the server has acknowledged, so that a killed import goes on
 * where it was.
 *
 *   vectron-import 1\n
 *   KEY\n                      what is imported into what; another key starts anew
 *   FIRST COUNT\n …            acknowledged rows, in any order
 *
 * Lines are appended after each acknowledgement. One that was cut by a kill is dropped: its rows
 * are sent again, which is safe. */
#ifndef CLI_JOURNAL_H
#define CLI_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

struct journal;

/* Opens or makes the file (folders too). fresh: forget what is in it. IO: *words has the reason. */
struct journal_options {
    const char *path;
    const char *key; /* one line */
    bool fresh;
};
MUST_USE enum status
journal_open(const struct journal_options *options, struct journal **out, const char **words);
/* Closes; complete removes the file. NULL is fine. */
void journal_close(struct journal *journal, bool complete);
bool journal_has(const struct journal *journal, uint64_t row);
/* Rows acknowledged in earlier runs. */
uint64_t journal_count(const struct journal *journal);
/* Rows are ascending. A failure to write is remembered: the import goes on without a journal. */
void journal_add(struct journal *journal, const uint64_t *rows, size_t n);
bool journal_failed(const struct journal *journal);

#endif
