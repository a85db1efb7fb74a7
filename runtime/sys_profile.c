/* sys_profile: a profile of this process for whoever asks sys.
 *
 *     SysProfile ─▶ profile_start … a second each: still wanted? … ─▶ profile_stop
 *                ─▶ written on the blocking pool ─▶ SysProfiled, in parts, Done */
#include <string.h>

#include "runtime/memory.h"
#include "runtime/profile.h"
#include "runtime/sys_state.h"
#include "schemas/runtime.pb-c.h"

enum { PART_BYTES = 512 * 1024, LOOK_US = 1000 * 1000 };

struct profiling {
    struct profile *profile; /* owned */
    struct promise promise;
    uint64_t until_us;
    struct buffer file;
};

static void free_profiling(void *context) {
    struct profiling *profiling = context;
    profile_free(profiling->profile);
    buffer_free(&profiling->file);
    mem_free(profiling);
}

static enum status write_file(void *context) {
    struct profiling *profiling = context;
    return profile_write(profiling->profile, &profiling->file);
}

static void
on_written(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    struct profiling *profiling = context;
    Done done = DONE__INIT;
    (void)self;
    for (size_t at = 0; outcome->status == STATUS_OK && at < profiling->file.size;) {
        SysProfiled part = SYS_PROFILED__INIT;
        size_t left = profiling->file.size - at;
        part.data.data = (uint8_t *)profiling->file.data + at;
        part.data.len = left < PART_BYTES ? left : PART_BYTES;
        part.samples = profile_count(profiling->profile);
        at += part.data.len;
        turn_resolve_part(turn, &profiling->promise, &part.base);
    }
    if (outcome->status == STATUS_OK)
        turn_resolve(turn, &profiling->promise, &done.base);
    else
        turn_reject(turn, &profiling->promise, outcome->status, "the profile could not be written");
    free_profiling(profiling);
}

static void look(void *self, void *context, struct turn *turn) {
    struct profiling *profiling = context;
    bool wanted = turn_wanted(turn, &profiling->promise);
    if (wanted && turn_now_us(turn) < profiling->until_us) {
        profile_follow(profiling->profile);
        uint64_t left = profiling->until_us - turn_now_us(turn);
        turn_timer(turn, left < LOOK_US ? left : LOOK_US, look, profiling);
        return;
    }
    profile_stop(profiling->profile);
    if (!wanted) {
        sys_profiles(self)->running = NULL;
        turn_reject(turn, &profiling->promise, STATUS_CANCELLED, "nobody wants it");
        free_profiling(profiling);
        return;
    }
    sys_profiles(self)->running = NULL; /* the pool's from here on */
    turn_block(turn, &(struct block){.work = write_file,
                                     .done = on_written,
                                     .abandon = free_profiling,
                                     .context = profiling});
}

enum status sys_profile(struct sys *self, const SysProfile *ask, struct turn *turn) {
    enum profile_kind kind = PROFILE_CPU;
    if (!profile_kind_read(*ask->kind ? ask->kind : "cpu", &kind))
        return turn_fail(turn, STATUS_INVALID, "a profile is cpu, allocation or stalls");
    if (ask->seconds < 1 || ask->seconds > PROFILE_SECONDS_MAX || ask->hz > PROFILE_HZ_MAX)
        return turn_fail(turn, STATUS_INVALID, "seconds are 1 to %d, hz at most %d",
                         PROFILE_SECONDS_MAX, PROFILE_HZ_MAX);
    if (!turn->core->linting || !turn->core->driver->lane_clocks)
        return turn_fail(turn, STATUS_UNIMPLEMENTED, "no profiles of a simulation");
    struct profiling *profiling = mem_zero(1, sizeof *profiling);
    if (!profiling) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for a profile");
    buffer_init(&profiling->file);
    enum status s = profile_start(kind, ask->hz, &profiling->profile);
    if (s != STATUS_OK) {
        free_profiling(profiling);
        return turn_fail(turn, s, "%s",
                         s == STATUS_BUSY ? "another profile runs in this process"
                                          : status_text(s));
    }
    profiling->promise = turn_defer(turn);
    profiling->until_us = turn_now_us(turn) + ask->seconds * UINT64_C(1000000);
    sys_profiles(self)->running = profiling;
    turn_timer(turn, LOOK_US, look, profiling);
    return STATUS_OK;
}

void sys_profiles_close(struct sys_profiles *profiles) {
    if (profiles->running) free_profiling(profiles->running);
    profiles->running = NULL;
}
