/* profile_state: what taking samples (profile.c) and writing them (pprof.c, symbol.c) share. */
#ifndef RUNTIME_PROFILE_STATE_H
#define RUNTIME_PROFILE_STATE_H

#include <stdatomic.h>

#include "runtime/profile.h"

struct sample {
    int64_t value; /* cpu: ns; allocation: bytes; stalls: ns */
    int32_t thread;
    _Atomic uint32_t n;               /* frames; 0: not written yet */
    uintptr_t frames[PROFILE_FRAMES]; /* the leaf first */
};

struct profile {
    enum profile_kind kind;
    uint32_t hz;
    uint64_t began_ns; /* unix time */
    uint64_t started_us, took_us;
    bool running;
    struct sample *samples;      /* owned */
    _Atomic uint32_t count;      /* taken, also those beyond PROFILE_SAMPLES_MAX */
    struct thread_timer *timers; /* owned list; cpu */
};

/* --- symbol.c --- */
struct symbols;
/* The functions of this program's file; NULL: no memory, or it has none. */
struct symbols *symbols_open(void);
void symbols_close(struct symbols *symbols);
/* The name of the function at this address, or of its library, as it is in the source: a compiler
 * calls its copies `walk.isra.0`. Cut at SYMBOL_MAX - 1 bytes. False: unknown. */
enum { SYMBOL_MAX = 256 };
bool symbols_name(const struct symbols *symbols, uintptr_t address, char name[SYMBOL_MAX]);

#endif
