/* log: one line an event to stderr: "2026-11-23T08:14:22.123Z error words". Error: someone must
 * act. Any thread. */
#ifndef RUNTIME_LOG_H
#define RUNTIME_LOG_H

#include <inttypes.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_INFO, LOG_TRACE };

/* What is printed from now on (default LOG_INFO), and whether as JSON lines with the same fields.
 */
void log_set(enum log_level level, bool json);
/* Lines go to `write` instead of stderr, without time or level, from any thread, which must not be
 * kept; NULL: to stderr again. For programs that a node is a guest in; before the first node. */
typedef void (*log_fn)(void *context, enum log_level level, const char *line);
void log_to(log_fn write, void *context);
bool log_on(enum log_level level);
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
