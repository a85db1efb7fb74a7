/* The flight recorder's file: written by a signal, read back, cut and damaged. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/flight.h"
#include "runtime/memory.h"
#include "runtime/node.h"
#include "schemas/log.pb-c.h"

enum { ROOM = 1 << 20, MARK = 77, OVERFLOW = 78 };

struct echo {
    char unused;
};
#define ECHO_ACCEPTS(X) X(struct echo, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(echo_handlers, ECHO_ACCEPTS);

/* For ever, and not as a loop. */
static uint64_t fill_stack(uint64_t depth) {
    volatile char room[4096];
    room[depth % sizeof room] = (char)depth;
    return depth == 0 ? 0 : fill_stack(depth + 1) + (uint64_t)room[7];
}

static enum status on_drop(struct echo *self, const LogDrop *message, struct turn *turn) {
    (void)self;
    if (message->store == MARK) return turn_fail(turn, STATUS_QUOTA, "marked");
    if (message->store == OVERFLOW) fill_stack(message->store);
    return STATUS_OK;
}

static const struct actor_type echo_type = {
    .kind = "echo", .size = sizeof(struct echo), .handlers = echo_handlers, .lane = LANE_COMPUTE};

static char folder[64];
static struct node *node;
static struct flight flight;
static unsigned char *data;
static size_t size;

static void call_echo(uint64_t store) {
    LogDrop message = LOG_DROP__INIT;
    message.store = store;
    enum status s =
        node_call(node, &(struct node_call){.name = "echo", .message = &message.base}, NULL);
    cr_assert_eq(s, store == MARK ? STATUS_QUOTA : STATUS_OK);
}

static void set_up(void) {
    struct node_options options = {
        .name = "flying", .io_lanes = 1, .compute_lanes = 1, .ring = 128};
    actor_handle handle;
    snprintf(folder, sizeof folder, "/tmp/vectron-flight-XXXXXX");
    cr_assert(mkdtemp(folder));
    cr_assert_eq(node_open(&options, &node), STATUS_OK);
    enum status s = node_spawn(node, &(struct spawn){.type = &echo_type, .name = "echo"}, &handle);
    cr_assert_eq(s, STATUS_OK);
    cr_assert_eq(flight_arm(node, folder), STATUS_OK);
    data = malloc(ROOM);
}

static void tear_down(void) {
    char command[96];
    flight_disarm();
    node_close(node);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
    free(data);
}

TestSuite(flight, .init = set_up, .fini = tear_down);
TestSuite(crash);

static size_t count_files(char *name) {
    size_t n = 0;
    DIR *files = opendir(folder);
    for (struct dirent *entry; (entry = readdir(files));)
        if (entry->d_name[0] != '.' && ++n && name) strcpy(name, entry->d_name);
    closedir(files);
    return n;
}

static void load_file(const char *path) {
    int fd = open(path, O_RDONLY);
    size = (size_t)read(fd, data, ROOM);
    close(fd);
    cr_assert(size > FLIGHT_HEADER && size < ROOM);
}

static void write_and_load(void) {
    char name[256] = "", path[512];
    raise(SIGUSR2);
    cr_assert_eq(count_files(name), 1);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    load_file(path);
}

static enum status load(const char **why) {
    return flight_read(data, size, &flight, why);
}

/* How many turns of echo there are, and whether the last one is the marked failure. */
static size_t find_marked(bool *last) {
    struct span_record record;
    char name[256];
    size_t n = 0;
    for (uint32_t lane = 0; lane < 2; lane++)
        for (uint64_t i = 0; i < flight.lanes[lane].n; i++) {
            if (!flight_record(&flight, lane, i, &record)) continue;
            flight_actor_name(&flight, record.slot, name, sizeof name);
            if (strcmp(name, "echo") != 0 || record.kind != SPAN_CALL) continue;
            flight_op_name(&flight, record.op, name, sizeof name);
            cr_expect_str_eq(name, "LogDrop");
            *last = record.outcome == STATUS_QUOTA;
            n++;
        }
    return n;
}

Test(flight, tells_what_the_lanes_did_last) {
    const char *why = "";
    bool marked = false;
    call_echo(1);
    call_echo(MARK);
    write_and_load();
    cr_assert_eq(load(&why), STATUS_OK, "%s", why);
    cr_expect_not(flight.truncated);
    cr_expect_str_eq(flight.header.node, "flying");
    cr_expect_eq(flight.header.signal, 0);
    cr_expect_eq(flight.header.pid, (uint32_t)getpid());
    cr_expect_gt(flight.header.build_id_size, 0);
    cr_expect_eq(find_marked(&marked), 2);
    cr_expect(marked);
}

Test(flight, keeps_the_newest_of_a_full_ring) {
    const char *why = "";
    bool marked = false;
    for (int i = 0; i < 300; i++)
        call_echo(1);
    call_echo(MARK);
    write_and_load();
    cr_assert_eq(load(&why), STATUS_OK, "%s", why);
    cr_expect_leq(flight.lanes[1].n, 127);
    cr_expect_gt(find_marked(&marked), 50);
    cr_expect(marked);
}

Test(flight, is_read_as_far_as_it_is_sound) {
    const char *why = "";
    call_echo(1);
    write_and_load();
    size_t whole = size;
    for (size = 0; size < FLIGHT_HEADER; size++)
        cr_expect_eq(load(&why), STATUS_INVALID);
    for (; size < whole; size += 997) {
        cr_expect_eq(load(&why), STATUS_OK);
        cr_expect(flight.truncated);
    }
    size = whole;
    for (size_t at = FLIGHT_HEADER; at < whole; at += 37) { /* heads, payloads and tails */
        data[at] ^= 0x40;
        cr_expect_eq(load(&why), STATUS_OK);
        cr_expect(flight.truncated, "byte %zu", at);
        data[at] ^= 0x40;
    }
    data[20] ^= 1;
    cr_expect_eq(load(&why), STATUS_INVALID);
}

Test(flight, keeps_a_bounded_number_of_files) {
    for (int i = 0; i < 2 * FLIGHT_KEPT; i++)
        raise(SIGUSR2);
    cr_expect_eq(count_files(NULL), FLIGHT_KEPT, "of one process");
    flight_disarm();
    cr_assert_eq(flight_arm(node, folder), STATUS_OK);
    cr_expect_eq(count_files(NULL), FLIGHT_KEPT - 1, "room for the next");
}

/* A stack that ran over: the handler has one of its own. */
Test(crash, of_a_lane_tells_lane_and_actor) {
    const char *why = "";
    char name[256] = "", path[512];
    int status = 0;
    snprintf(folder, sizeof folder, "/tmp/vectron-flight-XXXXXX");
    cr_assert(mkdtemp(folder));
    pid_t child = fork();
    if (child == 0) {
        struct node_options options = {
            .name = "falling", .io_lanes = 1, .compute_lanes = 1, .ring = 128};
        struct spawn spawn = {.type = &echo_type, .name = "echo"};
        LogDrop message = LOG_DROP__INIT;
        actor_handle handle;
        message.store = OVERFLOW;
        signal(SIGSEGV, SIG_DFL); /* not a sanitizer's, whose report would count as a failure */
        if (node_open(&options, &node) != STATUS_OK) _exit(3);
        if (node_spawn(node, &spawn, &handle) != STATUS_OK) _exit(3);
        if (flight_arm(node, folder) != STATUS_OK) _exit(3);
        enum status s =
            node_call(node, &(struct node_call){.name = "echo", .message = &message.base}, NULL);
        _exit(s == STATUS_OK ? 0 : 2);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 1, "status %d", status);
    cr_assert_eq(count_files(name), 1);
    data = malloc(ROOM);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    load_file(path);
    cr_assert_eq(load(&why), STATUS_OK, "%s", why);
    cr_expect_eq(flight.header.signal, SIGSEGV);
    cr_expect_eq(flight.header.lane, 2);
    cr_assert_eq(flight.n_doing, 1);
    cr_expect_eq(flight.doing[0].lane, 2);
    cr_expect_str_eq(flight.doing[0].kind, "echo");
    flight_op_name(&flight, flight.doing[0].op, name, sizeof name);
    cr_expect_str_eq(name, "LogDrop");
    cr_expect_gt(flight.n_stack, 3);
    snprintf(path, sizeof path, "rm -r %s", folder);
    cr_assert_eq(system(path), 0);
    free(data);
}

Test(flight, needs_a_folder) {
    flight_disarm();
    cr_expect_eq(flight_arm(node, "/no/such/folder"), STATUS_IO);
    cr_assert_eq(flight_arm(node, folder), STATUS_OK);
}
