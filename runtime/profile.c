/* profile: taking samples.
 *
 *     cpu         a timer of each thread's own CPU time sends SIGPROF to that thread
 *     stalls      the watchdog sends SIGPROF to a thread that holds its lane
 *     allocation  each thread, every PROFILE_ALLOCATED bytes, where it asks for memory
 *
 * The signal handler calls nothing but what runtime/stack.c does there. Samples go to places of an
 * array that was made before; the profile itself is found by one atomic pointer, and freed only
 * after the handler can not be running any more. */
#include "runtime/profile_state.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "runtime/clock.h"
#include "runtime/listing.h"
#include "runtime/memory.h"
#include "runtime/stack.h"

enum {
    STALL_NS = 25 * 1000 * 1000, /* between two looks of the watchdog */
    QUIET_NS = 1000 * 1000,
};

static _Atomic(struct profile *) active;
static _Atomic uint32_t inside; /* handlers and hooks that use it now */

struct thread_timer {
    struct thread_timer *next; /* owned */
    int32_t thread;
    timer_t timer;
};

/* --- samples
 * -------------------------------------------------------------------------------------- */

static_assert((int)PROFILE_FRAMES == (int)STACK_FRAMES, "a sample has room for a stack");

static void take(struct profile *profile, int64_t value, uintptr_t pc, uintptr_t fp) {
    struct stack stack;
    uint32_t place = atomic_fetch_add(&profile->count, 1);
    if (place >= PROFILE_SAMPLES_MAX) return;
    struct sample *sample = &profile->samples[place];
    sample->value = value;
    sample->thread = (int32_t)syscall(SYS_gettid);
    stack_walk(pc, fp, &stack);
    memcpy(sample->frames, stack.frames, stack.n * sizeof *stack.frames);
    atomic_store_explicit(&sample->n, stack.n, memory_order_release);
}

static struct profile *enter(enum profile_kind kind) {
    atomic_fetch_add(&inside, 1);
    struct profile *profile = atomic_load(&active);
    if (profile && profile->kind == kind) return profile;
    atomic_fetch_sub(&inside, 1);
    return NULL;
}

static void leave(void) {
    atomic_fetch_sub(&inside, 1);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    int saved = errno;
    struct stack_top top = stack_top(context);
    struct profile *profile = enter(PROFILE_CPU);
    if (profile) {
        take(profile, 1000000000 / profile->hz, top.pc, top.fp);
        leave();
    } else if ((profile = enter(PROFILE_STALLS))) {
        take(profile, STALL_NS, top.pc, top.fp);
        leave();
    }
    errno = saved;
}

void profile_stalled(pthread_t thread) {
    if (!enter(PROFILE_STALLS)) return;
    pthread_kill(thread, SIGPROF);
    leave();
}

void profile_allocated(size_t bytes) {
    static _Thread_local size_t since;
    since += bytes;
    if (since < PROFILE_ALLOCATED) return;
    size_t counted = since;
    since = 0;
    struct profile *profile = enter(PROFILE_ALLOCATION);
    if (!profile) return;
    take(profile, (int64_t)counted, 0, (uintptr_t)__builtin_frame_address(0));
    leave();
}

/* --- timers of threads
 * ---------------------------------------------------------------------------- */

/* The clock of another thread's CPU time, as the kernel numbers them. */
static clockid_t thread_clock(int32_t thread) {
    return (clockid_t)(~(uint32_t)thread << 3 | 6u);
}

static void add_timer(struct profile *profile, int32_t thread) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    long period = 1000000000L / (long)profile->hz;
    struct itimerspec every = {.it_interval = {.tv_nsec = period}, .it_value = {.tv_nsec = period}};
    event._sigev_un._tid = thread;
    struct thread_timer *timer = mem_zero(1, sizeof *timer);
    if (!timer || timer_create(thread_clock(thread), &event, &timer->timer) != 0) {
        mem_free(timer);
        return; /* it ended meanwhile */
    }
    timer->thread = thread;
    timer->next = profile->timers;
    profile->timers = timer;
    timer_settime(timer->timer, 0, &every, NULL);
}

static bool has_timer(const struct profile *profile, int32_t thread) {
    const struct thread_timer *timer = profile->timers;
    while (timer && timer->thread != thread)
        timer = timer->next;
    return timer;
}

void profile_follow(struct profile *profile) {
    if (profile->kind != PROFILE_CPU || !profile->running) return;
    DIR *tasks = listing_open("/proc/self/task");
    if (!tasks) return;
    for (struct dirent *entry; (entry = readdir(tasks));) {
        int32_t thread = (int32_t)strtol(entry->d_name, NULL, 10);
        if (thread > 0 && !has_timer(profile, thread)) add_timer(profile, thread);
    }
    closedir(tasks);
}

static void drop_timers(struct profile *profile) {
    while (profile->timers) {
        struct thread_timer *timer = profile->timers;
        profile->timers = timer->next;
        timer_delete(timer->timer);
        mem_free(timer);
    }
}

/* --- life
 * ----------------------------------------------------------------------------------------- */

bool profile_kind_read(const char *text, enum profile_kind *out) {
    static const char *const names[PROFILE_KINDS] = {"cpu", "allocation", "stalls"};
    for (int i = 0; i < PROFILE_KINDS; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum profile_kind)i;
            return true;
        }
    return false;
}

/* Stays for the life of the process: a signal may be on its way long after the last profile. */
static bool take_signal(void) {
    static atomic_bool taken;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    if (atomic_exchange(&taken, true)) return true;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGPROF, &action, NULL) == 0;
}

enum status profile_start(enum profile_kind kind, uint32_t hz, struct profile **out) {
    struct timespec now;
#if !defined(__x86_64__) && !defined(__aarch64__)
    return STATUS_UNIMPLEMENTED;
#endif
    struct profile *profile = mem_zero(1, sizeof *profile);
    if (profile) profile->samples = mem_zero(PROFILE_SAMPLES_MAX, sizeof *profile->samples);
    if (!profile || !profile->samples || !take_signal()) {
        profile_free(profile);
        return STATUS_NO_MEMORY;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    profile->kind = kind;
    profile->hz = hz ? hz : PROFILE_HZ_DEFAULT;
    if (profile->hz > PROFILE_HZ_MAX) profile->hz = PROFILE_HZ_MAX;
    profile->began_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    profile->started_us = clock_kernel_us();
    struct profile *none = NULL;
    if (!atomic_compare_exchange_strong(&active, &none, profile)) {
        profile_free(profile);
        return STATUS_BUSY;
    }
    profile->running = true;
    mem_watch(kind == PROFILE_ALLOCATION ? profile_allocated : NULL);
    profile_follow(profile);
    *out = profile;
    return STATUS_OK;
}

void profile_stop(struct profile *profile) {
    if (!profile->running) return;
    profile->running = false;
    profile->took_us = clock_kernel_us() - profile->started_us;
    drop_timers(profile);
    mem_watch(NULL);
    atomic_store(&active, NULL);
    while (atomic_load(&inside) > 0)
        nanosleep(&(struct timespec){.tv_nsec = QUIET_NS}, NULL);
}

uint32_t profile_count(const struct profile *profile) {
    return atomic_load(&profile->count);
}

void profile_free(struct profile *profile) {
    if (!profile) return;
    profile_stop(profile);
    mem_free(profile->samples);
    mem_free(profile);
}
