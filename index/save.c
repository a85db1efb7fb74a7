/* save: writes the index while appends, readers and the linker go on (file.h).
 *
 *     start   under the gate: counts, tail and vectors kept whole are taken, the pages to write are
 *             marked PENDING (slots.h)
 *     steps   every such page goes to the file: from memory, or the image a writer left of it
 *     last    extra, table, sync, root, sync; a file written whole gets its name
 *
 * The pages' places in the file are only right when that ended well; a save that did not makes the
 * next one whole. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "index/disk.h"
#include "index/stream.h"
#include "index/writer.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum {
    BUFFER = 1 << 20, /* bytes of pages written by one call, about */
    WHOLE_SHARE = 2,  /* with one in so many pages to write, the file is written whole … */
    WASTE_SHARE = 2,  /* … and when more than one byte in so many would be of no use */
    WASTE_MIN = 1 << 20,
};

static_assert((int)NODE_DETACHED <= 255, "states are in the file");

struct work {
    struct slots_page *page;
    const void *memory;
};

enum save_stage { SAVE_PAGES, SAVE_IMAGES, SAVE_EXTRA, SAVE_ROOT, SAVE_DONE };

struct index_save {
    struct index *index; /* borrowed; outlives the save */
    char *path;          /* owned */
    char *temporary;     /* owned; path + ".tmp" */
    int fd;
    bool whole;
    enum save_stage stage;
    struct file_root root;
    struct file_section sections[FILE_SECTIONS_MAX];
    struct store *store; /* borrowed; is not given up before the end */
    struct work *work;   /* owned; pages to write */
    size_t n_work, at;
    size_t n_left; /* those before `at` that a writer has the image of, less images written */
    struct slots_images images;
    struct cell **tail;   /* owned; live ones */
    uint32_t *kept_slots; /* owned, as the next */
    const float **kept;   /* borrowed; no slot is freed before the end */
    struct stream extra;
    uint32_t extra_cursor;
    unsigned char *buffer; /* owned; pages on their way, from `buffer_at` of the file on */
    size_t buffer_room, buffered;
    uint64_t buffer_at;
    struct index_save_stats stats;
};

/* --- at the start
 * ----------------------------------------------------------------------------------------- */

static uint32_t n_trained(const struct recode *recode) {
    bool training = recode->phase != RECODE_REST && recode->phase != RECODE_GRACE;
    return training ? 0 : (uint32_t)recode->n_trained; /* then it begins again */
}

static void take_root(struct index_save *save, uint64_t applied) {
    struct index *index = save->index;
    const struct index_view *view = index->view;
    struct graph_entry entry = graph_entry(&view->graph);
    save->root = (struct file_root){
        .magic = FILE_MAGIC,
        .version = FILE_VERSION,
        .dimension = view->options.dimension,
        .metric = view->options.metric,
        .M = view->options.M,
        .generation = index->book.generation + 1,
        .applied = applied,
        .n_slots = atomic_load(&view->points.n_slots),
        .n_live = atomic_load(&view->points.n_live),
        .n_linked = atomic_load(&view->graph.n_linked),
        .n_upper = atomic_load(&view->graph.n_upper),
        .n_cells = atomic_load(&view->points.ids.n),
        .entry = entry.slot + 1,
        .entry_level = entry.slot == SLOT_NONE ? 0 : entry.level,
        .root = index->linker.root + 1,
        .store = save->store->kind,
        .bound = save->store->coder.bound,
        .seed = save->store->coder.seed,
        .n_trained = n_trained(&index->linker.recode),
    };
    save->root.n_sections = file_sections(index->view, save->store, &save->root, save->sections);
    for (unsigned i = 0; i < save->root.n_sections; i++)
        save->root.strides[i] = (uint32_t)save->sections[i].slots->stride;
}

/* Room for it was reserved before the gate. */
static void take_tail(struct index_save *save) {
    const struct index_view *view = save->index->view;
    size_t n_tail = tail_copy(&view->tail, save->tail);
    for (size_t i = 0; i < n_tail; i++)
        if (points_live(&view->points, save->tail[i]->slot))
            save->tail[save->root.n_tail++] = save->tail[i];
}

static enum status take_kept(struct index_save *save) {
    uint32_t n = atomic_load(&save->store->n_kept);
    save->kept_slots = mem_alloc(((size_t)n + 1) * sizeof *save->kept_slots);
    save->kept = (const float **)mem_alloc(((size_t)n + 1) * sizeof *save->kept);
    if (!save->kept_slots || !save->kept) return STATUS_NO_MEMORY;
    for (uint32_t slot = 0; slot < save->store->kept_end && save->root.n_kept < n; slot++) {
        const float *vector = store_kept(save->store, slot);
        if (!vector) continue;
        save->kept[save->root.n_kept] = vector;
        save->kept_slots[save->root.n_kept++] = slot;
    }
    return STATUS_OK;
}

/* Pages of the sections that were ever written. */
struct walk_pages {
    uint64_t n, n_dirty, bytes, dirty_bytes;
};

/* Written to since, or longer since: points that only wait have slots in it, too. */
static bool is_dirty(const struct slots_piece *piece) {
    const struct slots_page *page = piece->page;
    return atomic_load(&page->state) == SLOTS_DIRTY || (page->at != 0 && page->size != piece->size);
}

static void count_pages(const struct index_save *save, struct walk_pages *out) {
    for (unsigned i = 0; i < save->root.n_sections; i++) {
        const struct file_section *section = &save->sections[i];
        for (uint64_t slot = 0; slot < section->n;) {
            struct slots_piece piece = slots_piece(section->slots, (uint32_t)slot, section->n);
            bool dirty = is_dirty(&piece);
            slot = piece.end;
            if (!dirty && piece.page->at == 0) continue;
            out->n++;
            out->bytes += piece.size;
            out->n_dirty += dirty;
            out->dirty_bytes += dirty ? piece.size : 0;
        }
    }
}

static bool must_be_whole(const struct index_save *save, const struct walk_pages *pages) {
    const struct file_book *book = &save->index->book;
    uint64_t end = book->end + pages->dirty_bytes;
    return pages->dirty_bytes > pages->bytes / WHOLE_SHARE ||
           end > pages->bytes + pages->bytes / WASTE_SHARE + WASTE_MIN ||
           book->runs + pages->n_dirty > FILE_RUNS_MAX;
}

static void mark(struct index_save *save) {
    for (unsigned i = 0; i < save->root.n_sections; i++) {
        const struct file_section *section = &save->sections[i];
        struct slots *slots = section->slots;
        slots->images = &save->images;
        for (uint64_t slot = 0; slot < section->n;) {
            struct slots_piece piece = slots_piece(slots, (uint32_t)slot, section->n);
            bool dirty = is_dirty(&piece);
            slot = piece.end;
            if (!dirty && (!save->whole || piece.page->at == 0)) continue;
            save->work[save->n_work++] = (struct work){piece.page, piece.memory};
            piece.page->size = (uint32_t)piece.size;
            atomic_store_explicit(&piece.page->state, SLOTS_PENDING, memory_order_release);
        }
    }
}

/* Everything of one moment: no append, removal or link step runs. */
static enum status take_all(struct index_save *save, uint64_t applied) {
    struct walk_pages pages = {0};
    save->store = view_store(save->index->view);
    take_root(save, applied);
    take_tail(save);
    enum status s = store_grow(save->store, save->root.n_slots); /* of slots that wait, too */
    if (s == STATUS_OK) s = take_kept(save);
    if (s != STATUS_OK) return s;
    count_pages(save, &pages);
    if (!save->whole) save->whole = must_be_whole(save, &pages);
    size_t n = save->whole ? pages.n : pages.n_dirty;
    save->work = mem_alloc((n + 1) * sizeof *save->work);
    if (!save->work) return STATUS_NO_MEMORY;
    mark(save);
    assert(save->n_work == n);
    return STATUS_OK;
}

/* The file that the pages' places are of, if it is still there as it was left. */
static bool open_known(struct index_save *save) {
    const struct file_book *book = &save->index->book;
    struct stat about;
    if (!book->known) return false;
    save->fd = open(save->path, O_RDWR | O_CLOEXEC);
    if (save->fd < 0) return false;
    struct file_root root;
    off_t at = (off_t)(book->generation % FILE_ROOTS * FILE_ROOT);
    if (fstat(save->fd, &about) == 0 && about.st_dev == book->device &&
        about.st_ino == book->inode && (uint64_t)about.st_size >= book->end &&
        pread(save->fd, &root, sizeof root, at) == (ssize_t)sizeof root &&
        root.generation == book->generation)
        return true;
    (void)close(save->fd);
    save->fd = -1;
    return false;
}

static enum status open_whole(struct index_save *save) {
    if (save->fd >= 0) (void)close(save->fd);
    save->fd = open(save->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return save->fd >= 0 ? STATUS_OK : disk_status();
}

static enum status prepare(struct index_save *save, const char *path) {
    size_t size = strlen(path) + sizeof ".tmp";
    save->path = mem_string(path);
    save->temporary = mem_alloc(size);
    save->tail = (struct cell **)mem_alloc(save->index->view->tail.limit * sizeof *save->tail);
    save->buffer_room = BUFFER;
    save->buffer = mem_alloc(save->buffer_room);
    if (!save->path || !save->temporary || !save->tail || !save->buffer) return STATUS_NO_MEMORY;
    (void)snprintf(save->temporary, size, "%s.tmp", path);
    save->whole = !open_known(save);
    return STATUS_OK;
}

enum status
index_save_start(struct index *index, const char *path, uint64_t applied, struct index_save **out) {
    assert(!atomic_load(&index->linker.saving));
    enum status s = index_verify(index);
    if (s != STATUS_OK) return s;
    struct index_save *save = mem_zero(1, sizeof *save);
    if (!save) return STATUS_NO_MEMORY;
    save->index = index;
    save->fd = save->extra.fd = -1;
    atomic_store_explicit(&index->linker.saving, true, memory_order_release);
    s = prepare(save, path);
    if (s == STATUS_OK) {
        pthread_mutex_lock(&index->gate);
        s = take_all(save, applied);
        pthread_mutex_unlock(&index->gate);
    }
    if (s == STATUS_OK && save->whole) s = open_whole(save);
    if (s != STATUS_OK) {
        index_save_end(save);
        return s;
    }
    save->buffer_at = save->whole ? FILE_ROOTS * FILE_ROOT : index->book.end;
    save->stats.whole = save->whole;
    *out = save;
    return STATUS_OK;
}

/* --- pages
 * ------------------------------------------------------------------------------------------------
 */

static enum status write_at(int fd, const void *bytes, size_t size, uint64_t at) {
    const unsigned char *from = bytes;
    while (size > 0) {
        ssize_t n = pwrite(fd, from, size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return disk_status();
        from += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return STATUS_OK;
}

static enum status flush(struct index_save *save) {
    enum status s = write_at(save->fd, save->buffer, save->buffered, save->buffer_at);
    save->buffer_at += save->buffered;
    save->stats.bytes += save->buffered;
    save->buffered = 0;
    return s;
}

/* Those of a segment that is mapped are (slots.h); of small ones this only costs a gap. */
static bool is_whole_page(uint32_t size) {
    return size >= FILE_PAGE_MIN && size % FILE_ALIGN == 0;
}

/* Where the next page goes; its bytes are to be put there, all of them. */
static enum status
place_page(struct index_save *save, struct slots_page *page, unsigned char **out) {
    uint64_t align = is_whole_page(page->size) ? FILE_ALIGN : FILE_FINE;
    uint64_t at = save->buffer_at + save->buffered;
    size_t gap = (size_t)(-at & (align - 1));
    if (save->buffered + gap + page->size > save->buffer_room) {
        enum status s = flush(save);
        if (s != STATUS_OK) return s;
        if (gap + page->size > save->buffer_room) {
            unsigned char *more = mem_resize(save->buffer, gap + page->size);
            if (!more) return STATUS_NO_MEMORY;
            save->buffer = more;
            save->buffer_room = gap + page->size;
        }
    }
    memset(save->buffer + save->buffered, 0, gap);
    *out = save->buffer + save->buffered + gap;
    save->buffered += gap + page->size;
    page->at = at + gap;
    return STATUS_OK;
}

/* From memory, unless a writer was there before. */
static enum status put_page(struct index_save *save, const struct work *work) {
    uint8_t pending = SLOTS_PENDING;
    unsigned char *to;
    if (atomic_load_explicit(&work->page->state, memory_order_relaxed) != SLOTS_PENDING) {
        save->n_left++;
        return STATUS_OK;
    }
    enum status s = place_page(save, work->page, &to);
    if (s != STATUS_OK) return s;
    if (!atomic_compare_exchange_strong_explicit(&work->page->state, &pending, SLOTS_BUSY,
                                                 memory_order_acquire, memory_order_relaxed)) {
        save->n_left++; /* the place stays empty */
        memset(to, 0, work->page->size);
        return STATUS_OK;
    }
    memcpy(to, work->memory, work->page->size);
    atomic_store_explicit(&work->page->state, SLOTS_CLEAN, memory_order_release);
    work->page->sum = XXH3_64bits(to, work->page->size);
    save->stats.pages++;
    return STATUS_OK;
}

static enum status put_images(struct index_save *save) {
    struct slots_image *image =
        atomic_exchange_explicit(&save->images.first, NULL, memory_order_acquire);
    enum status s = STATUS_OK;
    while (image) {
        struct slots_image *next = image->next;
        struct slots_page *page = image->page;
        unsigned char *to;
        if (s == STATUS_OK) s = place_page(save, page, &to);
        if (s == STATUS_OK) {
            memcpy(to, image->bytes, page->size);
            page->sum = XXH3_64bits(to, page->size);
            save->stats.pages++;
            save->n_left--;
        }
        mem_free(image);
        image = next;
    }
    if (atomic_load_explicit(&save->images.lost, memory_order_relaxed)) return STATUS_NO_MEMORY;
    return s;
}

/* --- extra, table, root
 * ----------------------------------------------------------------------------------- */

static enum status open_extra(struct index_save *save) {
    struct file_root *root = &save->root;
    enum status s = flush(save);
    if (s != STATUS_OK) return s;
    root->extra_at = save->buffer_at;
    int fd = dup(save->fd);
    if (fd < 0 || lseek(fd, (off_t)root->extra_at, SEEK_SET) < 0) {
        if (fd >= 0) (void)close(fd);
        return STATUS_IO;
    }
    s = stream_open_writer(&save->extra, fd);
    if (s != STATUS_OK) {
        (void)close(fd);
        return s;
    }
    if (root->store == STORE_F32) return STATUS_OK;
    const struct coder *coder = &save->store->coder;
    return stream_put(&save->extra, coder->centre, coder->dimension * sizeof *coder->centre);
}

/* A vector kept whole, or one of the tail. */
static enum status put_extra(struct index_save *save, uint32_t i) {
    size_t stride = save->index->view->cells.stride;
    uint32_t n_kept = save->root.n_kept;
    uint32_t slot = i < n_kept ? save->kept_slots[i] : save->tail[i - n_kept]->slot;
    const float *vector = i < n_kept ? save->kept[i] : save->tail[i - n_kept]->vector;
    enum status s = stream_put(&save->extra, &slot, sizeof slot);
    return s == STATUS_OK ? stream_put(&save->extra, vector, stride) : s;
}

static enum status close_extra(struct index_save *save) {
    enum status s = stream_finish(&save->extra);
    if (s != STATUS_OK) return s;
    off_t end = lseek(save->extra.fd, 0, SEEK_CUR);
    stream_close(&save->extra);
    if (end < 0) return STATUS_IO;
    save->root.extra_size = (uint64_t)end - save->root.extra_at;
    save->stats.bytes += save->root.extra_size;
    save->buffer_at = (uint64_t)end;
    return STATUS_OK;
}

static size_t count_entries(const struct index_save *save) {
    size_t n = 0;
    for (unsigned i = 0; i < save->root.n_sections; i++) {
        const struct file_section *section = &save->sections[i];
        for (uint64_t slot = 0; slot < section->n; n++)
            slot = slots_piece(section->slots, (uint32_t)slot, section->n).end;
    }
    return n;
}

static void fill_table(struct index_save *save, struct file_page *entries) {
    struct file_book *book = &save->index->book;
    uint64_t follows = 0;
    book->used = book->runs = 0;
    for (unsigned i = 0; i < save->root.n_sections; i++) {
        const struct file_section *section = &save->sections[i];
        for (uint64_t slot = 0; slot < section->n;) {
            struct slots_piece piece = slots_piece(section->slots, (uint32_t)slot, section->n);
            const struct slots_page *page = piece.page;
            slot = piece.end;
            *entries = (struct file_page){.at = 0};
            if (page->at != 0) *entries = (struct file_page){page->at, page->sum, page->size, 0};
            book->runs += entries->at != follows;
            book->used += entries->size;
            follows = entries->at + entries->size;
            entries++;
        }
    }
}

static enum status put_table(struct index_save *save) {
    struct file_root *root = &save->root;
    size_t size = count_entries(save) * sizeof(struct file_page);
    struct file_page *entries = mem_alloc(size + 1);
    if (!entries) return STATUS_NO_MEMORY;
    fill_table(save, entries);
    root->table_at = save->buffer_at;
    root->table_size = size;
    root->table_sum = XXH3_64bits(entries, size);
    root->end = root->table_at + size;
    enum status s = write_at(save->fd, entries, size, root->table_at);
    save->stats.bytes += size;
    mem_free(entries);
    return s;
}

static enum status put_root(struct index_save *save) {
    struct file_root *root = &save->root;
    root->sum = XXH3_64bits(root, offsetof(struct file_root, sum));
    enum status s =
        write_at(save->fd, root, sizeof *root, root->generation % FILE_ROOTS * FILE_ROOT);
    if (s == STATUS_OK && fdatasync(save->fd) != 0) s = disk_status();
    if (s != STATUS_OK || !save->whole) return s;
    if (rename(save->temporary, save->path) != 0) return disk_status();
    return disk_sync_folder(save->path);
}

static enum status publish(struct index_save *save) {
    struct file_book *book = &save->index->book;
    struct stat about;
    enum status s = put_table(save);
    if (s == STATUS_OK && fdatasync(save->fd) != 0) s = disk_status();
    if (s == STATUS_OK) s = put_root(save);
    if (s == STATUS_OK && fstat(save->fd, &about) != 0) s = STATUS_IO;
    if (s != STATUS_OK) return s;
    book->device = about.st_dev;
    book->inode = about.st_ino;
    book->generation = save->root.generation;
    book->end = save->root.end;
    book->known = true;
    return STATUS_OK;
}

/* --- steps
 * ------------------------------------------------------------------------------------------------
 */

static enum status step_pages(struct index_save *save, size_t bytes) {
    enum status s = STATUS_OK;
    for (size_t put = 0; s == STATUS_OK && put < bytes && save->at < save->n_work;) {
        put += save->work[save->at].page->size;
        s = put_page(save, &save->work[save->at++]);
    }
    if (s == STATUS_OK && save->at == save->n_work) save->stage = SAVE_IMAGES;
    return s == STATUS_OK ? put_images(save) : s;
}

static enum status step_images(struct index_save *save) {
    enum status s = put_images(save);
    if (s != STATUS_OK || save->n_left > 0) return s; /* one is being copied right now */
    save->stage = SAVE_EXTRA;
    return open_extra(save);
}

static enum status step_extra(struct index_save *save, size_t bytes) {
    enum status s = STATUS_OK;
    uint32_t end = save->root.n_kept + save->root.n_tail;
    for (size_t put = 0; s == STATUS_OK && put < bytes && save->extra_cursor < end;) {
        put += save->index->view->cells.stride;
        s = put_extra(save, save->extra_cursor++);
    }
    if (s != STATUS_OK || save->extra_cursor < end) return s;
    save->stage = SAVE_ROOT;
    return close_extra(save);
}

enum status index_save_step(struct index_save *save, size_t bytes, bool *done) {
    enum status s = STATUS_OK;
    switch (save->stage) {
    case SAVE_PAGES:
        s = step_pages(save, bytes);
        break;
    case SAVE_IMAGES:
        s = step_images(save);
        break;
    case SAVE_EXTRA:
        s = step_extra(save, bytes);
        break;
    case SAVE_ROOT:
        s = publish(save);
        if (s == STATUS_OK) save->stage = SAVE_DONE;
        break;
    case SAVE_DONE:
        break;
    }
    if (s == STATUS_OK) *done = save->stage == SAVE_DONE;
    return s;
}

struct index_save_stats index_save_stats(const struct index_save *save) {
    return save->stats;
}

/* What was to be written still is, for the next save; whoever copies a page now is waited for. */
static void let_go(struct index_save *save) {
    for (size_t i = 0; i < save->n_work; i++) {
        _Atomic uint8_t *state = &save->work[i].page->state;
        for (;;) {
            uint8_t pending = SLOTS_PENDING;
            if (atomic_compare_exchange_strong(state, &pending, SLOTS_DIRTY)) break;
            if (pending != SLOTS_BUSY) break;
        }
    }
    struct slots_image *image = atomic_exchange(&save->images.first, NULL);
    while (image) {
        struct slots_image *next = image->next;
        mem_free(image);
        image = next;
    }
}

void index_save_end(struct index_save *save) {
    if (!save) return;
    bool done = save->stage == SAVE_DONE;
    let_go(save);
    if (!done) save->index->book.known = false; /* its places are not those of the pages any more */
    stream_close(&save->extra);
    if (save->fd >= 0) (void)close(save->fd);
    if (save->temporary && save->whole && !done) (void)unlink(save->temporary);
    atomic_store_explicit(&save->index->linker.saving, false, memory_order_release);
    mem_free(save->path);
    mem_free(save->temporary);
    mem_free(save->work);
    mem_free(save->buffer);
    mem_free(save->kept_slots);
    mem_free((void *)save->kept);
    mem_free((void *)save->tail);
    mem_free(save);
}
