/* race_team SECONDS: one index that is appended to and searched while a leader and two helpers link
 * it together as the linkers of a process do (actors/linker/team.h), and is saved between their
 * batches, for ThreadSanitizer; it also proves what searches are promised. A point's vector follows
 * from its number, so a reader can tell from a hit whether it is whole. Leaders end in the midst,
 * as an actor that is restarted, and their next lives go on. Several lives of the index: every
 * other one ends in the midst of a build, as a shard that closes does, and the next one begins with
 * the file. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "actors/linker/team.h"
#include "index/index.h"
#include "runtime/rng.h"

enum {
    DIMENSION = 12,
    HELPERS = 2,
    READERS = 2,
    LIVES = 4,
    BATCH = 32,
    TAIL = 3000,
    LIVE = 6000,
    STEP = 400,
    TEAM_MIN = 256,
    SAVE_BYTES = 64 * 1024,
    K = 10,
};

static struct index *shared;
static const struct index_view *view;
static struct team team;
static char path[64];
static _Atomic uint64_t n_appended, n_removed; /* over all lives */
static _Atomic uint64_t n_led, n_helped, n_saves, n_searches, n_given_up, n_restarts;
static _Atomic uint32_t called; /* rises with every batch */
static atomic_bool stop;
static bool patient; /* this life ends between two builds */

static void fail(const char *what, uint64_t number) {
    fprintf(stderr, "race_team: %s (number %" PRIu64 ")\n", what, number);
    _exit(1);
}

static void need(enum status s) {
    if (s != STATUS_OK) fail(status_name(s), 0);
}

static void vector_of(uint64_t number, float *out) {
    struct rng rng;
    rng_init(&rng, number);
    for (size_t i = 0; i < DIMENSION; i++)
        out[i] = (float)rng_unit(&rng);
}

/* --- the shard
 * ------------------------------------------------------------------------------------------- */

static bool append(uint64_t first) {
    float vectors[BATCH][DIMENSION];
    struct index_point points[BATCH];
    enum status s;
    for (uint64_t i = 0; i < BATCH; i++) {
        vector_of(first + i, vectors[i]);
        points[i] = (struct index_point){
            .number = first + i, .vector = vectors[i], .id = "x", .id_size = 1};
    }
    while ((s = index_append(shared, points, BATCH)) == STATUS_BUSY && !atomic_load(&stop))
        usleep(100);
    if (s != STATUS_BUSY) need(s);
    return s == STATUS_OK;
}

static void *write_points(void *unused) {
    while (!atomic_load(&stop)) {
        uint64_t appended = atomic_load(&n_appended), removed = atomic_load(&n_removed);
        if (append(appended + 1)) atomic_store(&n_appended, appended += BATCH);
        for (; removed + LIVE < appended; removed++) {
            need(index_remove(shared, removed + 1));
            atomic_store(&n_removed, removed + 1);
        }
    }
    return unused;
}

/* --- linkers
 * --------------------------------------------------------------------------------------------- */

static bool ends(void) {
    return !patient && atomic_load(&stop);
}

/* At most `most` tasks. */
static uint64_t work(struct index_bulk_worker *worker, uint64_t most) {
    uint64_t n = 0;
    for (uint32_t task; n < most && !ends() && team_take(&team, &task); n++) {
        index_bulk_run(worker, task);
        (void)team_done(&team);
    }
    return n;
}

enum led { WHOLE, RESTARTED, GIVEN_UP };

/* A life of a leader: until the build is at its end, or the index's life, or its own in the midst
 * of some batch, if it began the build. */
static enum led lead(struct rng *rng) {
    bool again = team_is_orphaned(&team);
    struct index_bulk_worker *worker;
    enum status s = team_open(&team, shared, &worker);
    if (s == STATUS_BUSY) return WHOLE; /* helpers have not left the last one */
    need(s);
    uint64_t most = again ? UINT64_MAX : rng_below(rng, 400), n_done = 0;
    uint32_t batch = 0, n = 1;
    while (n > 0 && !ends() && n_done < most) {
        n_done += work(worker, most - n_done);
        if (!team_idle(&team)) continue;
        if (batch++ == 8) team_rest(&team); /* a save waits */
        need(team_next(&team, &n));
        if (n > 0) atomic_fetch_add(&called, 1);
    }
    atomic_fetch_add(&n_led, n_done);
    if (n == 0) {
        team_close(&team, worker);
        return WHOLE;
    }
    team_abandon(&team, worker);
    return ends() ? GIVEN_UP : RESTARTED;
}

static void *write_save(void *save) {
    for (bool done = false; !done;)
        need(index_save_step(save, SAVE_BYTES, &done));
    return NULL;
}

/* Written on another thread while the linker goes on alone. */
static void save_beside(void) {
    struct index_save *save;
    pthread_t writer;
    bool idle;
    need(index_save_start(shared, path, atomic_load(&n_appended), &save));
    pthread_create(&writer, NULL, write_save, save);
    for (int i = 0; i < 20; i++)
        need(index_link_step(shared, STEP, &idle));
    pthread_join(writer, NULL);
    index_save_end(save);
    atomic_fetch_add(&n_saves, 1);
}

static void *link_points(void *whole) {
    struct rng rng;
    bool idle;
    rng_init(&rng, atomic_load(&n_appended));
    *(bool *)whole = true;
    while (!atomic_load(&stop) || team_is_orphaned(&team)) {
        enum led led = WHOLE;
        if (team_is_orphaned(&team) || index_stats(view).tail >= TEAM_MIN) led = lead(&rng);
        if (led == GIVEN_UP) {
            *(bool *)whole = false;
            break;
        }
        atomic_fetch_add(&n_restarts, led == RESTARTED);
        if (led == RESTARTED) continue;
        save_beside();
        for (int i = 0; i < 50 && !atomic_load(&stop); i++)
            need(index_link_step(shared, STEP, &idle));
    }
    return NULL;
}

static void *help(void *unused) {
    for (uint32_t heard = 0; !atomic_load(&stop);) {
        uint32_t now = atomic_load(&called);
        struct index_bulk_worker *worker = now != heard ? team_join(&team) : NULL;
        heard = now;
        if (!worker) {
            usleep(50);
            continue;
        }
        atomic_fetch_add(&n_helped, work(worker, UINT64_MAX));
        team_leave(&team, worker);
    }
    return unused;
}

/* --- searches
 * -------------------------------------------------------------------------------------------- */

static void search(struct index_reader *reader, struct rng *rng) {
    uint64_t removed = atomic_load(&n_removed), appended = atomic_load(&n_appended);
    float vector[DIMENSION], found[DIMENSION];
    vector_of(removed + 1 + rng_below(rng, appended - removed + 1), vector);
    struct index_query query = {.vector = vector, .k = K, .exact = rng_below(rng, 16) == 0};
    bool done = false;
    size_t n;
    need(index_search_start(reader, view, &query));
    while (!done)
        need(index_search_step(reader, 200, &done));
    const struct index_hit *hits = index_search_hits(reader, &n);
    for (size_t i = 0; i < n; i++) {
        float distance = 0;
        if (hits[i].number <= removed) fail("removed before the search", hits[i].number);
        vector_of(hits[i].number, found);
        for (size_t d = 0; d < DIMENSION; d++)
            distance += (vector[d] - found[d]) * (vector[d] - found[d]);
        if (distance - hits[i].distance > 1e-4f || hits[i].distance - distance > 1e-4f)
            fail("vector of another point", hits[i].number);
    }
    index_search_end(reader);
    atomic_fetch_add(&n_searches, 1);
}

static void *read_points(void *seed) {
    struct index_reader *reader;
    struct rng rng;
    rng_init(&rng, (uint64_t)(uintptr_t)seed);
    need(index_reader_open(&reader));
    while (!atomic_load(&stop))
        search(reader, &rng);
    index_reader_close(reader);
    return NULL;
}

/* --- lives
 * -----------------------------------------------------------------------------------------------
 */

/* What the file does not have is appended again, as a shard does from its points. */
static void catch_up(void) {
    for (uint64_t number = 1; number <= atomic_load(&n_appended); number++) {
        uint64_t lacking;
        bool has = index_lacking(shared, &number, 1, &lacking) == 0;
        bool live = number > atomic_load(&n_removed);
        float vector[DIMENSION];
        struct index_point point = {.number = number, .vector = vector, .id = "x", .id_size = 1};
        bool idle;
        enum status s = STATUS_OK;
        vector_of(number, vector);
        if (has && !live) s = index_remove(shared, number);
        if (!has && live)
            while ((s = index_append(shared, &point, 1)) == STATUS_BUSY)
                need(index_link_step(shared, STEP, &idle));
        need(s);
    }
}

static void live(unsigned milliseconds, bool to_the_end) {
    struct index_options options = {.dimension = DIMENSION,
                                    .metric = INDEX_EUCLIDEAN,
                                    .storage = INDEX_F32,
                                    .ef_construction = 40,
                                    .tail_max = TAIL};
    pthread_t threads[2 + HELPERS + READERS];
    uint64_t applied;
    bool whole;
    char text[256] = "";
    patient = to_the_end;
    team_init(&team);
    atomic_store(&stop, false);
    need(index_open(&options, atomic_load(&n_saves) ? path : NULL, &shared, &applied));
    need(index_wake(shared));
    view = index_view_hold(shared);
    catch_up();
    pthread_create(&threads[0], NULL, write_points, NULL);
    pthread_create(&threads[1], NULL, link_points, &whole);
    for (uintptr_t i = 0; i < HELPERS; i++)
        pthread_create(&threads[2 + i], NULL, help, NULL);
    for (uintptr_t i = 0; i < READERS; i++)
        pthread_create(&threads[2 + HELPERS + i], NULL, read_points, (void *)(i + 1));
    usleep(milliseconds * 1000);
    atomic_store(&stop, true);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        pthread_join(threads[i], NULL);
    atomic_fetch_add(&n_given_up, !whole);
    if (whole && index_validate(view, text, sizeof text) != STATUS_OK) fail(text, 0);
    team_reset(&team);
    index_view_drop(view);
    index_close(shared);
}

int main(int argc, char **argv) {
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10;
    char folder[] = "/tmp/vectron-race-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/index", folder);
    for (int i = 0; i < LIVES || (atomic_load(&n_restarts) == 0 && i < 4 * LIVES); i++)
        live(seconds * 1000 / LIVES, i % 2 != 0);
    unlink(path);
    rmdir(folder);
    printf("%" PRIu64 " points, %" PRIu64 " tasks led, %" PRIu64 " helped, %" PRIu64
           " saves, %" PRIu64 " searches, %" PRIu64 " leaders restarted, %" PRIu64
           " builds given up\n",
           atomic_load(&n_appended), atomic_load(&n_led), atomic_load(&n_helped),
           atomic_load(&n_saves), atomic_load(&n_searches), atomic_load(&n_restarts),
           atomic_load(&n_given_up));
    if (atomic_load(&n_helped) == 0) fail("nobody helped", 0);
    if (atomic_load(&n_restarts) == 0) fail("no leader was restarted", 0);
    return 0;
}
