/* guard: a table of ranges that the handler reads without a lock. A free entry has no `from`; it is
 * set last and cleared first. The handler is installed with the first range and stays. */
#include "index/guard.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/poison.h"

struct range {
    _Atomic uintptr_t from, end;
    atomic_bool *_Atomic lost;
};

static struct range ranges[GUARD_RANGES];
static _Atomic unsigned n_ranges; /* ever used */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;
static bool installed;
static uintptr_t page_size;

static bool give_zeros(uintptr_t at) {
    unsigned n = atomic_load(&n_ranges);
    for (unsigned i = 0; i < n; i++) {
        uintptr_t from = atomic_load(&ranges[i].from);
        if (from == 0 || at < from || at >= atomic_load(&ranges[i].end)) continue;
        void *page = (void *)(at & ~(page_size - 1));
        if (mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                 -1, 0) != page)
            return false;
        atomic_store(atomic_load(&ranges[i].lost), true);
        return true;
    }
    return false;
}

static void on_fault(int number, siginfo_t *info, void *context) {
    if (info->si_code == BUS_ADRERR && give_zeros((uintptr_t)info->si_addr)) return;
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(number);
    else
        (void)sigaction(number, &before, NULL); /* the fault comes again, and ends the process */
}

static void install(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    installed = sigaction(SIGBUS, &action, &before) == 0;
}

bool guard_hold(void *from, size_t bytes, atomic_bool *lost) {
    pthread_mutex_lock(&lock);
    if (!installed) install();
    unsigned n = atomic_load(&n_ranges), i = 0;
    while (i < n && atomic_load(&ranges[i].from) != 0)
        i++;
    bool fine = installed && i < GUARD_RANGES;
    if (fine) {
        atomic_store(&ranges[i].lost, lost);
        atomic_store(&ranges[i].end, (uintptr_t)from + bytes);
        atomic_store(&ranges[i].from, (uintptr_t)from);
        if (i == n) atomic_store(&n_ranges, n + 1);
    }
    pthread_mutex_unlock(&lock);
    return fine;
}

void guard_drop(void *from) {
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < atomic_load(&n_ranges); i++)
        if (atomic_load(&ranges[i].from) == (uintptr_t)from) atomic_store(&ranges[i].from, 0);
    pthread_mutex_unlock(&lock);
}
