/* journal: the ranges of earlier runs, sorted and joined; this run's are only appended to the file.
 */
#include "cli/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/memory.h"

static const char magic[] = "vectron-import 1";

struct range {
    uint64_t first, count;
};

struct journal {
    FILE *file;
    char *path;           /* owned */
    struct range *ranges; /* owned; sorted, apart */
    size_t n;
    size_t capacity;
    bool failed;
};

static int by_first(const void *a, const void *b) {
    const struct range *left = a, *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

static bool keep_range(struct journal *journal, struct range range) {
    if (range.count == 0 || range.first > UINT64_MAX - range.count) return true;
    if (journal->n == journal->capacity) {
        size_t capacity = journal->capacity ? journal->capacity * 2 : 64;
        struct range *grown = mem_resize(journal->ranges, capacity * sizeof *grown);
        if (!grown) return false;
        journal->ranges = grown;
        journal->capacity = capacity;
    }
    journal->ranges[journal->n++] = range;
    return true;
}

static void join(struct journal *journal) {
    if (journal->n == 0) return;
    qsort(journal->ranges, journal->n, sizeof *journal->ranges, by_first);
    size_t last = 0;
    for (size_t i = 1; i < journal->n; i++) {
        struct range *to = &journal->ranges[last], *from = &journal->ranges[i];
        if (from->first > to->first + to->count)
            journal->ranges[++last] = *from;
        else if (from->first + from->count > to->first + to->count)
            to->count = from->first + from->count - to->first;
    }
    journal->n = last + 1;
}

/* False: it is not a journal of this key. */
static bool read_journal(struct journal *journal, const char *key) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    unsigned long number = 0;
    bool ours = true;
    while (ours && (size = getline(&line, &capacity, journal->file)) > 0) {
        if (line[size - 1] != '\n') break; /* cut by a kill */
        line[size - 1] = 0;
        unsigned long long first, count;
        number++;
        if (number == 1)
            ours = strcmp(line, magic) == 0;
        else if (number == 2)
            ours = strcmp(line, key) == 0;
        else if (sscanf(line, "%llu %llu", &first, &count) == 2)
            ours = keep_range(journal, (struct range){first, count});
    }
    free(line);
    join(journal);
    return ours && number >= 2;
}

static void make_folders(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *at = strchr(folder + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = 0;
        mkdir(folder, 0777); /* what fails shows when the file is opened */
        *at = '/';
    }
}

/* A new journal replaces the old one at once, so that a kill leaves one of the two. */
static bool begin(struct journal *journal, const char *key) {
    journal->n = 0;
    if (journal->file) fclose(journal->file);
    journal->file = fopen(journal->path, "we");
    return journal->file && fprintf(journal->file, "%s\n%s\n", magic, key) > 0 &&
           fflush(journal->file) == 0;
}

/* Goes on behind the last whole line. */
static bool go_on(struct journal *journal) {
    long end = 0;
    int c;
    rewind(journal->file);
    for (long at = 1; (c = getc(journal->file)) != EOF; at++)
        if (c == '\n') end = at;
    return ftruncate(fileno(journal->file), end) == 0 && fseek(journal->file, end, SEEK_SET) == 0;
}

enum status
journal_open(const struct journal_options *options, struct journal **out, const char **words) {
    struct journal *journal = mem_zero(1, sizeof *journal);
    if (journal) journal->path = mem_string(options->path);
    if (!journal || !journal->path) {
        *words = "out of memory";
        mem_free(journal);
        return STATUS_NO_MEMORY;
    }
    make_folders(options->path);
    if (!options->fresh) journal->file = fopen(options->path, "r+e");
    bool ours = journal->file && read_journal(journal, options->key);
    if (ours ? go_on(journal) : begin(journal, options->key)) {
        *out = journal;
        return STATUS_OK;
    }
    *words = strerror(errno);
    journal_close(journal, false);
    return STATUS_IO;
}

void journal_close(struct journal *journal, bool complete) {
    if (!journal) return;
    if (journal->file) fclose(journal->file);
    if (complete) {
        unlink(journal->path);
        char *slash = strrchr(journal->path, '/');
        if (slash) *slash = 0;
        /* The folder of the journals goes with the last one; one that holds other things stays. */
        if (slash && strstr(journal->path, ".import")) rmdir(journal->path);
    }
    mem_free(journal->path);
    mem_free(journal->ranges);
    mem_free(journal);
}

bool journal_has(const struct journal *journal, uint64_t row) {
    size_t low = 0, high = journal->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct range *range = &journal->ranges[middle];
        if (row < range->first)
            high = middle;
        else if (row >= range->first + range->count)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

uint64_t journal_count(const struct journal *journal) {
    uint64_t n = 0;
    for (size_t i = 0; i < journal->n; i++)
        n += journal->ranges[i].count;
    return n;
}

void journal_add(struct journal *journal, const uint64_t *rows, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && rows[end] == rows[end - 1] + 1)
            end++;
        if (fprintf(journal->file, "%llu %zu\n", (unsigned long long)rows[i], end - i) < 0)
            journal->failed = true;
        i = end;
    }
    if (fflush(journal->file) != 0) journal->failed = true;
}

bool journal_failed(const struct journal *journal) {
    return journal->failed;
}
