/* files: see the header. A file is what is in the folder now, what a power cut leaves for certain,
 * and the writes between the two. Names, too: a rename stays once the folder is synced.
 *
 *     write ─▶ in the folder, and in the list ─ fdatasync ─▶ durable, the list is empty
 *     power cut ─▶ the durable one, or the one in the folder, or the durable one and any of the
 *                  list, whole or cut short
 *
 * Nothing is synced in earnest, and a file's identity is its record here, not its inode: who opens
 * with O_TRUNC makes a new one. */
#include "tests/sim/cluster/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "runtime/buffer.h"
#include "runtime/rng.h"
#include "tests/unit/actors/world.h"

enum {
    PPM = 1000 * 1000,
    NODES = 1 + WORLD_WORKERS_MAX, /* the workers', from 2 on */
    FDS = 1024,
    PATH_SIZE = 128,
    FOLDER_SIZE = 40,
};

struct change {
    struct change *next; /* owned */
    uint64_t at;
    struct buffer bytes;
};

struct file {
    struct file *next; /* owned list of all */
    struct buffer durable;
    struct change *first, *last; /* owned; not synced */
};

struct name {
    struct name *next; /* owned */
    char path[PATH_SIZE];
    struct file *now;     /* NULL: there is none of this name */
    struct file *durable; /* … when the power fails */
};

static struct disk {
    struct kv_faults faults;
    struct name *names; /* owned */
    uint32_t cut_in;    /* things until the power fails; 0: it does not */
    bool dead;          /* nothing reaches it */
    bool cut;           /* … because its power failed */
} disks[NODES + 1];

static char folder[FOLDER_SIZE];
static struct file *all; /* owned */
static struct rng rng;
static struct opened {
    struct file *file; /* NULL: none of ours */
    uint32_t node;
} opened[FDS];

__typeof__(open) __real_open;
__typeof__(close) __real_close, __wrap_close;
__typeof__(dup) __real_dup, __wrap_dup;
__typeof__(write) __real_write, __wrap_write;
__typeof__(pwrite) __real_pwrite, __wrap_pwrite;
__typeof__(fdatasync) __real_fdatasync, __wrap_fdatasync;
__typeof__(fsync) __real_fsync, __wrap_fsync;
__typeof__(rename) __real_rename, __wrap_rename;
__typeof__(unlink) __real_unlink, __wrap_unlink;
int __wrap_open(const char *path, int flags, ...);

/* --- files and names -------------------------------------------------------------------------- */

static struct file *file_new(void) {
    struct file *file = calloc(1, sizeof *file);
    assert(file);
    buffer_init(&file->durable);
    file->next = all;
    return all = file;
}

static void settle(struct file *file) {
    for (struct change *next; file->first; file->first = next) {
        next = file->first->next;
        buffer_free(&file->first->bytes);
        free(file->first);
    }
    file->last = NULL;
}

/* A change of these bytes, written there. */
static void add_change(struct file *file, const void *bytes, size_t size, uint64_t at) {
    struct change *change = calloc(1, sizeof *change);
    assert(change);
    buffer_init(&change->bytes);
    buffer_append(&change->bytes, bytes, size);
    change->at = at;
    if (file->last)
        file->last->next = change;
    else
        file->first = change;
    file->last = change;
}

static struct name *name_at(uint32_t node, const char *path) {
    struct name *name = disks[node].names;
    while (name && strcmp(name->path, path) != 0)
        name = name->next;
    if (name) return name;
    name = calloc(1, sizeof *name);
    assert(name && strlen(path) < sizeof name->path);
    snprintf(name->path, sizeof name->path, "%s", path);
    name->next = disks[node].names;
    disks[node].names = name;
    return name;
}

/* 0: it is none of ours. */
static uint32_t node_of(const char *path) {
    size_t size = strlen(folder);
    if (size == 0 || strncmp(path, folder, size) != 0 || path[size] != '/') return 0;
    return (uint32_t)strtoul(path + size + 1, NULL, 10);
}

static struct opened *opened_at(int fd) {
    return fd >= 0 && fd < FDS && opened[fd].file ? &opened[fd] : NULL;
}

/* --- what goes wrong -------------------------------------------------------------------------- */

/* 0: it may be done, or the errno. */
static int refusal(uint32_t node, bool writes) {
    struct disk *disk = &disks[node];
    if (!disk->dead && disk->cut_in > 0 && --disk->cut_in == 0) disk->dead = disk->cut = true;
    if (disk->dead) return EIO;
    if (writes && disk->faults.capacity_bytes > 0) return ENOSPC;
    return rng_below(&rng, PPM) < disk->faults.fail_write_ppm ? EIO : 0;
}

static bool refuses(uint32_t node, bool writes) {
    int error = refusal(node, writes);
    if (error) errno = error;
    return error != 0;
}

/* Of a write that is refused this much is there all the same. */
static size_t torn(uint32_t node, size_t size) {
    const struct disk *disk = &disks[node];
    bool tears = disk->cut || (!disk->dead && rng_below(&rng, PPM) < disk->faults.torn_write_ppm);
    return tears ? (size_t)rng_below(&rng, size + 1) : 0;
}

/* --- the calls -------------------------------------------------------------------------------- */

int __wrap_open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    uint32_t node = node_of(path);
    bool changes = flags & (O_CREAT | O_TRUNC);
    if (node && changes && refuses(node, true)) return -1;
    int fd = __real_open(path, flags, mode);
    if (!node || fd < 0 || (flags & O_DIRECTORY)) return fd;
    struct name *name = name_at(node, path);
    if ((flags & O_TRUNC) || !name->now) name->now = file_new();
    assert(fd < FDS);
    opened[fd] = (struct opened){name->now, node};
    return fd;
}

int __wrap_close(int fd) {
    if (opened_at(fd)) opened[fd].file = NULL;
    return __real_close(fd);
}

int __wrap_dup(int fd) {
    int other = __real_dup(fd);
    assert(other < FDS);
    if (opened_at(fd) && other >= 0) opened[other] = opened[fd];
    return other;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at) {
    struct opened *it = opened_at(fd);
    bool refused = it && refuses(it->node, true);
    int error = errno;
    size_t n = refused ? torn(it->node, size) : size;
    ssize_t done = refused && n == 0 ? 0 : __real_pwrite(fd, bytes, n, at);
    if (it && done > 0) add_change(it->file, bytes, (size_t)done, (uint64_t)at);
    if (refused) errno = error;
    return refused ? -1 : done;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size) {
    struct opened *it = opened_at(fd);
    bool refused = it && refuses(it->node, true);
    int error = errno;
    size_t n = refused ? torn(it->node, size) : size;
    ssize_t done = refused && n == 0 ? 0 : __real_write(fd, bytes, n);
    if (it && done > 0)
        add_change(it->file, bytes, (size_t)done, (uint64_t)(lseek(fd, 0, SEEK_CUR) - done));
    if (refused) errno = error;
    return refused ? -1 : done;
}

static void apply(struct buffer *to, const struct change *change, size_t size) {
    size_t end = change->at + size;
    if (end > to->size) {
        size_t more = end - to->size;
        void *there = buffer_reserve(to, more);
        assert(there);
        memset(there, 0, more);
        to->size = end;
    }
    memcpy((char *)to->data + change->at, change->bytes.data, size);
}

static void make_durable(struct file *file) {
    for (const struct change *change = file->first; change; change = change->next)
        apply(&file->durable, change, change->bytes.size);
    settle(file);
}

int __wrap_fdatasync(int fd) {
    struct opened *it = opened_at(fd);
    if (!it) return __real_fdatasync(fd);
    if (refuses(it->node, false)) return -1;
    make_durable(it->file);
    return 0;
}

/* Of our folders: they have no record of their own. */
static uint32_t folder_of(int fd) {
    char link[40], path[PATH_SIZE];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = folder[0] ? readlink(link, path, sizeof path - 1) : -1;
    if (n < 0) return 0;
    path[n] = '\0';
    return node_of(path);
}

int __wrap_fsync(int fd) {
    uint32_t node = folder_of(fd);
    if (!node) return __real_fsync(fd);
    if (refuses(node, false)) return -1;
    for (struct name *name = disks[node].names; name; name = name->next)
        name->durable = name->now;
    return 0;
}

int __wrap_rename(const char *from, const char *to) {
    uint32_t node = node_of(from);
    if (node && access(from, F_OK) == 0) {
        if (refuses(node, false)) return -1;
        struct name *old = name_at(node, from);
        name_at(node, to)->now = old->now;
        old->now = NULL;
    }
    return __real_rename(from, to);
}

int __wrap_unlink(const char *path) {
    uint32_t node = node_of(path);
    if (node && access(path, F_OK) == 0) {
        if (refuses(node, false)) return -1;
        name_at(node, path)->now = NULL;
    }
    return __real_unlink(path);
}

/* --- power ------------------------------------------------------------------------------------ */

void files_set_faults(uint32_t node, const struct kv_faults *faults) {
    if (node <= NODES) disks[node].faults = *faults;
}

void files_cut_soon(uint32_t node, uint32_t nth) {
    if (!disks[node].dead) disks[node].cut_in = nth;
}

bool files_are_cut(uint32_t node) {
    return disks[node].cut;
}

void files_die(uint32_t node) {
    disks[node].dead = true;
}

/* What is left of a file. */
static void choose(struct file *file) {
    uint32_t how = (uint32_t)rng_below(&rng, 3);
    for (const struct change *change = file->first; change; change = change->next) {
        size_t size = change->bytes.size;
        if (how == 0 || (how == 1 && rng_below(&rng, 2))) continue;
        if (how == 1 && rng_below(&rng, 4) == 0) size = (size_t)rng_below(&rng, size + 1);
        apply(&file->durable, change, size);
    }
    settle(file);
}

static void put_back(const struct name *name) {
    (void)__real_unlink(name->path);
    if (!name->now) return;
    const struct buffer *bytes = &name->now->durable;
    int fd = __real_open(name->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0);
    ssize_t n = bytes->size > 0 ? __real_write(fd, bytes->data, bytes->size) : 0;
    assert(n >= 0 && (size_t)n == bytes->size);
    (void)__real_close(fd);
}

void files_revive(uint32_t node, bool power_cut) {
    struct disk *disk = &disks[node];
    bool names_stay = rng_below(&rng, 2);
    if (power_cut || disk->cut) {
        for (struct name *name = disk->names; name; name = name->next) {
            if (!names_stay) name->now = name->durable;
            name->durable = name->now;
            if (name->now) choose(name->now);
            put_back(name);
        }
    }
    disk->dead = disk->cut = false;
    disk->cut_in = 0;
}

void files_wipe(uint32_t node) {
    for (struct name *name = disks[node].names; name; name = name->next) {
        (void)__real_unlink(name->path);
        name->now = name->durable = NULL;
    }
}

/* --- begin and end ---------------------------------------------------------------------------- */

static void node_folder(uint32_t node, char path[PATH_SIZE]) {
    snprintf(path, PATH_SIZE, "%s/%u", folder, node);
}

static void folder_of_process(long process, char path[FOLDER_SIZE]) {
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, FOLDER_SIZE, "%s/vectron-sim-%ld", memory, process);
}

static int drop(const char *path, const struct stat *about, int kind, struct FTW *where) {
    (void)about, (void)kind, (void)where;
    return remove(path);
}

void files_sweep(long process) {
    char path[FOLDER_SIZE];
    folder_of_process(process, path);
    if (access(path, F_OK) == 0) (void)nftw(path, drop, 8, FTW_DEPTH | FTW_PHYS);
}

void files_begin(uint64_t seed) {
    char path[PATH_SIZE];
    folder_of_process(getpid(), folder);
    memset(disks, 0, sizeof disks);
    rng_init(&rng, seed);
    int made = mkdir(folder, 0700);
    assert(made == 0 || errno == EEXIST);
    for (uint32_t node = 2; node <= NODES; node++) {
        node_folder(node, path);
        made = mkdir(path, 0700);
        assert(made == 0 || errno == EEXIST);
    }
}

const char *files_folder(void) {
    return folder;
}

static void names_free(struct disk *disk) {
    for (struct name *next; disk->names; disk->names = next) {
        next = disk->names->next;
        (void)__real_unlink(disk->names->path);
        free(disk->names);
    }
}

void files_end(void) {
    char path[PATH_SIZE];
    for (uint32_t node = 2; node <= NODES; node++) {
        names_free(&disks[node]);
        node_folder(node, path);
        (void)rmdir(path);
    }
    (void)rmdir(folder);
    folder[0] = '\0';
    for (struct file *next; all; all = next) {
        next = all->next;
        settle(all);
        buffer_free(&all->durable);
        free(all);
    }
}
