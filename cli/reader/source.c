/* source: zlib's gzread, which passes plain files through, plus a line buffer. */
#include "cli/reader/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "runtime/memory.h"

enum { READ_BYTES = 256 * 1024, LINE_BYTES = 64 * 1024 };

struct source {
    gzFile file;
    uint64_t size;
    uint64_t offset;
    char *line; /* owned; [line_at, line_end) is read and not taken */
    size_t line_capacity;
    size_t line_at;
    size_t line_end;
    char words[SOURCE_WORDS_MAX];
};

enum status source_open(const char *path, struct source **out, char words[SOURCE_WORDS_MAX]) {
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) != 0) {
        snprintf(words, SOURCE_WORDS_MAX, "cannot open: %s", strerror(errno));
        if (fd >= 0) close(fd);
        return STATUS_IO;
    }
    if (S_ISDIR(about.st_mode)) {
        snprintf(words, SOURCE_WORDS_MAX, "is a folder");
        close(fd);
        return STATUS_IO;
    }
    struct source *source = mem_zero(1, sizeof *source);
    gzFile file = source ? gzdopen(fd, "rb") : NULL;
    if (!file) {
        snprintf(words, SOURCE_WORDS_MAX, "out of memory");
        close(fd);
        mem_free(source);
        return STATUS_NO_MEMORY;
    }
    gzbuffer(file, READ_BYTES);
    source->file = file;
    source->size = S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
    *out = source;
    return STATUS_OK;
}

void source_close(struct source *source) {
    if (!source) return;
    gzclose_r(source->file);
    mem_free(source->line);
    mem_free(source);
}

/* gzread counts in int; a short count without an error is the end of the file. */
static enum status read_some(struct source *source, void *to, size_t n, size_t *got) {
    unsigned ask = n > READ_BYTES ? READ_BYTES : (unsigned)n;
    int count = gzread(source->file, to, ask);
    int error = Z_OK;
    const char *text = gzerror(source->file, &error);
    if (count < 0 || (error != Z_OK && error != Z_STREAM_END)) {
        bool broken = error == Z_DATA_ERROR || error == Z_BUF_ERROR;
        snprintf(source->words, sizeof source->words, "%s%s",
                 broken ? "the gzip stream is damaged or cut: " : "cannot read: ",
                 error == Z_ERRNO ? strerror(errno) : text);
        return broken ? STATUS_CORRUPT : STATUS_IO;
    }
    *got = (size_t)count;
    return STATUS_OK;
}

enum status source_read(struct source *source, void *to, size_t n, size_t *got) {
    size_t have = 0;
    while (have < n) {
        size_t count;
        enum status status = read_some(source, (char *)to + have, n - have, &count);
        if (status != STATUS_OK) return status;
        if (count == 0) break;
        have += count;
        source->offset += count;
    }
    *got = have;
    return STATUS_OK;
}

/* Makes room behind line_end: by moving what is left to the front, else by doubling. */
static enum status make_room(struct source *source) {
    if (source->line_at > 0) {
        memmove(source->line, source->line + source->line_at, source->line_end - source->line_at);
        source->line_end -= source->line_at;
        source->line_at = 0;
    }
    if (source->line_capacity - source->line_end > LINE_BYTES / 2) return STATUS_OK;
    if (source->line_end >= SOURCE_LINE_MAX) {
        snprintf(source->words, sizeof source->words, "the line is longer than %d bytes",
                 SOURCE_LINE_MAX);
        return STATUS_TOO_LARGE;
    }
    size_t capacity = source->line_capacity ? source->line_capacity * 2 : LINE_BYTES;
    char *line = mem_resize(source->line, capacity);
    if (!line) {
        snprintf(source->words, sizeof source->words, "out of memory");
        return STATUS_NO_MEMORY;
    }
    source->line = line;
    source->line_capacity = capacity;
    return STATUS_OK;
}

static void take_line(struct source *source, size_t size, size_t end, char **line, size_t *out) {
    *line = source->line + source->line_at;
    source->line_at += size + end;
    source->offset += size + end;
    if (size && (*line)[size - 1] == '\r') size--;
    (*line)[size] = 0;
    *out = size;
}

enum status source_line(struct source *source, char **line, size_t *size) {
    size_t looked = 0; /* bytes from line_at that have no end of line */
    enum status status = source->line ? STATUS_OK : make_room(source);
    while (status == STATUS_OK) {
        size_t have = source->line_end - source->line_at;
        char *at = source->line + source->line_at;
        char *end = have > looked ? memchr(at + looked, '\n', have - looked) : NULL;
        if (end) {
            take_line(source, (size_t)(end - at), 1, line, size);
            return STATUS_OK;
        }
        looked = have;
        status = make_room(source);
        if (status != STATUS_OK) break;
        size_t got, room = source->line_capacity - source->line_end - 1;
        status = read_some(source, source->line + source->line_end, room, &got);
        if (status != STATUS_OK) break;
        source->line_end += got;
        if (got > 0) continue;
        *line = NULL;
        *size = 0;
        if (have > 0) take_line(source, have, 0, line, size);
        return STATUS_OK;
    }
    return status;
}

uint64_t source_offset(const struct source *source) {
    return source->offset;
}

uint64_t source_position(const struct source *source) {
    z_off_t position = gzoffset(source->file);
    return position > 0 ? (uint64_t)position : 0;
}

uint64_t source_size(const struct source *source) {
    return source->size;
}

bool source_compressed(const struct source *source) {
    return !gzdirect(source->file);
}

const char *source_words(const struct source *source) {
    return source->words;
}
