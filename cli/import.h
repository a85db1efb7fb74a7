/* import: rows of a reader into a collection: judged one by one, sent in batches, remembered in a
 * journal. */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "cli/command.h"
#include "cli/corpus.h"
#include "cli/reader/reader.h"

struct import_options {
    const char *path;
    const char *format;                  /* NULL: found out */
    const char *dataset;                 /* hdf5 */
    struct corpus_collection collection; /* dimension: of the file */
    bool create;
    const char *id_prefix;
    uint32_t batch;
    uint32_t concurrency;
    uint64_t limit; /* rows; 0: all */
    bool bulk; /* and wait until all of the collection's points are linked */
    bool skip_bad;
    const char *journal; /* NULL: the default one; "": none */
    bool fresh;
    bool quiet;
};

struct import_result {
    uint64_t rows;    /* read */
    uint64_t sent;    /* acknowledged in this run */
    uint64_t resumed; /* acknowledged by an earlier run */
    uint64_t bad;
    uint64_t retries;
    double seconds;
    double linked_seconds; /* bulk: from the start until nothing waits */
};

/* Says on stderr what goes wrong. Returns an exit code; *out is filled in any case. */
int import_run(struct command_session *session,
               const struct import_options *options,
               struct import_result *out);

enum { IMPORT_WORDS_MAX = 256 };
/* Why the server would refuse this row; NULL: it would not. words holds the text. */
const char *import_judge(const struct reader_row *row,
                         const char *id,
                         uint32_t dimension,
                         char words[IMPORT_WORDS_MAX]);

#endif
