/* trace: formats on the stack and hands whole lines to the driver. */
#include "runtime/trace.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/codec.h"

enum { TRACE_LINE_MAX = 4096 };

/* "name SIGN " at the start of line; returns its length. */
static size_t start(const struct cell *cell, char sign, char line[TRACE_LINE_MAX]) {
    char text[CELL_NAME_MAX];
    return (size_t)snprintf(line, TRACE_LINE_MAX, "%s %c ", cell_name(cell, text), sign);
}

void trace_message(const struct cell *cell, char sign, const ProtobufCMessage *message) {
    if (!trace_on(cell)) return;
    char line[TRACE_LINE_MAX];
    size_t at = start(cell, sign, line);
    codec_print(message, line + at, sizeof line - at);
    cell->core->driver->trace(cell->core, line);
}

void trace_words(const struct cell *cell, char sign, const char *format, ...) {
    if (!trace_on(cell)) return;
    char line[TRACE_LINE_MAX];
    size_t at = start(cell, sign, line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + at, sizeof line - at, format, args);
    va_end(args);
    cell->core->driver->trace(cell->core, line);
}

void trace_life(const struct cell *cell, const char *format, ...) {
    if (cell->kind->type->quiet) return;
    char line[TRACE_LINE_MAX];
    size_t at = start(cell, '*', line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + at, sizeof line - at, format, args);
    va_end(args);
    cell->core->driver->notice(cell->core, line);
}

void trace_dead(const struct cell *cell, uint32_t op, enum status reason) {
    if (!trace_on(cell)) return;
    const ProtobufCMessageDescriptor *type = codec_find(op);
    trace_words(cell, 'x', "%s: %s", type ? type->name : "message", status_name(reason));
}
