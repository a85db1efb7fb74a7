/* job: the table is a short list under a lock; a process has as many jobs as large bodies at one
 * moment. */
#include "adapters/edge/job.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "adapters/edge/budget.h"
#include "adapters/edge/gzip.h"
#include "adapters/edge/json.h"
#include "adapters/edge/proto.h"
#include "runtime/memory.h"

/* What decoding may cost for every byte that came in: a two-byte sub-message becomes a struct and a
 * pointer. */
enum { DECODED_RATIO = 16, DECODED_MIN = 64 * 1024 };

struct posted {
    struct edge_job job; /* first: a posted job is known by its job */
    struct posted *next;
    uint64_t ticket;
    _Atomic unsigned shares;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct posted *table;

static bool finish(struct edge_job *job, enum status status, const char *text) {
    job->status = status;
    job->done = true;
    if (text) snprintf(job->text, sizeof job->text, "%s", text);
    return true;
}

/* False: still unpacking. */
static bool unpack_failed(struct edge_job *job, enum status status) {
    switch (status) {
    case STATUS_INVALID:
        return finish(job, status, "the body is not gzip");
    case STATUS_TOO_LARGE:
        finish(job, status, NULL);
        snprintf(job->text, sizeof job->text, "the unpacked message is larger than %zu bytes",
                 job->limit);
        return true;
    case STATUS_QUOTA:
        finish(job, STATUS_BUSY, NULL);
        budget_explain("an unpacked message", job->body.capacity, job->text, sizeof job->text);
        return true;
    default:
        return finish(job, status, NULL);
    }
}

static bool unpack(struct edge_job *job) {
    bool done = false;
    enum status status = STATUS_OK;
    if (!job->gunzip)
        status = gunzip_new(job->input.data, job->input.size, job->limit, &job->gunzip);
    if (status == STATUS_OK) status = gunzip_step(job->gunzip, &job->body, &done);
    if (status != STATUS_OK) return unpack_failed(job, status);
    if (!done) return false;
    body_whole(&job->body);
    gunzip_free(job->gunzip);
    job->gunzip = NULL;
    body_free(&job->input);
    job->packed = false;
    return job->type == NULL && finish(job, STATUS_OK, NULL);
}

static void decode_json(struct edge_job *job) {
    struct json_error error = {0};
    const char *text = job->body.data ? (const char *)job->body.data : "";
    enum status status =
        json_read(job->type, text, job->body.size, &job->arena, &job->request, &error);
    finish(job, status, status == STATUS_OK ? error.unknown : error.text);
}

static void decode_protobuf(struct edge_job *job) {
    const char *why = "";
    enum status status =
        proto_read(job->type, job->body.data, job->body.size, &job->arena, &job->request, &why);
    finish(job, status, why);
}

static bool decode(struct edge_job *job) {
    job->arena.limit = job->body.size * DECODED_RATIO + DECODED_MIN;
    if (job->format == EDGE_JSON)
        decode_json(job);
    else
        decode_protobuf(job);
    /* The request is a copy, but for JSON and protobuf alike nothing of it points into the body. */
    body_free(&job->body);
    if (job->status == STATUS_OK && job->arena.total > JOB_HELD_MIN) {
        if (!budget_take(job->arena.total)) {
            budget_explain("a request", job->arena.total, job->text, sizeof job->text);
            return finish(job, STATUS_BUSY, NULL);
        }
        job->held = job->arena.total;
    }
    return true;
}

/* The outcome is the JSON. */
static bool encode(struct edge_job *job) {
    struct buffer json = {0};
    const char *why = NULL;
    job->arena.limit = job->input.size * DECODED_RATIO + DECODED_MIN;
    enum status status =
        proto_read(job->type, job->input.data, job->input.size, &job->arena, &job->request, &why);
    body_free(&job->input);
    if (status != STATUS_OK) return finish(job, status, why);
    json_write(job->request, &json);
    if (json.failed)
        status = STATUS_NO_MEMORY;
    else if (json.size > EDGE_BODY_MAX)
        status = STATUS_TOO_LARGE;
    else
        status = body_adopt(&job->body, &json);
    buffer_free(&json);
    return finish(job, status, NULL);
}

bool job_step(struct edge_job *job) {
    if (job->done) return true;
    if (job->encode) return encode(job);
    if (job->packed) return unpack(job);
    if (job->input.data) {
        job->body = job->input;
        job->input = (struct body){0};
    }
    if (!job->type) return finish(job, STATUS_OK, NULL);
    return decode(job);
}

void job_reset(struct edge_job *job) {
    gunzip_free(job->gunzip);
    body_free(&job->input);
    body_free(&job->body);
    arena_free(&job->arena);
    if (job->held) budget_give(job->held);
    *job = (struct edge_job){0};
}

struct edge_job *job_new(void) {
    struct posted *posted = mem_zero(1, sizeof *posted);
    if (!posted) return NULL;
    atomic_init(&posted->shares, 1);
    return &posted->job;
}

void job_drop(struct edge_job *job) {
    if (!job) return;
    struct posted *posted = (struct posted *)job;
    if (atomic_fetch_sub(&posted->shares, 1) > 1) return;
    job_reset(job);
    mem_free(posted);
}

bool job_post(struct edge_job *job, uint64_t ticket) {
    struct posted *posted = (struct posted *)job;
    pthread_mutex_lock(&table_lock);
    struct posted *other = table;
    while (other && other->ticket != ticket)
        other = other->next;
    if (!other && ticket) {
        posted->ticket = ticket;
        posted->next = table;
        table = posted;
        atomic_fetch_add(&posted->shares, 1);
    }
    pthread_mutex_unlock(&table_lock);
    return !other && ticket;
}

void job_recall(struct edge_job *job) {
    struct posted *posted = (struct posted *)job;
    if (posted->ticket) job_drop(job_take(posted->ticket));
}

struct edge_job *job_take(uint64_t ticket) {
    pthread_mutex_lock(&table_lock);
    struct posted **at = &table;
    while (*at && (*at)->ticket != ticket)
        at = &(*at)->next;
    struct posted *found = *at;
    if (found) *at = found->next;
    pthread_mutex_unlock(&table_lock);
    return found ? &found->job : NULL;
}
