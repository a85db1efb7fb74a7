/* embed: errors, versions of structs, logs, and the proof that both sides' types are the same. */
#include "adapters/embed/embed.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/log.h"
#include "runtime/raw.h"

/* --- the same bytes under two names --- */

#define SAME_STATUS(name, text, grpc, http) \
    static_assert((int)STATUS_##name == (int)VECTRON_##name, "statuses have one number");
#define SAME(theirs, ours, field) \
    static_assert(offsetof(struct theirs, field) == offsetof(struct ours, field) && \
                      sizeof(((struct theirs *)0)->field) == sizeof(((struct ours *)0)->field), \
                  #theirs "." #field);

SAME_STATUS(OK, , , )
SAME_STATUS(INTERNAL, , , )
static_assert((int)STATUS_COUNT == (int)VECTRON_INTERNAL + 1, "a status is missing in vectron.h");
static_assert(sizeof(enum status) == sizeof(enum vectron_status), "handlers return either");
static_assert((int)RESTART_TEMPORARY == (int)VECTRON_TEMPORARY, "restarts");
static_assert((int)REST_FOR_ONE == (int)VECTRON_REST_FOR_ONE, "strategies");
static_assert((int)LOG_TRACE == (int)VECTRON_LOG_TRACE, "levels of the log");
static_assert(sizeof(struct promise) <= sizeof(struct vectron_promise), "a promise fits");
SAME(vectron_outcome, outcome, status)
SAME(vectron_outcome, outcome, text)
SAME(vectron_outcome, outcome, retry_after_ms)
SAME(vectron_outcome, outcome, message)
SAME(vectron_outcome, outcome, handle)
SAME(vectron_outcome, outcome, more)
SAME(vectron_outcome, outcome, call)
static_assert(sizeof(struct vectron_body) == sizeof(struct raw), "bodies");
SAME(vectron_body, raw, base)
SAME(vectron_body, raw, op)
static_assert(offsetof(struct vectron_body, bytes) == offsetof(struct raw, body), "bodies");
SAME(vectron_body, raw, size)

/* --- errors and versions --- */

static _Thread_local char words[512];

const char *vectron_error(void) {
    return words;
}

enum vectron_status embed_fail(enum status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return (enum vectron_status)status;
}

bool embed_take(void *out, size_t size, const void *in) {
    size_t theirs = 0;
    memcpy(&theirs, in, sizeof theirs);
    if (theirs < sizeof theirs || theirs > 64 * size) return false;
    const unsigned char *bytes = in;
    for (size_t i = size; i < theirs; i++)
        if (bytes[i] != 0) return false;
    memset(out, 0, size);
    memcpy(out, in, theirs < size ? theirs : size);
    return true;
}

const char *vectron_status_name(enum vectron_status status) {
    return status_name((enum status)status);
}

const char *vectron_status_text(enum vectron_status status) {
    return status_text((enum status)status);
}

const char *vectron_version(void) {
    return VECTRON_VERSION;
}

/* --- log and signals --- */

static _Atomic(vectron_log_fn) log_writer;

static void write_line(void *context, enum log_level level, const char *line) {
    vectron_log_fn write = log_writer;
    if (write) write(context, (enum vectron_log_level)level, line);
}

void vectron_log(enum vectron_log_level most, vectron_log_fn write, void *context) {
    log_writer = write;
    log_set((enum log_level)most, false);
    log_to(write_line, context);
}

/* What a thread brings upon itself stays, and what profilers send. */
void embed_block_signals(sigset_t *before) {
    static const int left[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL, SIGABRT,
                               SIGTRAP, SIGSYS, SIGPROF, SIGURG};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        sigdelset(&all, left[i]);
    pthread_sigmask(SIG_BLOCK, &all, before);
}

void embed_restore_signals(const sigset_t *before) {
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* --- messages --- */

static uint32_t hash_of(const char *name) {
    ProtobufCMessageDescriptor type = {.name = name};
    return codec_op(&type);
}

uint32_t vectron_op(const char *type) {
    return hash_of(type);
}

void vectron_body_init(struct vectron_body *body, uint32_t op, const void *bytes, size_t size) {
    raw_init((struct raw *)body, op, bytes, size);
}

const struct vectron_body *vectron_body_of(const ProtobufCMessage *message) {
    return (const struct vectron_body *)raw_of(message);
}

size_t vectron_encode(const ProtobufCMessage *message, void *out, size_t size) {
    const struct raw *raw = raw_of(message);
    size_t needs = 0;
    if (raw)
        needs = raw->size <= CODEC_MESSAGE_MAX ? raw->size : 0;
    else if (codec_measure(message, &needs) != STATUS_OK)
        return 0;
    if (needs > size || needs == 0) return needs;
    if (raw)
        memcpy(out, raw->body, needs);
    else
        codec_write(message, out);
    return needs;
}
