/* settle: pages of a file become memory of the arrays. */
#include "index/settle.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "index/file.h"
#include "index/guard.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum { CHUNK = 2 << 20 /* one huge page */ };

void settle_init(struct settle *settle) {
    *settle = (struct settle){.fd = -1, .at = FILE_LINKERS};
}

static void *segment_at(const struct slots *slots, unsigned segment) {
    return slots_at(slots, slots_first(segment));
}

void settle_reset(struct settle *settle) {
    for (unsigned i = 0; i < settle->n_sections; i++)
        for (unsigned s = 0; s < SLOTS_SEGMENTS; s++)
            if (settle->mapped[i] >> s & 1) guard_drop(segment_at(settle->sections[i].slots, s));
    if (settle->fd >= 0) (void)close(settle->fd);
    settle_init(settle);
}

static enum status read_at(int fd, void *bytes, size_t size, uint64_t at) {
    unsigned char *to = bytes;
    while (size > 0) {
        ssize_t n = pread(fd, to, size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return STATUS_IO;
        if (n == 0) return STATUS_CORRUPT;
        to += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return STATUS_OK;
}

static enum status read_page(int fd, const struct slots_page *page, void *to) {
    enum status s = read_at(fd, to, page->size, page->at);
    if (s != STATUS_OK) return s;
    return XXH3_64bits(to, page->size) == page->sum ? STATUS_OK : STATUS_CORRUPT;
}

/* --- opening
 * ---------------------------------------------------------------------------------------------- */

static bool is_mappable(const struct slots_piece *piece, size_t page_bytes) {
    return piece->page->at % FILE_ALIGN == 0 && piece->page->size == piece->size &&
           piece->size == page_bytes && page_bytes % FILE_ALIGN == 0;
}

struct run {
    char *memory;
    size_t size;
    uint64_t at;
};

static enum status map_run(int fd, struct run *run) {
    if (run->size == 0) return STATUS_OK;
    void *there = mmap(run->memory, run->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
                       (off_t)run->at);
    run->size = 0;
    return there == run->memory ? STATUS_OK : STATUS_NO_MEMORY;
}

/* One segment: whole pages are mapped, in runs; the others, and all when `map` is not, are read. */
static enum status open_segment(struct settle *settle,
                                const struct file_section *section,
                                unsigned segment,
                                bool map) {
    const struct slots *slots = section->slots;
    size_t page_bytes = slots->stride << slots->shift;
    struct run run = {.size = 0};
    uint64_t end = slots_end(segment) < section->n ? slots_end(segment) : section->n;
    enum status s = STATUS_OK;
    for (uint64_t slot = slots_first(segment); s == STATUS_OK && slot < end;) {
        struct slots_piece piece = slots_piece(slots, (uint32_t)slot, section->n);
        slot = piece.end;
        const struct slots_page *page = piece.page;
        if (page->at == 0) continue;
        if (!map || !is_mappable(&piece, page_bytes)) {
            s = read_page(settle->fd, page, piece.memory);
            continue;
        }
        bool follows =
            run.memory + run.size == (char *)piece.memory && run.at + run.size == page->at;
        if (!follows) {
            s = map_run(settle->fd, &run);
            run = (struct run){piece.memory, 0, page->at};
        }
        run.size += piece.size;
    }
    enum status mapped = map_run(settle->fd, &run);
    return s == STATUS_OK ? mapped : s;
}

enum status settle_open(struct settle *settle, struct index_view *view, bool map) {
    if (sysconf(_SC_PAGESIZE) != FILE_ALIGN) map = false;
    for (unsigned i = 0; i < settle->n_sections; i++) {
        const struct file_section *section = &settle->sections[i];
        for (unsigned segment = 0; segment < SLOTS_SEGMENTS; segment++) {
            if (slots_first(segment) >= section->n) break;
            void *memory = segment_at(section->slots, segment);
            size_t bytes = slots_segment_bytes(section->slots, segment);
            bool here = map && slots_is_mapped(section->slots, segment) &&
                        guard_hold(memory, bytes, &view->damaged);
            if (here) settle->mapped[i] |= UINT32_C(1) << segment;
            enum status s = open_segment(settle, section, segment, here);
            if (s != STATUS_OK) return s;
            uint64_t end = slots_end(segment) < section->n ? slots_end(segment) : section->n;
            if (here)
                atomic_fetch_add(&view->unverified,
                                 (end - slots_first(segment)) * section->slots->stride);
        }
    }
    return STATUS_OK;
}

/* --- settling
 * --------------------------------------------------------------------------------------------- */

/* Memory for a chunk: one huge page where its place is one, and filled. */
static void *chunk_new(size_t bytes, bool filled, const void *there) {
    if (!filled || (uintptr_t)there % CHUNK != 0) {
        void *memory =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return memory == MAP_FAILED ? NULL : memory;
    }
    char *memory =
        mmap(NULL, 2 * (size_t)CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    size_t ahead = (size_t)(-(uintptr_t)memory & (CHUNK - 1));
    if (ahead) munmap(memory, ahead);
    munmap(memory + ahead + CHUNK, CHUNK - ahead);
    (void)madvise(memory + ahead, CHUNK, MADV_HUGEPAGE);
    return memory + ahead;
}

/* The part of a page that lies in a chunk of its segment. */
struct part {
    unsigned char *chunk;
    size_t from, end; /* bytes of the segment the chunk is */
};

static enum status read_part(const struct settle *settle,
                             const struct slots_page *page,
                             size_t start,
                             const struct part *to) {
    size_t end = start + page->size;
    if (page->at == 0) return STATUS_OK;
    if (start >= to->from && end <= to->end)
        return read_page(settle->fd, page, to->chunk + (start - to->from));
    unsigned char *whole = mem_alloc(page->size);
    if (!whole) return STATUS_NO_MEMORY;
    enum status s = read_page(settle->fd, page, whole);
    size_t first = start > to->from ? start : to->from, last = end < to->end ? end : to->end;
    if (s == STATUS_OK && first < last)
        memcpy(to->chunk + (first - to->from), whole + (first - start), last - first);
    mem_free(whole);
    return s;
}

static enum status read_chunk(const struct settle *settle,
                              const struct file_section *section,
                              unsigned segment,
                              const struct part *to) {
    const struct slots *slots = section->slots;
    size_t page_bytes = slots->stride << slots->shift;
    uint32_t start = slots_first(segment);
    uint64_t slot = start + ((uint64_t)(to->from / page_bytes) << slots->shift);
    uint64_t end = slots_end(segment) < section->n ? slots_end(segment) : section->n;
    while (slot < end) {
        struct slots_piece piece = slots_piece(slots, (uint32_t)slot, section->n);
        size_t at = (size_t)(piece.first - start) * slots->stride;
        if (at >= to->end) break;
        enum status s = read_part(settle, piece.page, at, to);
        if (s != STATUS_OK) return s;
        slot = piece.end;
    }
    return STATUS_OK;
}

static enum status settle_chunk(const struct settle *settle,
                                const struct file_section *section,
                                unsigned segment,
                                size_t from,
                                size_t used) {
    size_t all = slots_segment_bytes(section->slots, segment);
    size_t end = from + CHUNK < all ? from + CHUNK : all;
    size_t bytes = (end - from + FILE_ALIGN - 1) / FILE_ALIGN * FILE_ALIGN;
    struct part part = {.from = from, .end = end};
    char *there = (char *)segment_at(section->slots, segment) + from;
    part.chunk = chunk_new(bytes, used >= from + CHUNK, there);
    if (!part.chunk) return STATUS_NO_MEMORY;
    enum status s = read_chunk(settle, section, segment, &part);
    if (s == STATUS_OK &&
        mremap(part.chunk, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, there) != there)
        s = STATUS_NO_MEMORY;
    if (s != STATUS_OK) munmap(part.chunk, bytes);
    return s;
}

/* One chunk of a mapped segment, which is none after its last. */
static enum status settle_some(
    struct settle *settle, struct index_view *view, unsigned i, unsigned segment, size_t *offset) {
    const struct file_section *section = &settle->sections[i];
    uint64_t end = slots_end(segment) < section->n ? slots_end(segment) : section->n;
    size_t used = (size_t)(end - slots_first(segment)) * section->slots->stride;
    enum status s = settle_chunk(settle, section, segment, *offset, used);
    if (s != STATUS_OK) return s;
    size_t done = used - *offset < CHUNK ? used - *offset : CHUNK;
    atomic_fetch_sub(&view->unverified, done);
    *offset += CHUNK;
    if (*offset < used) return STATUS_OK;
    *offset = 0;
    guard_drop(segment_at(section->slots, segment));
    settle->mapped[i] &= ~(UINT32_C(1) << segment);
    return STATUS_OK;
}

static enum status damage(struct index_view *view, enum status s) {
    if (s == STATUS_CORRUPT || s == STATUS_IO) atomic_store(&view->damaged, true);
    return s;
}

enum status settle_first(struct settle *settle, struct index_view *view) {
    for (unsigned i = 0; i < FILE_LINKERS && i < settle->n_sections; i++) {
        for (unsigned segment = 0; segment < SLOTS_SEGMENTS; segment++) {
            size_t offset = 0;
            while (settle->mapped[i] >> segment & 1) {
                enum status s = settle_some(settle, view, i, segment, &offset);
                if (s != STATUS_OK) return damage(view, s);
            }
        }
    }
    return STATUS_OK;
}

enum status settle_step(struct settle *settle, struct index_view *view, size_t bytes, bool *done) {
    size_t spent = 0;
    *done = false;
    while (settle->at < settle->n_sections) {
        if (settle->segment == SLOTS_SEGMENTS) {
            settle->segment = 0;
            settle->at++;
        } else if (!(settle->mapped[settle->at] >> settle->segment & 1)) {
            settle->segment++;
        } else {
            if (spent >= bytes) return STATUS_OK;
            enum status s = settle_some(settle, view, settle->at, settle->segment, &settle->offset);
            if (s != STATUS_OK) return damage(view, s);
            spent += CHUNK;
        }
    }
    *done = true;
    return STATUS_OK;
}
