/* body: the pool keeps at most POOL_SLOTS blocks and POOL_BYTES; a block is taken when it is not
 * more than twice what is wanted, so that a small body does not sit on a large block's budget. */
#include "adapters/edge/body.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "adapters/edge/budget.h"
#include "runtime/memory.h"
#include "runtime/watermark.h"

enum {
    BODY_MIN = 512,
    POOL_SLOTS = 8,
    POOL_BLOCK_MIN = 1 << 20,
    LARGE_PAGES_MIN = 4 << 20,
    PAGE = 4096,
};
#define POOL_BYTES ((size_t)64 * 1024 * 1024)

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct body pool[POOL_SLOTS]; /* their capacity is not in the budget */
static size_t pool_bytes;

/* A kept block of fitting size moves into *out. */
static bool pool_take(size_t wanted, struct body *out) {
    bool found = false;
    if (wanted < POOL_BLOCK_MIN) return false;
    pthread_mutex_lock(&pool_lock);
    for (size_t i = 0; i < POOL_SLOTS && !found; i++) {
        if (pool[i].capacity < wanted || pool[i].capacity / 2 > wanted) continue;
        *out = pool[i];
        pool[i] = (struct body){0};
        pool_bytes -= out->capacity;
        found = true;
    }
    pthread_mutex_unlock(&pool_lock);
    return found;
}

static bool pool_keep(struct body *body) {
    bool kept = false;
    const struct watermark mark = watermark_now();
    if (body->capacity < POOL_BLOCK_MIN || watermark_room(&mark) < POOL_BYTES) return false;
    pthread_mutex_lock(&pool_lock);
    for (size_t i = 0; i < POOL_SLOTS && !kept; i++) {
        if (pool[i].data || pool_bytes + body->capacity > POOL_BYTES) continue;
        pool[i] = *body;
        pool_bytes += body->capacity;
        kept = true;
    }
    pthread_mutex_unlock(&pool_lock);
    return kept;
}

/* Large blocks in large pages: far fewer faults on the way up, and giving them back takes no
 * visible time. */
static void prefer_large_pages(unsigned char *data, size_t capacity) {
    if (capacity < LARGE_PAGES_MIN) return;
    uintptr_t first = ((uintptr_t)data + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t last = ((uintptr_t)data + capacity) & ~(uintptr_t)(PAGE - 1);
    (void)madvise((void *)first, last - first, MADV_HUGEPAGE); /* a wish: kernels may lack it */
}

/* --- promises: pages come into RAM as bytes arrive ---------------------------------------------
 */
static void promise(struct body *body, size_t bytes) {
    if (bytes != body->promised) watermark_promise((int64_t)bytes - (int64_t)body->promised);
    body->promised = bytes;
}

/* After memory from the heap: small blocks are in RAM soon enough. */
static void promise_rest(struct body *body) {
    if (body->capacity >= LARGE_PAGES_MIN) promise(body, body->capacity - body->size);
}

static void promise_less(struct body *body) {
    size_t left = body->capacity - body->size;
    if (left < body->promised) promise(body, left);
}

/* --- memory ------------------------------------------------------------------------------------
 */
/* The body's first memory. */
static enum status open_at(struct body *body, size_t capacity) {
    if (!budget_take(capacity)) return STATUS_QUOTA;
    struct body pooled;
    if (pool_take(capacity, &pooled)) {
        if (pooled.capacity == capacity || budget_take(pooled.capacity - capacity)) {
            *body = (struct body){.data = pooled.data, .capacity = pooled.capacity};
            return STATUS_OK;
        }
        mem_free(pooled.data);
    }
    unsigned char *data = mem_alloc(capacity);
    if (!data) {
        budget_give(capacity);
        return STATUS_NO_MEMORY;
    }
    prefer_large_pages(data, capacity);
    *body = (struct body){.data = data, .capacity = capacity};
    promise_rest(body);
    return STATUS_OK;
}

static enum status grow_to(struct body *body, size_t capacity) {
    if (!body->data) return open_at(body, capacity);
    if (!budget_take(capacity - body->capacity)) return STATUS_QUOTA;
    unsigned char *data = mem_resize(body->data, capacity);
    if (!data) {
        budget_give(capacity - body->capacity);
        return STATUS_NO_MEMORY;
    }
    prefer_large_pages(data, capacity);
    body->data = data;
    body->capacity = capacity;
    promise_rest(body);
    return STATUS_OK;
}

enum status body_reserve(struct body *body, size_t more) {
    promise_less(body); /* what was written in place since */
    if (more <= body->capacity - body->size) return STATUS_OK;
    if (more > SIZE_MAX / 4 || body->size > SIZE_MAX / 4) return STATUS_TOO_LARGE;
    size_t wanted = body->size + more;
    size_t capacity = body->capacity ? body->capacity : BODY_MIN;
    while (capacity < wanted)
        capacity *= 2;
    /* Near the end of the budget the exact size may still fit where the doubled one does not. */
    enum status status = grow_to(body, capacity);
    if (status == STATUS_QUOTA && capacity > wanted) status = grow_to(body, wanted);
    return status;
}

enum status body_expect(struct body *body, size_t size) {
    return size <= body->capacity ? STATUS_OK : grow_to(body, size);
}

enum status body_append(struct body *body, const void *data, size_t size) {
    if (size == 0) return STATUS_OK;
    enum status status = body_reserve(body, size);
    if (status != STATUS_OK) return status;
    memcpy(body->data + body->size, data, size);
    body->size += size;
    promise_less(body);
    return STATUS_OK;
}

enum status body_adopt(struct body *body, struct buffer *buffer) {
    if (body->data || !buffer->data) return body_append(body, buffer->data, buffer->size);
    if (!budget_take(buffer->capacity)) return STATUS_QUOTA;
    *body = (struct body){.data = buffer->data, .size = buffer->size, .capacity = buffer->capacity};
    buffer_init(buffer);
    return STATUS_OK;
}

void body_whole(struct body *body) {
    promise(body, 0);
}

void body_free(struct body *body) {
    if (body->data) {
        promise(body, 0);
        budget_give(body->capacity);
        if (!pool_keep(body)) mem_free(body->data);
    }
    *body = (struct body){0};
}

void body_pool_drain(void) {
    pthread_mutex_lock(&pool_lock);
    for (size_t i = 0; i < POOL_SLOTS; i++) {
        mem_free(pool[i].data);
        pool[i] = (struct body){0};
    }
    pool_bytes = 0;
    pthread_mutex_unlock(&pool_lock);
}
