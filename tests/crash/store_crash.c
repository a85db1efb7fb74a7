/* store_crash: log store and point store as a replica uses them, killed at random and robbed of
 * what was not synced, again and again, while starting as well as while writing.
 *
 * The parent (without arguments) starts itself as a child under the shim, kills it, plays the power
 * loss and starts the next one with what the last promised. Everything a replica writes follows
 * from its store id and the log index, so the child can check:
 *
 *   every promised entry is in the log, without a hole and with its bytes; term is not below the
 * promised one the points are exactly those of the applied index, which is not below what was
 * promised as flushed, and not below what the log was truncated to: the rest is in the log
 *
 * With syncs swallowed the same check must fail: that is tried last. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/rng.h"
#include "storage/log_store.h"
#include "storage/point_store.h"
#include "tests/crash/rollback.h"

extern char **environ;

enum {
    REPLICAS = 3,
    IDS = 50,           /* external ids of a replica */
    OPERATIONS_MAX = 6, /* of an entry */
    ENTRIES_MAX = 4,    /* of an append */
    ROUNDS = 8,
    STARTING_MS = 100, /* a quarter of the children is killed within this from the start */
    WRITING_MS = 500,  /* the others within this from their first promise */
    PATIENCE_MS = 20 * 1000,
    SWALLOWED_ROUNDS_MAX = 20,
    EXIT_WRONG = 3, /* the check failed */
};

/* What the child promised, over all of its lives. */
struct promises {
    uint64_t last[REPLICAS]; /* log index */
    uint64_t term[REPLICAS];
    uint64_t flushed[REPLICAS]; /* applied index */
};
/* One promise on the pipe; written by one write. */
struct promise {
    uint32_t kind; /* offset into struct promises, in words */
    uint64_t value;
};

_Noreturn __attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_WRONG);
}

#define must(call) \
    do { \
        enum status status_ = (call); \
        if (status_ != STATUS_OK) wrong("%s: %s %s", #call, status_name(status_), kv_error()); \
    } while (0)

/* --- what a replica's log says --------------------------------------------------------------- */

struct operation {
    unsigned id;
    bool remove;
};
struct content {
    struct operation operations[OPERATIONS_MAX];
    uint32_t n;
    char data[2048]; /* of the entry; its front is each point's payload */
    size_t size;
};

static void content_of(uint64_t replica, uint64_t index, struct content *out) {
    struct rng rng;
    rng_init(&rng, replica << 40 | index);
    out->n = 1 + (uint32_t)rng_below(&rng, OPERATIONS_MAX);
    for (uint32_t i = 0; i < out->n; i++)
        out->operations[i] = (struct operation){.id = (unsigned)rng_below(&rng, IDS),
                                                .remove = rng_below(&rng, 3) == 0};
    out->size = 16 + (size_t)rng_below(&rng, sizeof out->data - 16);
    for (size_t i = 0; i < out->size; i++)
        out->data[i] = (char)rng_next(&rng);
}

static struct bytes id_text(unsigned id, char *room) {
    return (struct bytes){.data = room, .size = (size_t)snprintf(room, 16, "id%u", id)};
}

/* --- the child ------------------------------------------------------------------------------- */

struct replica {
    uint64_t id;
    uint64_t first, last, applied, term;
};
struct child {
    struct log_store *log;
    struct point_store *points;
    struct promises promises;
    struct replica replicas[REPLICAS];
    struct rng rng;
};

static void promise(uint64_t *field, const struct promises *all, uint64_t value) {
    struct promise words = {.kind = (uint32_t)(field - (const uint64_t *)all), .value = value};
    *field = value;
    if (write(STDOUT_FILENO, &words, sizeof words) != sizeof words) exit(1);
}

static void apply(struct child *child, struct replica *replica, uint64_t index) {
    static struct content content;
    content_of(replica->id, index, &content);
    struct point_batch *batch;
    must(point_batch_open(child->points, replica->id, &batch));
    for (uint32_t i = 0; i < content.n; i++) {
        char room[16];
        uint64_t old;
        struct bytes id = id_text(content.operations[i].id, room);
        if (content.operations[i].remove)
            must(point_batch_delete(batch, id, &old));
        else
            must(point_batch_put(batch,
                                 &(struct point){.number = point_number(index, i),
                                                 .id = id,
                                                 .payload = {content.data, content.size}},
                                 &old));
    }
    must(point_batch_write(batch, index, 1));
    point_batch_close(batch);
    replica->applied = index;
}

static enum status check_entry(void *context, const struct log_entry *entry) {
    static struct content content;
    uint64_t *expected = context; /* index, replica */
    content_of(expected[1], entry->index, &content);
    if (entry->index != expected[0]++ || entry->data.size != content.size ||
        memcmp(entry->data.data, content.data, content.size) != 0)
        wrong("log %" PRIu64 ": entry %" PRIu64 " is another", expected[1], entry->index);
    return STATUS_OK;
}

static void check_log(struct child *child, struct replica *replica, size_t n) {
    struct log_state state;
    must(log_store_state(child->log, replica->id, &state));
    uint64_t expected[] = {state.first, replica->id};
    must(log_store_read(child->log, replica->id, state.first, state.last, check_entry, expected));
    if (state.last < child->promises.last[n])
        wrong("log %zu ends at %" PRIu64 ", promised %" PRIu64, n, state.last,
              child->promises.last[n]);
    if (state.term < child->promises.term[n])
        wrong("log %zu has term %" PRIu64 ", promised %" PRIu64, n, state.term,
              child->promises.term[n]);
    replica->first = state.first;
    replica->last = state.last;
    replica->term = state.term;
}

/* The points must be those that the first `applied` entries leave. */
static void check_points(struct child *child, struct replica *replica, size_t n) {
    static struct content content;
    struct point_applied applied;
    must(point_store_applied(child->points, replica->id, KV_ANY, &applied));
    replica->applied = applied.index;
    if (applied.index < child->promises.flushed[n] || applied.index + 1 < replica->first)
        wrong("points %zu: applied %" PRIu64 ", flushed %" PRIu64 ", log from %" PRIu64, n,
              applied.index, child->promises.flushed[n], replica->first);
    if (applied.index > replica->last)
        wrong("points %zu: applied %" PRIu64 " is ahead of the log", n, applied.index);
    uint64_t numbers[IDS] = {0};
    for (uint64_t index = 1; index <= applied.index; index++) {
        content_of(replica->id, index, &content);
        for (uint32_t i = 0; i < content.n; i++)
            numbers[content.operations[i].id] =
                content.operations[i].remove ? 0 : point_number(index, i);
    }
    size_t alive = 0, found = 0;
    for (unsigned id = 0; id < IDS; id++) {
        char room[16];
        struct point_value value;
        enum status s =
            point_store_get(child->points, replica->id, id_text(id, room), KV_ANY, &value);
        if (s != (numbers[id] ? STATUS_OK : STATUS_NOT_FOUND))
            wrong("points %zu: %s is %s at %" PRIu64, n, room, status_name(s), applied.index);
        if (s != STATUS_OK) continue;
        content_of(replica->id, numbers[id] >> POINT_POSITION_BITS, &content);
        if (value.point.number != numbers[id] || value.point.payload.size != content.size ||
            memcmp(value.point.payload.data, content.data, content.size) != 0)
            wrong("points %zu: %s has another value", n, room);
        point_value_free(&value);
        alive++;
    }
    struct point_cursor *cursor;
    struct point point;
    must(point_cursor_open(child->points, replica->id, 0, &cursor));
    while (point_cursor_next(cursor, &point))
        found++;
    must(point_cursor_status(cursor));
    point_cursor_close(cursor);
    if (found != alive) wrong("points %zu: %zu in the scan, not %zu", n, found, alive);
}

static void open_stores(struct child *child, const char *data) {
    char path[PATH_MAX];
    struct kv *kv;
    snprintf(path, sizeof path, "%s/log", data);
    must(kv_rocksdb_open(
        &(struct kv_options){.path = path, .wal = true, .write_buffer_bytes = 256 * 1024}, &kv));
    must(log_store_open(&kv, &child->log));
    snprintf(path, sizeof path, "%s/data", data);
    must(kv_rocksdb_open(
        &(struct kv_options){.path = path, .blob_min_bytes = 512, .write_buffer_bytes = 128 * 1024},
        &kv));
    must(point_store_open(&kv, &child->points));
}

/* One synced batch for a few replicas, promised when it is written. */
static void append(struct child *child, struct log_batch *batch) {
    static struct content content;
    uint64_t last[REPLICAS], term[REPLICAS];
    log_batch_clear(batch);
    for (size_t n = 0; n < REPLICAS; n++) {
        struct replica *replica = &child->replicas[n];
        last[n] = replica->last;
        term[n] = replica->term;
        if (rng_below(&child->rng, 2)) continue;
        for (uint64_t more = rng_below(&child->rng, ENTRIES_MAX + 1); more > 0; more--) {
            content_of(replica->id, ++last[n], &content);
            must(log_batch_append(batch, replica->id,
                                  &(struct log_entry){.index = last[n],
                                                      .term = 1,
                                                      .data = {content.data, content.size}},
                                  1));
        }
        if (rng_below(&child->rng, 8) == 0) must(log_batch_vote(batch, replica->id, ++term[n], 1));
    }
    must(log_store_write(child->log, batch));
    for (size_t i = 0; i < log_batch_count(batch); i++)
        must(log_batch_outcome(batch, i));
    for (size_t n = 0; n < REPLICAS; n++) {
        child->replicas[n].last = last[n];
        child->replicas[n].term = term[n];
        promise(&child->promises.last[n], &child->promises, last[n]);
        promise(&child->promises.term[n], &child->promises, term[n]);
    }
}

/* Cuts a log to what its points would survive with. */
static void truncate_log(struct child *child, struct replica *replica, struct log_batch *batch) {
    struct point_applied applied;
    must(point_store_applied(child->points, replica->id, KV_PERSISTED, &applied));
    log_batch_clear(batch);
    must(log_batch_truncate(batch, replica->id, applied.index + 1));
    must(log_store_write(child->log, batch));
    replica->first = applied.index + 1;
}

static int run_child(const char *data, const char *seed, const char *promised) {
    static struct child child;
    if (sscanf(promised,
               "%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%" SCNu64
               ",%" SCNu64 ",%" SCNu64,
               &child.promises.last[0], &child.promises.last[1], &child.promises.last[2],
               &child.promises.term[0], &child.promises.term[1], &child.promises.term[2],
               &child.promises.flushed[0], &child.promises.flushed[1],
               &child.promises.flushed[2]) != 9)
        return 2;
    rng_init(&child.rng, strtoull(seed, NULL, 10));
    open_stores(&child, data);
    for (size_t n = 0; n < REPLICAS; n++) {
        child.replicas[n].id = n + 1;
        check_log(&child, &child.replicas[n], n);
        check_points(&child, &child.replicas[n], n);
    }
    struct log_batch *batch = log_batch_new();
    for (;;) {
        append(&child, batch);
        struct replica *some = &child.replicas[rng_below(&child.rng, REPLICAS)];
        for (uint64_t n = rng_below(&child.rng, 12); n > 0 && some->applied < some->last; n--)
            apply(&child, some, some->applied + 1);
        if (rng_below(&child.rng, 40) == 0) {
            uint64_t applied[REPLICAS];
            for (size_t n = 0; n < REPLICAS; n++)
                applied[n] = child.replicas[n].applied;
            must(point_store_flush(child.points));
            for (size_t n = 0; n < REPLICAS; n++)
                promise(&child.promises.flushed[n], &child.promises, applied[n]);
        }
        if (rng_below(&child.rng, 30) == 0) truncate_log(&child, some, batch);
    }
}

/* --- the parent ------------------------------------------------------------------------------ */

struct world {
    char root[64], data[80], journal[80], self[PATH_MAX];
    struct promises promises;
    struct rng rng;
    uint64_t writes, kept;
};

static void fail(const char *what) {
    fprintf(stderr, "store_crash: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void world_init(struct world *world, uint64_t seed) {
    *world = (struct world){0};
    const char *parent = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(world->root, sizeof world->root, "%s/vectron-crash-XXXXXX", parent);
    ssize_t size = readlink("/proc/self/exe", world->self, sizeof world->self - 1);
    if (size < 0 || !mkdtemp(world->root)) fail("set up");
    snprintf(world->data, sizeof world->data, "%s/data", world->root);
    snprintf(world->journal, sizeof world->journal, "%s/journal", world->root);
    if (mkdir(world->data, 0700) != 0) fail(world->data);
    rng_init(&world->rng, seed);
}

static void world_remove(struct world *world) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", world->root);
    if (system(command) != 0) fail(command);
}

static pid_t start(struct world *world, int *out) {
    int ends[2];
    char seed[32], promised[256];
    const uint64_t *p = (const uint64_t *)&world->promises;
    snprintf(seed, sizeof seed, "%" PRIu64, rng_next(&world->rng));
    size_t used = 0;
    for (size_t i = 0; i < sizeof world->promises / sizeof *p; i++)
        used += (size_t)snprintf(promised + used, sizeof promised - used, "%s%" PRIu64,
                                 i ? "," : "", p[i]);
    if (pipe(ends) != 0) fail("pipe");
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    setenv("VECTRON_HOLD", world->data, 1);
    setenv("VECTRON_HOLD_JOURNAL", world->journal, 1);
    char *arguments[] = {world->self, world->data, seed, promised, NULL};
    pid_t child;
    if (posix_spawn(&child, world->self, &actions, NULL, arguments, environ) != 0)
        fail(world->self);
    unsetenv("VECTRON_HOLD");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *out = ends[0];
    return child;
}

/* Starts, kills, takes the promises, plays the power loss. The child's exit code when it ended by
 * itself, 0 when it had to be killed. */
static int live_and_die(struct world *world, enum loss loss) {
    int out, status;
    pid_t child = start(world, &out);
    bool starting = rng_below(&world->rng, 4) == 0;
    if (!starting) poll(&(struct pollfd){.fd = out, .events = POLLIN}, 1, PATIENCE_MS);
    fcntl(out, F_SETPIPE_SZ, 1024 * 1024); /* nobody reads while the child lives */
    usleep((useconds_t)(1000 * rng_below(&world->rng, starting ? STARTING_MS : WRITING_MS)));
    kill(child, SIGKILL);
    struct promise words;
    while (read(out, &words, sizeof words) == sizeof words)
        ((uint64_t *)&world->promises)[words.kind] = words.value;
    close(out);
    if (waitpid(child, &status, 0) != child) fail("wait");
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WTERMSIG(status) != SIGKILL) return 128 + WTERMSIG(status);
    struct rollback done;
    if (rollback(world->journal, loss, rng_next(&world->rng), &done) != 0) exit(1);
    world->writes += done.writes;
    world->kept += done.kept;
    return 0;
}

/* The exit code of the child that ended by itself; 0: all were killed. Anything but `expected`
 * keeps the folder. */
static int survive(uint64_t seed, enum loss loss, int rounds, int expected) {
    struct world world;
    world_init(&world, seed);
    int code = 0;
    for (int round = 0; round < rounds && code == 0; round++)
        code = live_and_die(&world, loss);
    const struct promises *p = &world.promises;
    printf("store_crash: loss %d, seed %" PRIu64 ": %s after %" PRIu64 "+%" PRIu64 "+%" PRIu64
           " promised entries; %" PRIu64 " unsynced changes lost, %" PRIu64 " kept\n",
           (int)loss, seed, code ? "WRONG" : "right", p->last[0], p->last[1], p->last[2],
           world.writes, world.kept);
    if (code != expected)
        printf("store_crash: the child ended with %d; its folder is %s\n", code, world.root);
    else
        world_remove(&world);
    return code;
}

int main(int argc, char **argv) {
    if (argc == 4 && argv[1][0] == '/') return run_child(argv[1], argv[2], argv[3]);
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
    uint64_t seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (uint64_t)getpid();
    enum loss most = argc > 3 ? LOSS_PAGES : LOSS_PREFIX;
    for (enum loss loss = LOSS_ALL; loss <= most; loss++)
        if (survive(seed, loss, rounds, 0) != 0) return 1;

    setenv("VECTRON_HOLD_SWALLOW", "1", 1);
    printf("store_crash: syncs swallowed, the check must fail now\n");
    if (survive(seed, LOSS_ALL, SWALLOWED_ROUNDS_MAX, EXIT_WRONG) != EXIT_WRONG) {
        printf("store_crash: it did not: this test proves nothing\n");
        return 1;
    }
    return 0;
}
