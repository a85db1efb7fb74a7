/* watermark: a sample is taken by whoever asks first when the last one is old; the others go on
 * with the old one. Limits are written once, before the threads that read them start. */
#include "runtime/watermark.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/clock.h"
#include "runtime/machine.h"
#include "runtime/memory.h"

enum { NEAR_SHARE = 8 /* trimming begins an eighth below the mark */ };

struct gauge {
    uint64_t limit; /* 0: not measured */
    _Atomic uint64_t used;
};
static struct gauge process;
static struct gauge group;
static struct machine_group group_files;

static _Atomic int64_t promised;
static _Atomic uint64_t sampled_us;
static _Atomic uint64_t trimmed_us;
static _Atomic bool near;

static _Atomic uint64_t pretended_limit, pretended_used;

static uint64_t percent(uint64_t bytes, unsigned n) {
    return bytes / 100 * n;
}

static uint64_t lesser(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

void watermark_set(uint64_t limit) {
    const struct machine_files files = machine_files();
    machine_group(&files, &group_files);
    uint64_t usual = percent(group_files.limit, WATERMARK_PERCENT);
    uint64_t most = percent(group_files.limit, WATERMARK_MOST_PERCENT);
    process.limit = limit ? lesser(limit, most) : usual;
    /* A setting below the usual is about this process, not about those beside it. */
    if (group_files.path[0]) group.limit = process.limit > usual ? process.limit : usual;
}

/* --- measuring
 * ------------------------------------------------------------------------------------------- */

/* What the kernel does not tell stays as it was. */
static void sample(void) {
    uint64_t used;
    if (machine_used(&used)) atomic_store_explicit(&process.used, used, memory_order_relaxed);
    if (group.limit && machine_group_used(&group_files, &used))
        atomic_store_explicit(&group.used, used, memory_order_relaxed);
}

static struct watermark read_gauge(struct gauge *gauge) {
    int64_t more = atomic_load_explicit(&promised, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&gauge->used, memory_order_relaxed);
    return (struct watermark){gauge->limit, used + (more > 0 ? (uint64_t)more : 0)};
}

struct watermark watermark_now(void) {
    uint64_t limit = atomic_load_explicit(&pretended_limit, memory_order_relaxed);
    if (limit) return (struct watermark){limit, atomic_load(&pretended_used)};
    if (!process.limit) return (struct watermark){0};
    uint64_t now = clock_kernel_us();
    uint64_t last = atomic_load_explicit(&sampled_us, memory_order_relaxed);
    if (now - last >= WATERMARK_SAMPLE_US &&
        atomic_compare_exchange_strong(&sampled_us, &last, now))
        sample();
    struct watermark mark = read_gauge(&process);
    struct watermark other = read_gauge(&group);
    if (watermark_room(&other) < watermark_room(&mark)) mark = other;
    if (watermark_room(&mark) < mark.limit / NEAR_SHARE)
        atomic_store_explicit(&near, true, memory_order_relaxed);
    return mark;
}

uint64_t watermark_room(const struct watermark *mark) {
    if (!mark->limit) return SIZE_MAX;
    return mark->limit > mark->used ? mark->limit - mark->used : 0;
}

void watermark_promise(int64_t bytes) {
    atomic_fetch_add_explicit(&promised, bytes, memory_order_relaxed);
}

/* --- giving back
 * ----------------------------------------------------------------------------------------- */

void watermark_trim(void) {
    if (!atomic_load_explicit(&near, memory_order_relaxed)) return;
    uint64_t now = clock_kernel_us();
    if (now - atomic_load(&trimmed_us) < WATERMARK_TRIM_US) return;
    atomic_store(&trimmed_us, now);
    atomic_store(&near, false);
    mem_trim();
}

void watermark_pretend(const struct watermark *mark) {
    atomic_store(&pretended_used, mark->used);
    atomic_store(&pretended_limit, mark->limit);
}
