/* log: a line is formatted on the stack and written by one write(2), so that lines of threads do
 * not mix. */
#include "runtime/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 4096, LOG_JSON_MAX = 6 * LOG_LINE_MAX };

static _Atomic int level_max = LOG_INFO;
static _Atomic bool as_json;
static _Atomic log_fn written;
static void *_Atomic written_context;

static const char *const level_names[] = {"error", "info", "trace"};

void log_set(enum log_level level, bool json) {
    atomic_store(&level_max, (int)level);
    atomic_store(&as_json, json);
}

void log_to(log_fn write, void *context) {
    atomic_store(&written_context, context);
    atomic_store(&written, write);
}

bool log_on(enum log_level level) {
    return (int)level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

static void write_stderr(const char *line, size_t size) {
    while (size > 0) {
        ssize_t n = write(STDERR_FILENO, line, size);
        if (n <= 0) return; /* nobody left to tell */
        line += n;
        size -= (size_t)n;
    }
}

/* Appends text as the inside of a JSON string; what is no printable ASCII or UTF-8 lead or tail is
 * escaped. */
static size_t escape(char *out, size_t at, size_t max, const char *text) {
    for (; *text && at + 8 < max; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = (char)c;
        } else if (c < 0x20) {
            at += (size_t)snprintf(out + at, max - at, "\\u%04x", c);
        } else {
            out[at++] = (char)c;
        }
    }
    return at;
}

static void emit(enum log_level level, const char *format, va_list args) {
    if (!log_on(level)) return;
    struct timespec now;
    struct tm utc;
    char when[40], words[LOG_LINE_MAX], line[LOG_JSON_MAX + 128];
    vsnprintf(words, sizeof words, format, args);
    log_fn told = atomic_load(&written);
    if (told) {
        told(atomic_load(&written_context), level, words);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(when + n, sizeof when - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
    if (!atomic_load_explicit(&as_json, memory_order_relaxed)) {
        n = (size_t)snprintf(line, sizeof line, "%s %s %s\n", when, level_names[level], words);
        write_stderr(line, n < sizeof line ? n : sizeof line - 1);
        return;
    }
    n = (size_t)snprintf(line, sizeof line, "{\"time\":\"%s\",\"level\":\"%s\",\"text\":\"", when,
                         level_names[level]);
    n = escape(line, n, LOG_JSON_MAX, words);
    memcpy(line + n, "\"}\n", 3);
    write_stderr(line, n + 3);
}

void log_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    emit(LOG_ERROR, format, args);
    va_end(args);
}

void log_info(const char *format, ...) {
    va_list args;
    va_start(args, format);
    emit(LOG_INFO, format, args);
    va_end(args);
}

void log_trace(const char *format, ...) {
    va_list args;
    va_start(args, format);
    emit(LOG_TRACE, format, args);
    va_end(args);
}
