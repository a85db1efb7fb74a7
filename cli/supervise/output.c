/* output: one writev a line, so that lines stay whole. */
#include "cli/supervise/output.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

bool output_colors(void) {
    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static void put(struct output *output, const char *line, size_t size) {
    char head[160];
    struct pollfd room = {STDOUT_FILENO, POLLOUT, 0};
    if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT)) {
        output->lost++;
        return;
    }
    int n = output->color ? snprintf(head, sizeof head, "\033[%dm%-*s |\033[0m ", output->color,
                                     output->width, output->name)
                          : snprintf(head, sizeof head, "%-*s | ", output->width, output->name);
    struct iovec parts[] = {{head, (size_t)n}, {(char *)line, size}, {"\n", 1}};
    if (writev(STDOUT_FILENO, parts, 3) < 0) output->lost++;
}

void output_take(struct output *output, const char *text, size_t size) {
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t piece = end ? (size_t)(end - text) : size;
        size_t room = OUTPUT_LINE_MAX - output->size;
        size_t take = piece < room ? piece : room;
        memcpy(output->line + output->size, text, take);
        output->size += take;
        if (take < piece || (end && take == piece)) {
            put(output, output->line, output->size);
            output->size = 0;
        }
        size_t used = take == piece && end ? take + 1 : take;
        text += used;
        size -= used;
    }
}

void output_end(struct output *output) {
    if (output->size > 0) put(output, output->line, output->size);
    output->size = 0;
}

void output_say(struct output *output, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    put(output, line, size < (int)sizeof line ? (size_t)size : sizeof line - 1);
}
