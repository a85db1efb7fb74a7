/* The shim and the rollback, scenario by scenario: what a child did to a folder before it was
 * killed, and what is left of it after the power loss. hold.c is linked in, so no preloading is
 * needed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#include "tests/crash/rollback.h"

extern char **environ;

#define check(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, strerror(errno)); \
            exit(1); \
        } \
    } while (0)

/* --- what a child does, in its folder -------------------------------------------------------- */

static int open_file(const char *name, int flags) {
    int fd = open(name, flags | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0);
    return fd;
}

static void put(int fd, const char *bytes) {
    check(write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes));
}

static void sync_folder(const char *name) {
    int fd = open(name, O_RDONLY | O_DIRECTORY);
    check(fd >= 0 && fsync(fd) == 0);
    close(fd);
}

/* A file that is durable with its name; still open for writing. */
static int durable(const char *name, const char *bytes) {
    int fd = open_file(name, O_RDWR);
    put(fd, bytes);
    check(fsync(fd) == 0);
    sync_folder(".");
    return fd;
}

static void never_synced(void) {
    put(open_file("a", O_WRONLY), "hello");
}
static void name_never_synced(void) {
    int fd = open_file("a", O_WRONLY);
    put(fd, "hello");
    check(fdatasync(fd) == 0);
}
static void name_synced_bytes_not(void) {
    put(open_file("a", O_WRONLY), "hello");
    sync_folder(".");
}
static void all_synced(void) {
    durable("a", "hello");
}
static void appended(void) {
    put(durable("a", "hello"), " world");
}
static void appended_and_synced(void) {
    int fd = durable("a", "hello");
    put(fd, " wor");
    check(fdatasync(fd) == 0);
    put(fd, "ld");
}
static void append_flag(void) {
    durable("a", "hello");
    int fd = open_file("a", O_WRONLY | O_APPEND);
    put(fd, " synced");
    check(fsync(fd) == 0);
    put(fd, " lost");
}
static void overwritten(void) {
    int fd = durable("a", "hello");
    check(pwrite(fd, "J", 1, 0) == 1);
    check(pwrite(fd, "LLOWS", 5, 2) == 5);
    check(pwrite(fd, "x", 1, 3) == 1);
}
static void beyond_the_end(void) {
    check(pwrite(durable("a", "hello"), "x", 1, 100) == 1);
}
static void cut(void) {
    check(ftruncate(durable("a", "hello"), 2) == 0);
}
static void cut_and_grown(void) {
    int fd = durable("a", "hello");
    check(ftruncate(fd, 2) == 0);
    check(fsync(fd) == 0);
    check(ftruncate(fd, 10) == 0);
}
static void cut_at_open(void) {
    durable("a", "hello");
    put(open_file("a", O_WRONLY | O_TRUNC), "x");
}
static void grown_by_fallocate(void) {
    int fd = durable("a", "hello");
    check(fallocate(fd, 0, 0, 100) == 0);
    check(fallocate(durable("b", "kept"), FALLOC_FL_KEEP_SIZE, 0, 100) == 0);
}
static void renamed(void) {
    durable("a", "hello");
    check(rename("a", "b") == 0);
}
static void renamed_and_synced(void) {
    durable("a", "hello");
    check(rename("a", "b") == 0);
    sync_folder(".");
}
static void renamed_over(void) {
    durable("a", "old");
    durable("b", "new");
    check(rename("b", "a") == 0);
}
static void renamed_over_and_synced(void) {
    durable("a", "old");
    durable("b", "new");
    check(rename("b", "a") == 0);
    sync_folder(".");
}
static void unlinked(void) {
    int fd = durable("a", "hello");
    put(fd, "lost");
    check(unlink("a") == 0);
}
static void unlinked_and_synced(void) {
    durable("a", "hello");
    check(unlink("a") == 0);
    sync_folder(".");
}
static void made_anew(void) {
    durable("a", "old");
    check(remove("a") == 0);
    put(open_file("a", O_WRONLY), "new");
}
static void through_a_duplicate(void) {
    int fd = dup(durable("a", "hello"));
    put(fd, " world");
    check(fsync(fd) == 0);
    put(fd, "!");
}
static void written_synchronously(void) {
    durable("a", "hello");
    int fd = open_file("a", O_WRONLY | O_DSYNC);
    put(fd, "J");
}
static void folder_never_synced(void) {
    check(mkdir("d", 0700) == 0);
    int fd = open_file("d/a", O_WRONLY);
    put(fd, "hello");
    check(fsync(fd) == 0);
    sync_folder("d");
}
static void folder_synced(void) {
    folder_never_synced();
    sync_folder(".");
    put(open_file("d/b", O_WRONLY), "lost");
}
static void linked(void) {
    durable("a", "hello");
    check(link("a", "b") == 0);
}
static void everything_synced(void) {
    put(open_file("a", O_WRONLY), "hello");
    sync();
    put(open_file("b", O_WRONLY), "lost");
}
static void many_writes(void) {
    int fd = durable("a", "");
    for (char byte[] = "0"; *byte <= '9'; ++*byte)
        put(fd, byte);
}

static const struct row {
    const char *name;
    void (*run)(void);
    const char *left;
} rows[] = {
    {"never synced", never_synced, ""},
    {"name never synced", name_never_synced, ""},
    {"name synced, bytes not", name_synced_bytes_not, "a="},
    {"all synced", all_synced, "a=hello"},
    {"appended", appended, "a=hello"},
    {"appended and synced", appended_and_synced, "a=hello wor"},
    {"append flag", append_flag, "a=hello synced"},
    {"overwritten", overwritten, "a=hello"},
    {"beyond the end", beyond_the_end, "a=hello"},
    {"cut", cut, "a=hello"},
    {"cut and grown", cut_and_grown, "a=he"},
    {"cut at open", cut_at_open, "a=hello"},
    {"grown by fallocate", grown_by_fallocate, "a=hello b=kept"},
    {"renamed", renamed, "a=hello"},
    {"renamed and synced", renamed_and_synced, "b=hello"},
    {"renamed over", renamed_over, "a=old b=new"},
    {"renamed over and synced", renamed_over_and_synced, "a=new"},
    {"unlinked", unlinked, "a=hello"},
    {"unlinked and synced", unlinked_and_synced, ""},
    {"made anew", made_anew, "a=old"},
    {"through a duplicate", through_a_duplicate, "a=hello world"},
    {"written synchronously", written_synchronously, "a=Jello"},
    {"folder never synced", folder_never_synced, ""},
    {"folder synced", folder_synced, "d/ d/a=hello"},
    {"linked", linked, "a=hello"},
    {"everything synced", everything_synced, "a=hello"},
};

/* --- the parent ------------------------------------------------------------------------------ */

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

struct listing {
    char text[4096];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void
add(struct listing *out, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out->text + out->used, sizeof out->text - out->used, format, args);
    va_end(args);
    check(n >= 0 && out->used + (size_t)n < sizeof out->text);
    out->used += (size_t)n;
}

/* "a=bytes d/ d/b=bytes" */
static void list(const char *folder, const char *prefix, struct listing *out) {
    struct dirent **names;
    int n = scandir(folder, &names, NULL, by_name);
    check(n >= 0);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX], name[512], bytes[256] = "";
        struct stat info;
        if (names[i]->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
            snprintf(name, sizeof name, "%s%s", prefix, names[i]->d_name);
            check(stat(path, &info) == 0);
            const char *space = out->used ? " " : "";
            if (S_ISDIR(info.st_mode)) {
                add(out, "%s%s/", space, name);
                strncat(name, "/", sizeof name - strlen(name) - 1);
                list(path, name, out);
            } else {
                int fd = open(path, O_RDONLY);
                check(fd >= 0 && read(fd, bytes, sizeof bytes - 1) >= 0);
                close(fd);
                add(out, "%s%s=%s", space, name, bytes);
            }
        }
        free(names[i]);
    }
    free(names);
}

/* Runs a row in a child that kills itself, then the power loss; what is left. */
static const char *
play(const char *self, const char *name, enum loss loss, uint64_t seed, bool swallow) {
    static struct listing left;
    char root[] = "/tmp/vectron-hold-XXXXXX", data[64], journal[64];
    check(mkdtemp(root));
    snprintf(data, sizeof data, "%s/data", root);
    snprintf(journal, sizeof journal, "%s/journal", root);
    check(mkdir(data, 0700) == 0);
    setenv("VECTRON_HOLD", data, 1);
    setenv("VECTRON_HOLD_JOURNAL", journal, 1);
    if (swallow) setenv("VECTRON_HOLD_SWALLOW", "1", 1);
    pid_t child;
    char *arguments[] = {(char *)(uintptr_t)self, (char *)(uintptr_t)name, data, NULL};
    check(posix_spawn(&child, self, NULL, NULL, arguments, environ) == 0);
    unsetenv("VECTRON_HOLD");
    unsetenv("VECTRON_HOLD_SWALLOW");
    int status;
    check(waitpid(child, &status, 0) == child);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct rollback done;
    check(rollback(journal, loss, seed, &done) == 0);
    check(access(journal, F_OK) != 0);
    left = (struct listing){0};
    list(data, "", &left);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    check(system(command) == 0);
    return left.text;
}

static int play_rows(const char *self) {
    int failed = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *left = play(self, rows[i].name, LOSS_ALL, 1, false);
        if (strcmp(left, rows[i].left) == 0) continue;
        fprintf(stderr, "%s: \"%s\", not \"%s\"\n", rows[i].name, left, rows[i].left);
        failed++;
    }
    if (strcmp(play(self, "all synced", LOSS_ALL, 1, true), "") != 0) {
        fprintf(stderr, "swallowed syncs kept something\n");
        failed++;
    }
    return failed;
}

/* Every prefix of the unsynced writes is a possible outcome, and nothing else. */
static int play_prefixes(const char *self) {
    bool seen[11] = {false};
    for (uint64_t seed = 1; seed <= 150; seed++) {
        const char *left = play(self, "many writes", LOSS_PREFIX, seed, false);
        size_t n = strlen(left) - strlen("a=");
        if (strncmp(left, "a=", 2) != 0 || n > 10 || memcmp(left + 2, "0123456789", n) != 0) {
            fprintf(stderr, "seed %llu: \"%s\"\n", (unsigned long long)seed, left);
            return 1;
        }
        seen[n] = true;
    }
    for (int n = 0; n <= 10; n++) {
        if (seen[n]) continue;
        fprintf(stderr, "%d writes never survived\n", n);
        return 1;
    }
    return 0;
}

static int run_child(const char *name, const char *folder) {
    check(chdir(folder) == 0);
    if (strcmp(name, "many writes") == 0) many_writes();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(name, rows[i].name) == 0) rows[i].run();
    raise(SIGKILL);
    return 1;
}

int main(int argc, char **argv) {
    if (argc > 2) return run_child(argv[1], argv[2]);
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    check(size > 0);
    self[size] = '\0';
    int failed = play_rows(self) + play_prefixes(self);
    if (!failed) printf("hold: %zu scenarios, all as expected\n", sizeof rows / sizeof *rows);
    return failed ? 1 : 0;
}
