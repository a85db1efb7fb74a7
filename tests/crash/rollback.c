/* rollback: reads the journal forward to learn what is durable, then walks it backward and undoes
 * the rest. A file is reached by its link files/<id>, so names do not matter to bytes; a name is
 * set to what it named, or to nothing. Undoing is idempotent: an operation that was recorded but
 * not begun is undone as well. */
#include "tests/crash/rollback.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/rng.h"
#include "tests/crash/journal.h"

enum { PAGE = 4096 };

struct event {
    struct record record;
    char *path; /* owned; NULL = none */
    char *old;  /* owned */
    char *new;  /* owned; of a lost write that may have got to the disk in part */
    size_t new_size;
    bool durable;
    bool kept;
    bool torn; /* the first lost write of its file */
};
struct state {
    const char *folder;
    enum loss loss;
    struct rng rng;
    struct event *events;
    size_t n_events;
    uint64_t files; /* highest id */
};

static int fail(const char *doing, const char *what) {
    fprintf(stderr, "powerloss: cannot %s %s: %s\n", doing, what, strerror(errno));
    return -1;
}

/* --- reading --------------------------------------------------------------------------------- */

static bool read_event(FILE *file, struct event *event) {
    *event = (struct event){0};
    struct record *record = &event->record;
    if (fread(record, sizeof *record, 1, file) != 1 || record->magic != RECORD_MAGIC) return false;
    event->path = calloc(1, record->path_bytes + 1u);
    event->old = malloc(record->old_bytes + 1u);
    if (event->path && event->old &&
        fread(event->path, 1, record->path_bytes, file) == record->path_bytes &&
        fread(event->old, 1, record->old_bytes, file) == record->old_bytes)
        return true;
    free(event->path);
    free(event->old);
    return false;
}

static int read_journal(struct state *state) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/journal", state->folder);
    FILE *file = fopen(path, "r");
    if (!file) return errno == ENOENT ? 0 : fail("open", path);
    size_t capacity = 0;
    struct event event;
    while (read_event(file, &event)) {
        if (state->n_events == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            state->events = realloc(state->events, capacity * sizeof *state->events);
            if (!state->events) abort();
        }
        state->events[state->n_events++] = event;
        if (event.record.id > state->files) state->files = event.record.id;
    }
    fclose(file);
    return 0;
}

/* --- what is durable ------------------------------------------------------------------------- */

static bool is_change(const struct event *event) {
    uint32_t kind = event->record.kind;
    return kind == RECORD_WRITE || kind == RECORD_ENTRY || kind == RECORD_FOLDER;
}

static bool covers(const struct event *sync, const struct event *change) {
    const struct record *record = &sync->record;
    if (change->record.sequence > record->upto) return false;
    bool write = change->record.kind == RECORD_WRITE;
    if (record->kind == RECORD_SYNC_ALL) return true;
    if (record->kind == RECORD_SYNC) return write && change->record.id == record->id;
    if (record->kind != RECORD_SYNC_FOLDER || write) return false;
    size_t length = strlen(sync->path);
    return strncmp(change->path, sync->path, length) == 0 && change->path[length] == '/' &&
           !strchr(change->path + length + 1, '/');
}

/* Changes that no sync covered yet are few at any time: everything a sync covers is dropped from
 * the list. */
static void find_durable(struct state *state) {
    size_t *open = malloc((state->n_events + 1) * sizeof *open), n = 0;
    if (!open) abort();
    for (size_t i = 0; i < state->n_events; i++) {
        struct event *event = &state->events[i];
        if (is_change(event)) {
            open[n++] = i;
            continue;
        }
        size_t left = 0;
        for (size_t j = 0; j < n; j++) {
            struct event *change = &state->events[open[j]];
            change->durable = covers(event, change);
            if (!change->durable) open[left++] = open[j];
        }
        n = left;
    }
    free(open);
}

/* Chooses what the disk had written all the same: the first unsynced writes of each file, the first
 * changes of names. */
static void choose_kept(struct state *state) {
    bool *torn = calloc(state->files + 1, sizeof *torn);
    uint64_t *counts = calloc(state->files + 1, sizeof *counts); /* [0]: names */
    if (!counts || !torn) abort();
    for (size_t i = 0; i < state->n_events; i++) {
        const struct event *event = &state->events[i];
        if (is_change(event) && !event->durable)
            counts[event->record.kind == RECORD_WRITE ? event->record.id : 0]++;
    }
    for (uint64_t id = 0; id <= state->files; id++)
        counts[id] = rng_below(&state->rng, counts[id] + 1);
    for (size_t i = 0; i < state->n_events; i++) {
        struct event *event = &state->events[i];
        if (!is_change(event) || event->durable) continue;
        uint64_t id = event->record.kind == RECORD_WRITE ? event->record.id : 0;
        if (counts[id]) {
            counts[id]--;
            event->kept = true;
        } else if (id && !torn[id]) {
            torn[id] = event->torn = true;
        }
    }
    free(counts);
    free(torn);
}

/* --- undoing --------------------------------------------------------------------------------- */

static int put_bytes(int fd, const char *bytes, uint64_t size, uint64_t at) {
    while (size) {
        ssize_t n = pwrite(fd, bytes, size, (off_t)at);
        if (n <= 0) return -1;
        bytes += n, at += (uint64_t)n, size -= (uint64_t)n;
    }
    return 0;
}

static int open_file(struct state *state, uint64_t id) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/files/%llu", state->folder, (unsigned long long)id);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) fail("open", path);
    return fd;
}

/* Keeps what a lost write wrote, before anything is undone. */
static int keep_new(struct state *state, struct event *event) {
    int fd = open_file(state, event->record.id);
    if (fd < 0) return -1;
    event->new = malloc(event->record.size + 1);
    if (!event->new) abort();
    ssize_t size = pread(fd, event->new, event->record.size, (off_t)event->record.offset);
    event->new_size = size > 0 ? (size_t)size : 0;
    close(fd);
    return 0;
}

static int undo_write(struct state *state, const struct event *event) {
    const struct record *record = &event->record;
    int fd = open_file(state, record->id);
    if (fd < 0) return -1;
    int outcome = ftruncate(fd, (off_t)record->old_size);
    if (outcome == 0) outcome = put_bytes(fd, event->old, record->old_bytes, record->offset);
    if (outcome != 0) fail("restore", "a file");
    close(fd);
    return outcome;
}

/* Writes a part of a lost write again: the front of a torn one, or some pages of any. */
static int put_remains(struct state *state, const struct event *event) {
    uint64_t at = event->record.offset, size = event->new_size;
    int fd = open_file(state, event->record.id), outcome = 0;
    if (fd < 0) return -1;
    if (state->loss == LOSS_PREFIX)
        outcome = put_bytes(fd, event->new, rng_below(&state->rng, size + 1), at);
    for (uint64_t done = 0; done < size && state->loss == LOSS_PAGES && outcome == 0;) {
        uint64_t piece = PAGE - (at + done) % PAGE;
        if (piece > size - done) piece = size - done;
        if (rng_below(&state->rng, 2)) outcome = put_bytes(fd, event->new + done, piece, at + done);
        done += piece;
    }
    if (outcome != 0) fail("tear", "a file");
    close(fd);
    return outcome;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static int remove_tree(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The name means the file it meant, or nothing. */
static int undo_entry(struct state *state, const struct event *event) {
    char file[PATH_MAX];
    if (remove_tree(event->path) != 0) return fail("remove", event->path);
    if (event->record.kind == RECORD_FOLDER || event->record.id == 0) return 0;
    snprintf(file, sizeof file, "%s/files/%llu", state->folder,
             (unsigned long long)event->record.id);
    return link(file, event->path) == 0 ? 0 : fail("link", event->path);
}

static bool is_lost(const struct event *event) {
    return is_change(event) && !event->durable && !event->kept;
}

static bool leaves_remains(const struct state *state, const struct event *event) {
    if (!is_lost(event) || event->record.kind != RECORD_WRITE) return false;
    return state->loss == LOSS_PAGES || (state->loss == LOSS_PREFIX && event->torn);
}

static void count(const struct state *state, struct rollback *out) {
    for (size_t i = 0; i < state->n_events; i++) {
        const struct event *event = &state->events[i];
        if (!is_change(event) || event->durable) continue;
        if (event->record.kind == RECORD_WRITE)
            out->writes++;
        else
            out->names++;
        if (event->kept) out->kept++;
    }
}

static int undo(struct state *state) {
    int outcome = 0;
    for (size_t i = 0; i < state->n_events && outcome == 0; i++)
        if (leaves_remains(state, &state->events[i])) outcome = keep_new(state, &state->events[i]);
    for (size_t i = state->n_events; i-- > 0 && outcome == 0;) {
        const struct event *event = &state->events[i];
        if (!is_lost(event)) continue;
        bool write = event->record.kind == RECORD_WRITE;
        outcome = write ? undo_write(state, event) : undo_entry(state, event);
    }
    for (size_t i = 0; i < state->n_events && outcome == 0; i++)
        if (state->events[i].new) outcome = put_remains(state, &state->events[i]);
    return outcome;
}

int rollback(const char *folder, enum loss loss, uint64_t seed, struct rollback *out) {
    struct state state = {.folder = folder, .loss = loss};
    rng_init(&state.rng, seed);
    *out = (struct rollback){0};
    int outcome = read_journal(&state);
    if (outcome == 0) {
        find_durable(&state);
        if (loss != LOSS_ALL) choose_kept(&state);
        count(&state, out);
        outcome = undo(&state);
    }
    for (size_t i = 0; i < state.n_events; i++) {
        free(state.events[i].path);
        free(state.events[i].old);
        free(state.events[i].new);
    }
    free(state.events);
    if (outcome == 0 && remove_tree(folder) != 0) outcome = fail("remove", folder);
    return outcome;
}
