/* admin_drain: asks for it, then looks twice a second until the worker has nothing left.
 * Interrupting it stops the watching, not the drain; so do placement drivers that are away for a
 * while, and then it looks on. An order is taken by a placement driver or by nobody: it does not
 * wait anywhere. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/admin.h"
#include "cli/progress.h"
#include "runtime/node.h"

enum { LOOK_MS = 500, TIMEOUT_S = 600, TIMEOUT_MAX_S = 7 * 24 * 3600 };

struct left {
    uint32_t replicas;
    bool known;
    char waits[256];
};

/* False: refused. Nobody answers: *out is what was known. */
static bool look(struct admin *admin, uint64_t id, struct left *out) {
    PdListWorkers question = PD_LIST_WORKERS__INIT;
    ProtobufCMessage *reply = admin_ask(admin, &question.base);
    if (!reply) return admin->unanswered;
    const PdWorkers *workers = (const void *)reply;
    *out = (struct left){0};
    for (size_t i = 0; i < workers->n_workers; i++) {
        if (workers->workers[i]->worker != id) continue;
        out->known = true;
        out->replicas = workers->workers[i]->shards;
        snprintf(out->waits, sizeof out->waits, "%s", workers->workers[i]->waits);
    }
    node_reply_free(reply);
    return true;
}

static time_t now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static int watch(struct admin *admin, uint64_t id, int64_t timeout_s, bool quiet) {
    struct left left = {.replicas = 1}; /* until it is known */
    struct progress progress;
    struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    uint32_t first = 0;
    time_t end = now_s() + timeout_s;
    admin->patient = true;
    progress_start(&progress, "replicas moved", quiet);
    while (look(admin, id, &left)) {
        if (first < left.replicas) first = left.replicas;
        uint32_t moved = first - left.replicas;
        progress_show(&progress, moved, first ? (double)moved / first : 1);
        if (left.replicas == 0) {
            progress_stop(&progress);
            printf("worker %" PRIu64 " is drained\n", id);
            return EXIT_OK;
        }
        if (now_s() >= end) {
            progress_stop(&progress);
            if (admin->unanswered)
                return command_fail(
                    "no placement driver at %s answers any more; the drain of worker "
                    "%" PRIu64 " goes on once one is back",
                    admin->addresses, id);
            return command_fail("worker %" PRIu64 " still keeps %" PRIu32 " replicas after %" PRId64
                                " s%s%s; the drain goes on (vectron admin workers), or is stopped "
                                "(vectron admin drain %" PRIu64 " --stop)",
                                id, left.replicas, timeout_s, left.waits[0] ? ": " : "", left.waits,
                                id);
        }
        nanosleep(&pause, NULL);
    }
    progress_stop(&progress);
    return EXIT_FAILED;
}

int admin_drain(struct admin *admin, uint64_t worker, const struct args *args) {
    struct buffer why;
    int64_t timeout_s = TIMEOUT_S;
    buffer_init(&why);
    enum status s = args_number(args, "timeout", (struct args_bounds){TIMEOUT_S, 0, TIMEOUT_MAX_S},
                                &timeout_s, &why);
    if (s != STATUS_OK) {
        int code = command_misuse("admin", "%.*s", (int)why.size, (const char *)why.data);
        buffer_free(&why);
        return code;
    }
    buffer_free(&why);
    PdDrain question = PD_DRAIN__INIT;
    question.worker = worker;
    question.stop = args_on(args, "stop");
    ProtobufCMessage *reply = admin_ask(admin, &question.base);
    if (!reply && admin->unanswered)
        return command_fail("nobody took the order, and nobody keeps it: worker %" PRIu64
                            " stays as it is%s; ask again when a placement driver is back "
                            "(`vectron admin workers` shows what holds)",
                            worker,
                            question.stop ? ", and a drain that was begun goes on then" : "");
    if (!reply) return EXIT_FAILED;
    node_reply_free(reply);
    if (question.stop) printf("worker %" PRIu64 " takes part again\n", worker);
    if (question.stop) return EXIT_OK;
    if (args_on(args, "no-wait")) {
        printf("worker %" PRIu64 " is being drained\n", worker);
        return EXIT_OK;
    }
    return watch(admin, worker, timeout_s, args_on(args, "quiet"));
}
