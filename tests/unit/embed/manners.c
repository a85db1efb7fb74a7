/* What a program sees of libvectron when it errs, or is older or newer; what is not touched. */
#include <criterion/criterion.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/embed/tally.h"

Test(embed, mistakes_are_told_in_words) {
    struct vectron_node *node = NULL;
    struct vectron_node_options options = {.name = "no size"};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_INVALID);
    cr_assert(strstr(vectron_error(), "size"), "%s", vectron_error());
    options = (struct vectron_node_options){.size = sizeof options, .link = "http://here"};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_INVALID);
    options = (struct vectron_node_options){.size = sizeof options, .link = "tcp://0.0.0.0:0"};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_DENIED);
    cr_assert(strstr(vectron_error(), "key"), "%s", vectron_error());
    options.key_file = "/nowhere/own.key";
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_INVALID);
    options.allowed_keys = "/nowhere/allowed";
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_NOT_FOUND);
    cr_assert(strstr(vectron_error(), "/nowhere/own.key"), "%s", vectron_error());
    node = open_named("one", NULL);
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &tally_type, .name = "tally"};
    cr_assert_eq(vectron_node_spawn(node, &spawn, NULL), VECTRON_EXISTS);
    spawn.name = "other";
    spawn.options = "refuse";
    cr_assert_eq(vectron_node_spawn(node, &spawn, NULL), VECTRON_DISK_FULL);
    cr_assert_str_eq(vectron_error(), "no room");
    Tally__Break end = TALLY__BREAK__INIT;
    cr_assert_eq(vectron_node_tell(node, "nobody", &end.base), VECTRON_NOT_FOUND);
    vectron_node_close(node);
    vectron_node_close(NULL);
    vectron_reply_free(NULL);
}

/* A program built with a later version, whose structs are longer. */
Test(embed, structs_of_other_versions_are_read) {
    struct {
        struct vectron_node_options known;
        uint64_t later;
    } options = {.known = {.size = sizeof options, .compute_lanes = 1}};
    struct vectron_node *node = NULL;
    cr_assert_eq(vectron_node_open(&options.known, &node), VECTRON_OK, "%s", vectron_error());
    vectron_node_close(node);
    options.later = 1;
    cr_assert_eq(vectron_node_open(&options.known, &node), VECTRON_INVALID);
    options.known.size = offsetof(struct vectron_node_options, link); /* an earlier one's */
    options.known.link = "http://not read";
    cr_assert_eq(vectron_node_open(&options.known, &node), VECTRON_OK, "%s", vectron_error());
    vectron_node_close(node);
}

/* Threads of this process that block SIGTERM. */
static unsigned count_blocking(void) {
    glob_t files;
    unsigned count = 0;
    cr_assert_eq(glob("/proc/self/task/*/status", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        FILE *file = fopen(files.gl_pathv[i], "r");
        char line[256];
        while (file && fgets(line, sizeof line, file)) {
            unsigned long long mask = 0;
            if (sscanf(line, "SigBlk: %llx", &mask) == 1 && (mask >> (SIGTERM - 1) & 1)) count++;
        }
        if (file) fclose(file);
    }
    globfree(&files);
    return count;
}

Test(embed, signals_stay_the_programs) {
    unsigned before = count_blocking(); /* a sanitizer has a thread of its own */
    struct vectron_node *node = open_named("one", NULL);
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    cr_assert_not(sigismember(&now, SIGTERM));
    cr_assert_geq(count_blocking(), before + 2 + 4, "lanes and the blocking pool");
    vectron_node_close(node);
}

Test(embed, statuses_have_the_names_of_the_header) {
    static const struct {
        enum vectron_status status;
        const char *name;
    } rows[] = {
#define ROW(name) {VECTRON_##name, #name}
        ROW(OK),          ROW(INVALID),       ROW(NOT_FOUND),
        ROW(EXISTS),      ROW(STALE_EPOCH),   ROW(BUSY),
        ROW(NO_MEMORY),   ROW(QUOTA),         ROW(NOT_READY),
        ROW(NOT_LEADER),  ROW(LOST_PEER),     ROW(DISK_FULL),
        ROW(QUARANTINED), ROW(EXPIRED),       ROW(CANCELLED),
        ROW(TOO_LARGE),   ROW(CORRUPT),       ROW(DENIED),
        ROW(INTERNAL),    ROW(UNIMPLEMENTED), ROW(UNAUTHENTICATED),
        ROW(IO),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_str_eq(vectron_status_name(rows[i].status), rows[i].name);
    cr_assert_str_eq(vectron_status_text(VECTRON_BUSY), "overloaded, try again");
    cr_assert_str_eq(vectron_version(), VECTRON_VERSION);
}
