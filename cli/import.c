/* import: reading and sending take turns in one thread: the loader waits for the server when
 * everything is in flight, and that holds the reader back. */
#include "cli/import.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/journal.h"
#include "cli/loader.h"
#include "cli/progress.h"
#include "cli/words.h"
#include "runtime/memory.h"
#include "schemas/apigateway.pb-c.h"

enum {
    ID_MAX = 1024,
    PAYLOAD_KEYS_MAX = 64,
    PAYLOAD_BYTES_MAX = 64 * 1024,
    BAD_SHOWN_MAX = 20, /* more are counted, not told */
    PATIENCE_MS = 120 * 1000,
    LINKED_LOOK_MS = 100,
};

struct import {
    struct command_session *session;
    const struct import_options *options;
    struct import_result *result;
    struct reader *reader;
    struct loader *loader;
    struct journal *journal; /* NULL: none */
    struct progress progress;
    uint32_t dimension; /* 0 until the first good row */
    bool journal_told;
    bool stopped; /* a bad row, and --on-error stop */
    char id[ID_MAX + 64];
};

const char *import_judge(const struct reader_row *row,
                         const char *id,
                         uint32_t dimension,
                         char words[IMPORT_WORDS_MAX]) {
    size_t length = strlen(id), bytes = 0;
    if (length < 1 || length > ID_MAX) {
        snprintf(words, IMPORT_WORDS_MAX, "an id of %zu bytes (1 to %d)", length, ID_MAX);
        return words;
    }
    if (dimension && row->dimension != dimension) {
        snprintf(words, IMPORT_WORDS_MAX, "%u components, the collection has %u", row->dimension,
                 dimension);
        return words;
    }
    for (uint32_t i = 0; i < row->dimension; i++) {
        if (isfinite(row->vector[i])) continue;
        snprintf(words, IMPORT_WORDS_MAX, "vector[%u] is %g: not a finite float32", i,
                 (double)row->vector[i]);
        return words;
    }
    for (size_t i = 0; i < row->n_pairs; i++)
        bytes += strlen(row->pairs[i].key) + strlen(row->pairs[i].value);
    if (row->n_pairs <= PAYLOAD_KEYS_MAX && bytes <= PAYLOAD_BYTES_MAX) return NULL;
    snprintf(words, IMPORT_WORDS_MAX, "a payload of %zu keys and %zu bytes (at most %d and %d)",
             row->n_pairs, bytes, PAYLOAD_KEYS_MAX, PAYLOAD_BYTES_MAX);
    return words;
}

/* Counts a bad row; true: go on. */
static bool take_bad(struct import *import, const char *words) {
    import->result->bad++;
    progress_stop(&import->progress);
    if (!import->options->skip_bad) {
        import->stopped = true;
        command_fail("%s; nothing behind this row was read (--on-error skip leaves bad rows out)",
                     words);
        return false;
    }
    if (import->result->bad <= BAD_SHOWN_MAX) command_fail("skipped: %s", words);
    if (import->result->bad == BAD_SHOWN_MAX) command_fail("more bad rows are counted, not shown");
    return true;
}

static void on_acked(void *context, const uint64_t *rows, size_t n) {
    struct import *import = context;
    import->result->sent += n;
    if (!import->journal) return;
    journal_add(import->journal, rows, n);
    if (!journal_failed(import->journal) || import->journal_told) return;
    import->journal_told = true;
    command_fail("the journal cannot be written: if this import is interrupted it starts anew");
}

static bool on_refused(void *context, uint64_t row, const char *text) {
    struct import *import = context;
    char words[READER_WORDS_MAX];
    snprintf(words, sizeof words, "%s: row %" PRIu64 ": refused: %.300s", import->options->path,
             row, text);
    return take_bad(import, words);
}

/* --- before the first row
 * ------------------------------------------------------------------------------ */

static int describe(struct import *import) {
    Vectron__V1__GetCollectionStatusRequest request =
        VECTRON__V1__GET_COLLECTION_STATUS_REQUEST__INIT;
    request.name = (char *)import->options->collection.name;
    struct client_call call = {"GetCollectionStatus", &request.base,
                               &vectron__v1__get_collection_status_response__descriptor};
    struct client_result result;
    enum { NOT_FOUND = 5 };
    if (client_run(import->session->client, &call, &result) != STATUS_OK)
        return command_fail("out of memory");
    if (result.code == NOT_FOUND)
        return command_fail("collection \"%s\" not found; --create makes it", request.name);
    if (result.code != 0) return command_refused(&result);
    const Vectron__V1__GetCollectionStatusResponse *reply = (void *)result.reply;
    import->dimension = (uint32_t)reply->dimension;
    client_reply_free(result.reply);
    return EXIT_OK;
}

static int prepare_collection(struct import *import, uint32_t dimension) {
    struct corpus_collection collection = import->options->collection;
    collection.dimension = dimension;
    int code = import->options->create ? corpus_create(import->session, &collection) : EXIT_OK;
    return code == EXIT_OK ? describe(import) : code;
}

/* Two imports are the same when file, target and ids are. */
static int open_journal(struct import *import) {
    const struct import_options *options = import->options;
    struct stat about = {0};
    char *path = realpath(options->path, NULL);
    bool none = !path || stat(path, &about) != 0 || (options->journal && !*options->journal);
    struct buffer key, file;
    buffer_init(&key);
    buffer_init(&file);
    buffer_printf(&key, "%s %lld %lld %s %s %s", path ? path : "", (long long)about.st_size,
                  (long long)about.st_mtime, options->collection.name,
                  client_address(import->session->client), options->id_prefix);
    free(path);
    if (options->journal)
        buffer_printf(&file, "%s", options->journal);
    else
        buffer_printf(&file, "%s.import/%016" PRIx64,
                      config_text(import->session->config, "VECTRON_DATA_DIR"),
                      words_hash((char *)key.data, key.size, 0));
    int code = EXIT_OK;
    const char *words = "out of memory";
    if (!none && !key.failed && !file.failed) {
        struct journal_options about_journal = {(char *)file.data, (char *)key.data,
                                                options->fresh};
        if (journal_open(&about_journal, &import->journal, &words) != STATUS_OK)
            code = command_fail(
                "cannot keep the journal %s: %s (--resume names another file, --resume '' does without)",
                (char *)file.data, words);
    }
    buffer_free(&key);
    buffer_free(&file);
    return code;
}

static int open_all(struct import *import) {
    const struct import_options *options = import->options;
    struct reader_options from = {
        .path = options->path, .format = options->format, .dataset = options->dataset};
    char words[READER_WORDS_MAX];
    if (reader_open(&from, &import->reader, words) != STATUS_OK) return command_fail("%s", words);
    struct loader_options to = {
        .client = import->session->client,
        .collection = options->collection.name,
        .batch = options->batch,
        .concurrency = options->concurrency,
        .patience_ms = PATIENCE_MS,
        .acked = on_acked,
        .refused = on_refused,
        .context = import,
    };
    if (options->bulk) client_say(import->session->client, "vectron-bulk: 1");
    if (loader_open(&to, &import->loader) != STATUS_OK) return command_fail("out of memory");
    return open_journal(import);
}

/* --- rows
 * ------------------------------------------------------------------------------------------------
 */

static int send_row(struct import *import, const struct reader_row *row) {
    char number[24], words[IMPORT_WORDS_MAX], text[READER_WORDS_MAX];
    snprintf(number, sizeof number, "%" PRIu64, row->row);
    const char *id = row->id ? row->id : number;
    /* What does not fit the buffer is judged as too long below. */
    snprintf(import->id, sizeof import->id, "%s%s", import->options->id_prefix, id);

    if (import->dimension == 0) {
        int code = prepare_collection(import, row->dimension);
        if (code != EXIT_OK) return code;
    }
    const char *wrong = import_judge(row, import->id, import->dimension, words);
    if (wrong) {
        if (row->line)
            snprintf(text, sizeof text, "%s: line %" PRIu64 ": %s", import->options->path,
                     row->line, wrong);
        else
            snprintf(text, sizeof text, "%s: row %" PRIu64 ": %s", import->options->path, row->row,
                     wrong);
        return take_bad(import, text) ? EXIT_OK : EXIT_FAILED;
    }
    if (import->journal && journal_has(import->journal, row->row)) {
        import->result->resumed++;
        return EXIT_OK;
    }
    struct loader_point point = {row->row,       import->id, row->vector,
                                 row->dimension, row->pairs, row->n_pairs};
    if (loader_add(import->loader, &point) == STATUS_OK) return EXIT_OK;
    return import->stopped ? EXIT_FAILED : command_fail("%s", loader_words(import->loader));
}

static int read_rows(struct import *import) {
    const struct import_options *options = import->options;
    for (;;) {
        struct reader_row row;
        if (options->limit && import->result->rows == options->limit) return EXIT_OK;
        enum status status = reader_next(import->reader, &row);
        if (status == STATUS_OK && row.end) return EXIT_OK;
        import->result->rows++;
        if (status == STATUS_INVALID) {
            if (!take_bad(import, reader_words(import->reader))) return EXIT_FAILED;
            continue;
        }
        if (status != STATUS_OK) return command_fail("%s", reader_words(import->reader));
        int code = send_row(import, &row);
        if (code != EXIT_OK) return code;
        progress_show(&import->progress, import->result->sent + import->result->resumed,
                      reader_progress(import->reader));
    }
}

/* --- behind the last row
 * ---------------------------------------------------------------------------------- */

/* Points and how many of them wait to be linked, over the shards that say. */
static int count_waiting(struct import *import, uint64_t *points, uint64_t *waiting) {
    Vectron__V1__GetCollectionStatusRequest request =
        VECTRON__V1__GET_COLLECTION_STATUS_REQUEST__INIT;
    request.name = (char *)import->options->collection.name;
    struct client_call call = {"GetCollectionStatus", &request.base,
                               &vectron__v1__get_collection_status_response__descriptor};
    int code;
    ProtobufCMessage *message = command_call(import->session, &call, &code);
    if (!message) return code;
    const Vectron__V1__GetCollectionStatusResponse *reply = (void *)message;
    *points = *waiting = 0;
    for (size_t i = 0; i < reply->n_shards; i++) {
        *points += reply->shards[i]->points;
        *waiting += reply->shards[i]->waiting;
        *waiting += !reply->shards[i]->state[0]; /* it did not say */
    }
    client_reply_free(message);
    return EXIT_OK;
}

static int wait_linked(struct import *import, double before) {
    const struct timespec pause = {.tv_nsec = LINKED_LOOK_MS * 1000000};
    struct progress progress;
    uint64_t points = 0, waiting = 1;
    int code = EXIT_OK;
    progress_start(&progress, "vectors linked", import->options->quiet);
    while (code == EXIT_OK && waiting > 0) {
        code = count_waiting(import, &points, &waiting);
        uint64_t linked = points > waiting ? points - waiting : 0;
        progress_show(&progress, linked, points ? (double)linked / (double)points : 1);
        if (code == EXIT_OK && waiting > 0) nanosleep(&pause, NULL);
    }
    import->result->linked_seconds = before + progress_stop(&progress);
    return code;
}

int import_run(struct command_session *session,
               const struct import_options *options,
               struct import_result *out) {
    *out = (struct import_result){0};
    struct import *import = mem_zero(1, sizeof *import);
    if (!import) return command_fail("out of memory");
    import->session = session;
    import->options = options;
    import->result = out;
    int code = open_all(import);
    if (code == EXIT_OK && import->journal && journal_count(import->journal) && !options->quiet)
        fprintf(stderr, "resuming: %" PRIu64 " rows are acknowledged already (--fresh sends all)\n",
                journal_count(import->journal));
    progress_start(&import->progress, "vectors", options->quiet);
    import->progress.base = import->journal ? journal_count(import->journal) : 0;
    if (code == EXIT_OK) code = read_rows(import);
    /* What was read before a failure is still sent: the journal knows it then. */
    if (import->loader && loader_finish(import->loader) != STATUS_OK && code == EXIT_OK)
        code = import->stopped ? EXIT_FAILED : command_fail("%s", loader_words(import->loader));
    out->seconds = progress_stop(&import->progress);
    if (code == EXIT_OK && options->bulk) code = wait_linked(import, out->seconds);
    if (import->loader) out->retries = loader_retries(import->loader);
    journal_close(import->journal, code == EXIT_OK && options->limit == 0);
    loader_close(import->loader);
    reader_close(import->reader);
    mem_free(import);
    return code;
}
