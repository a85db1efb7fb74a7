/* cage: see the header. A line of mountinfo is
 *     35 31 0:32 ROOT FOLDER rw,relatime shared:1 - cgroup cgroup rw,memory
 * and one of cgroup 4:memory:PATH, or 0::PATH for version 2. PATH lies below ROOT, which in a
 * container is not "/". */
#include "cli/supervise/cage.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PROC_MAX = 64 * 1024,
    PERIOD_US = 100 * 1000, /* in which the processor's share is counted */
    FIELD_MAX = 256,
};
static const char prefix[] = "vectron-";

/* --- where our group is --- */

/* Whether a word is in a list with commas. */
static bool has_word(const char *list, const char *word) {
    size_t size = strlen(word);
    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (strcspn(list, ",") == size && strncmp(list, word, size) == 0) return true;
    return false;
}

/* The next line of the text, its end cut off, and the text moved behind it; false: it is over. */
static bool next_line(const char **text, char *out, size_t size) {
    size_t length = strcspn(*text, "\n");
    if (!**text) return false;
    snprintf(out, size, "%.*s", (int)length, *text);
    *text += length + ((*text)[length] == '\n');
    return true;
}

/* Our path in the hierarchy of the controller; NULL: version 2's. */
static bool our_path(const char *groups, const char *controller, char path[CAGE_PATH_MAX]) {
    char line[2 * CAGE_PATH_MAX];
    while (next_line(&groups, line, sizeof line)) {
        char *names = strchr(line, ':'), *rest = names ? strchr(names + 1, ':') : NULL;
        if (!rest) continue;
        *rest++ = 0;
        bool ours = controller ? has_word(names + 1, controller) : !names[1];
        if (ours) snprintf(path, CAGE_PATH_MAX, "%s", rest);
        if (ours) return true;
    }
    return false;
}

/* controller NULL: version 2. */
static bool find_in(const char *mounts,
                    const char *groups,
                    const char *controller,
                    char folder[CAGE_PATH_MAX]) {
    char line[4 * CAGE_PATH_MAX], path[CAGE_PATH_MAX];
    if (!our_path(groups, controller, path)) return false;
    while (next_line(&mounts, line, sizeof line)) {
        char root[FIELD_MAX], at[FIELD_MAX], type[32], options[FIELD_MAX];
        const char *behind = strstr(line, " - ");
        bool read = behind && sscanf(line, "%*s %*s %*s %255s %255s", root, at) == 2 &&
                    sscanf(behind, " - %31s %*s %255s", type, options) == 2;
        if (!read || strcmp(type, controller ? "cgroup" : "cgroup2") != 0) continue;
        if (controller && !has_word(options, controller)) continue;
        size_t above = strcmp(root, "/") == 0 ? 0 : strlen(root);
        bool below = strncmp(path, root, above) == 0;
        const char *rest = below && strcmp(path + above, "/") != 0 ? path + above : "";
        return snprintf(folder, CAGE_PATH_MAX, "%s%s", at, rest) < CAGE_PATH_MAX;
    }
    return false;
}

bool cage_find(const char *mounts,
               const char *groups,
               const char *controller,
               struct cage_place *out) {
    out->second = false;
    if (find_in(mounts, groups, controller, out->folder)) return true;
    out->second = true;
    return find_in(mounts, groups, NULL, out->folder);
}

/* --- files --- */

static void read_text(const char *path, char *out, size_t size) {
    ssize_t n = 0, used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && used < (ssize_t)size - 1 &&
           (n = read(fd, out + used, size - 1 - (size_t)used)) > 0)
        used += n;
    out[used] = 0;
    if (fd >= 0) close(fd);
}

static bool write_text(const char *folder, const char *name, const char *text) {
    char path[CAGE_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return n == (ssize_t)strlen(text);
}

static enum status explain(struct buffer *why, const char *folder, const char *what) {
    bool denied = errno == EACCES || errno == EPERM || errno == EROFS;
    buffer_printf(why, "%s/%s: %s%s", folder, what, strerror(errno),
                  denied ? "; cgroup_memory and cgroup_cpu need root, or a systemd unit with "
                           "Delegate=yes"
                         : "");
    return denied ? STATUS_DENIED : errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
}

/* Groups of supervisors that were killed. */
static void sweep(const char *folder) {
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        char path[CAGE_PATH_MAX + 256];
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) != 0) continue;
        char *end = NULL;
        long pid = strtol(entry->d_name + sizeof prefix - 1, &end, 10);
        if (pid <= 0 || *end != '-' || kill((pid_t)pid, 0) == 0 || errno != ESRCH) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        rmdir(path);
    }
    if (entries) closedir(entries);
}

/* Version 2 gives a controller only to the groups of a group without processes: ours move down. */
static bool give_controller(const char *folder, const char *controller) {
    static const char control[] = "cgroup.subtree_control";
    char own[CAGE_PATH_MAX + 32], wanted[32];
    snprintf(wanted, sizeof wanted, "+%s", controller);
    if (write_text(folder, control, wanted)) return true;
    if (errno != EBUSY) return false;
    snprintf(own, sizeof own, "%s/%s%d-own", folder, prefix, (int)getpid());
    if (mkdir(own, 0755) != 0 && errno != EEXIST) return false;
    return write_text(own, "cgroup.procs", "0") && write_text(folder, control, wanted);
}

static enum status
explain_controller(struct buffer *why, const char *folder, const char *controller) {
    if (errno == EBUSY) {
        buffer_printf(
            why,
            "other processes than the supervisor are in its control group %s: start it in "
            "one of its own (a systemd unit, or systemd-run --scope)",
            folder);
        return STATUS_BUSY;
    }
    if (errno != ENOENT) return explain(why, folder, "cgroup.subtree_control");
    buffer_printf(why,
                  "%s does not have the controller %s: the group above it does not give it on "
                  "(cgroup.subtree_control there; of a systemd unit: Delegate=%s)",
                  folder, controller, controller);
    return STATUS_NOT_FOUND;
}

/* The folder without that, should we have moved down for another process before. */
static void leave_own(char *folder) {
    char own[64];
    size_t size = strlen(folder);
    size_t behind = (size_t)snprintf(own, sizeof own, "/%s%d-own", prefix, (int)getpid());
    if (size > behind && strcmp(folder + size - behind, own) == 0) folder[size - behind] = 0;
}

/* --- the cage --- */

struct bound {
    const char *controller;
    const char *file[2]; /* of version 1, of version 2 */
    char text[2][64];
};

static enum status
add(struct cage *cage, const struct bound *bound, const char *name, struct buffer *why) {
    static char mounts[PROC_MAX], groups[PROC_MAX];
    struct cage_place place;
    read_text("/proc/self/mountinfo", mounts, sizeof mounts);
    read_text("/proc/self/cgroup", groups, sizeof groups);
    if (!cage_find(mounts, groups, bound->controller, &place)) {
        buffer_printf(why, "no control group with the controller %s is mounted", bound->controller);
        return STATUS_NOT_FOUND;
    }
    sweep(place.folder);
    if (place.second) {
        leave_own(place.folder);
        if (!give_controller(place.folder, bound->controller))
            return explain_controller(why, place.folder, bound->controller);
    }
    char folder[CAGE_PATH_MAX];
    int size =
        snprintf(folder, sizeof folder, "%s/%s%d-%s", place.folder, prefix, (int)getpid(), name);
    if (size >= CAGE_PATH_MAX) errno = ENAMETOOLONG;
    if (size >= CAGE_PATH_MAX || (mkdir(folder, 0755) != 0 && errno != EEXIST))
        return explain(why, place.folder, "mkdir");
    if (cage->n == 0 || strcmp(cage->folders[cage->n - 1], folder) != 0)
        memcpy(cage->folders[cage->n++], folder, sizeof folder);
    const char *file = bound->file[place.second];
    if (!write_text(folder, file, bound->text[place.second])) return explain(why, folder, file);
    if (strcmp(bound->controller, "memory") ==
        0) { /* not by swapping; without swap: no such file */
        if (place.second)
            write_text(folder, "memory.swap.max", "0");
        else
            write_text(folder, "memory.memsw.limit_in_bytes", bound->text[0]);
    }
    return STATUS_OK;
}

enum status cage_open(const struct cluster_process *process, struct cage *out, struct buffer *why) {
    enum status s = STATUS_OK;
    *out = (struct cage){0};
    if (process->cgroup_memory) {
        struct bound bound = {"memory", {"memory.limit_in_bytes", "memory.max"}, {"", ""}};
        for (int i = 0; i < 2; i++)
            snprintf(bound.text[i], sizeof bound.text[i], "%llu",
                     (unsigned long long)process->cgroup_memory);
        s = add(out, &bound, process->name, why);
    }
    if (s == STATUS_OK && process->cgroup_cpu) {
        struct bound bound = {"cpu", {"cpu.cfs_quota_us", "cpu.max"}, {"", ""}};
        unsigned quota_us = process->cgroup_cpu * (PERIOD_US / 100);
        snprintf(bound.text[0], sizeof bound.text[0], "%u", quota_us);
        snprintf(bound.text[1], sizeof bound.text[1], "%u %d", quota_us, (int)PERIOD_US);
        s = add(out, &bound, process->name, why);
    }
    if (s != STATUS_OK) cage_close(out);
    return s;
}

void cage_close(struct cage *cage) {
    while (cage->n > 0)
        rmdir(cage->folders[--cage->n]);
}

void cage_list(const struct cage *cage, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < cage->n && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ":" : "", cage->folders[i]);
}

bool cage_enter(const char *list) {
    while (*list) {
        char folder[CAGE_PATH_MAX];
        size_t size = strcspn(list, ":");
        snprintf(folder, sizeof folder, "%.*s", (int)size, list);
        if (!write_text(folder, "cgroup.procs", "0")) return false;
        list += size + (list[size] == ':');
    }
    return true;
}

unsigned long long cage_killed(const struct cage *cage) {
    static const char *const files[] = {"memory.events", "memory.oom_control"};
    unsigned long long killed = 0;
    for (size_t i = 0; i < 2 * cage->n; i++) {
        char path[CAGE_PATH_MAX + 32], text[1024];
        snprintf(path, sizeof path, "%s/%s", cage->folders[i / 2], files[i % 2]);
        read_text(path, text, sizeof text);
        const char *row = strstr(text, "oom_kill ");
        if (row) killed += strtoull(row + strlen("oom_kill "), NULL, 10);
    }
    return killed;
}
