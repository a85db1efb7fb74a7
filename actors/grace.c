/* grace: the table of a phase is filled while the phase lasts, and freed as a whole after all of it
 * was taken and removed. Invariant: what is in the index and replaced can be found here, else a
 * search could take it for current. */
#include "actors/grace.h"

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

enum { TABLE_MIN = 64 };

struct grace_number {
    uint64_t number; /* 0 = free */
    uint64_t index;
};

enum status grace_init(struct grace *grace) {
    *grace = (struct grace){0};
    return pthread_mutex_init(&grace->lock, NULL) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

static void numbers_free(struct grace_numbers *numbers) {
    mem_free(numbers->rows);
    *numbers = (struct grace_numbers){0};
}

void grace_reset(struct grace *grace) {
    numbers_free(&grace->numbers[0]);
    numbers_free(&grace->numbers[1]);
    pthread_mutex_destroy(&grace->lock);
}

uint32_t grace_enter(struct grace *grace) {
    pthread_mutex_lock(&grace->lock);
    uint32_t phase = grace->phase;
    grace->searches[phase]++;
    pthread_mutex_unlock(&grace->lock);
    return phase;
}

void grace_leave(struct grace *grace, uint32_t phase) {
    pthread_mutex_lock(&grace->lock);
    assert(grace->searches[phase] > 0);
    grace->searches[phase]--;
    pthread_mutex_unlock(&grace->lock);
}

/* The number's row, or the free one where it would stand. */
static struct grace_number *row_of(const struct grace_numbers *numbers, uint64_t number) {
    size_t at = rng_mix(number) & (numbers->size - 1);
    while (numbers->rows[at].number && numbers->rows[at].number != number)
        at = (at + 1) & (numbers->size - 1);
    return &numbers->rows[at];
}

static enum status grow(struct grace_numbers *numbers) {
    struct grace_numbers bigger = {.size = numbers->size ? 2 * numbers->size : TABLE_MIN};
    bigger.rows = mem_zero(bigger.size, sizeof *bigger.rows);
    if (!bigger.rows) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < numbers->size; i++)
        if (numbers->rows[i].number) *row_of(&bigger, numbers->rows[i].number) = numbers->rows[i];
    bigger.n = numbers->n;
    mem_free(numbers->rows);
    *numbers = bigger;
    return STATUS_OK;
}

/* With the lock held, after the numbers changed. */
static void note_any(struct grace *grace) {
    bool any = grace->numbers[0].n > 0 || grace->numbers[1].n > 0;
    atomic_store_explicit(&grace->any, any, memory_order_release);
}

enum status grace_replace(struct grace *grace, uint64_t number, uint64_t index) {
    pthread_mutex_lock(&grace->lock);
    struct grace_numbers *numbers = &grace->numbers[grace->phase];
    enum status s = 2 * (numbers->n + 1) > numbers->size ? grow(numbers) : STATUS_OK;
    if (s == STATUS_OK) {
        *row_of(numbers, number) = (struct grace_number){number, index};
        numbers->n++;
        note_any(grace);
    }
    pthread_mutex_unlock(&grace->lock);
    return s;
}

/* Who sees an entry applied sees the numbers it replaced: they were noted before. */
uint64_t grace_replaced(struct grace *grace, uint64_t number) {
    uint64_t index = 0;
    if (!atomic_load_explicit(&grace->any, memory_order_acquire)) return 0;
    pthread_mutex_lock(&grace->lock);
    for (int i = 0; i < 2 && index == 0; i++)
        if (grace->numbers[i].n > 0) index = row_of(&grace->numbers[i], number)->index;
    pthread_mutex_unlock(&grace->lock);
    return index;
}

/* Begins the next phase when the other one is over: no search of it, no number left. */
static void turn_phase(struct grace *grace) {
    uint32_t other = 1 - grace->phase;
    if (grace->searches[other] > 0 || grace->numbers[other].n > 0) return;
    if (grace->numbers[grace->phase].n > 0) grace->phase = other;
}

/* The next rows of the phase that is over. */
static size_t take(struct grace_numbers *over, uint64_t *numbers, size_t n) {
    size_t found = 0;
    for (; over->taken < over->size && found < n; over->taken++)
        if (over->rows[over->taken].number) numbers[found++] = over->rows[over->taken].number;
    if (found == 0) numbers_free(over); /* all were given before, and are removed by now */
    return found;
}

size_t grace_take(struct grace *grace, uint64_t *numbers, size_t n) {
    size_t found = 0;
    pthread_mutex_lock(&grace->lock);
    for (int pass = 0; pass < 2 && found == 0;
         pass++) { /* what one phase leaves may end the next */
        turn_phase(grace);
        uint32_t other = 1 - grace->phase;
        if (grace->searches[other] == 0) found = take(&grace->numbers[other], numbers, n);
    }
    note_any(grace);
    pthread_mutex_unlock(&grace->lock);
    return found;
}

bool grace_empty(struct grace *grace) {
    pthread_mutex_lock(&grace->lock);
    bool empty = grace->numbers[0].n == 0 && grace->numbers[1].n == 0;
    pthread_mutex_unlock(&grace->lock);
    return empty;
}
