/* process_profile: a thread that waits, so that no lane has to. */
#include "cli/process_profile.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/log.h"
#include "runtime/memory.h"
#include "runtime/profile.h"

struct job {
    enum profile_kind kind;
    const char *path; /* borrowed from the settings; "": not wanted */
    int64_t seconds;
};

enum { JOBS = 3 };

struct process_profile {
    struct job jobs[JOBS];
    pthread_t thread;
    sem_t stop;
};

static void write_file(struct profile *profile, const char *path) {
    struct buffer file;
    buffer_init(&file);
    enum status s = profile_write(profile, &file);
    FILE *out = s == STATUS_OK ? fopen(path, "wb") : NULL;
    bool written = out && fwrite(file.data, 1, file.size, out) == file.size;
    if (out && fclose(out) != 0) written = false;
    if (s != STATUS_OK)
        log_error("profile %s: %s", path, status_text(s));
    else if (!written)
        log_error("profile %s: %s", path, strerror(errno));
    else
        log_info("profile: %zu bytes in %s", file.size, path);
    buffer_free(&file);
}

/* False: the process stops. */
static bool wait_second(struct process_profile *self) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    while (sem_timedwait(&self->stop, &until) != 0)
        if (errno == ETIMEDOUT) return true;
    return false;
}

static bool run_job(struct process_profile *self, const struct job *job) {
    struct profile *profile = NULL;
    enum status s = profile_start(job->kind, 0, &profile);
    if (s != STATUS_OK) {
        log_error("profile %s: %s", job->path, status_text(s));
        return true;
    }
    bool goes_on = true;
    for (int64_t i = 0; i < job->seconds && goes_on; i++) {
        goes_on = wait_second(self);
        profile_follow(profile);
    }
    profile_stop(profile);
    write_file(profile, job->path);
    profile_free(profile);
    return goes_on;
}

static void *run(void *context) {
    struct process_profile *self = context;
    pthread_setname_np(pthread_self(), "profile");
    for (int i = 0; i < JOBS; i++)
        if (*self->jobs[i].path && !run_job(self, &self->jobs[i])) break;
    return NULL;
}

/* A setting this role does not have is not set. */
static const char *path_of(const struct config *config, const char *name, unsigned role) {
    return setting_find(name, role) ? config_text(config, name) : "";
}

struct process_profile *process_profile_start(const struct config *config) {
    unsigned role = config_role(config);
    const struct job jobs[JOBS] = {
        {PROFILE_CPU, path_of(config, "PPROF_CPU_PATH", role),
         config_number(config, "PPROF_CPU_SECONDS")},
        {PROFILE_STALLS, path_of(config, "PPROF_BLOCK_PATH", role),
         config_number(config, "PPROF_BLOCK_SECONDS")},
        {PROFILE_ALLOCATION, path_of(config, "PPROF_HEAP_PATH", role),
         config_number(config, "PPROF_CPU_SECONDS")},
    };
    bool wanted = false;
    for (int i = 0; i < JOBS; i++)
        wanted |= *jobs[i].path != '\0';
    struct process_profile *self = wanted ? mem_zero(1, sizeof *self) : NULL;
    if (!self) return NULL;
    memcpy(self->jobs, jobs, sizeof jobs);
    sem_init(&self->stop, 0, 0);
    if (pthread_create(&self->thread, NULL, run, self) == 0) return self;
    log_error("no thread for the profiles that PPROF_* asks for");
    sem_destroy(&self->stop);
    mem_free(self);
    return NULL;
}

void process_profile_stop(struct process_profile *self) {
    if (!self) return;
    sem_post(&self->stop);
    pthread_join(self->thread, NULL);
    sem_destroy(&self->stop);
    mem_free(self);
}
