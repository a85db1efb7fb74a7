/* output: what the processes print, line by line on our stdout, each with the name of who said it.
 * A reader that does not read does not stop the supervisor: lines are dropped and counted. One
 * thread. */
#ifndef CLI_SUPERVISE_OUTPUT_H
#define CLI_SUPERVISE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUTPUT_LINE_MAX = 8192 };

struct output {
    const char *name; /* borrowed */
    int width;        /* of the names' column */
    int color;        /* 0: none */
    size_t size;      /* of the line begun */
    uint64_t lost;    /* lines */
    char line[OUTPUT_LINE_MAX];
};

/* Whether to paint names: stdout is a terminal and NO_COLOR is not set. */
bool output_colors(void);
/* Cuts text into lines; the last one waits for its end, unless it is too long. */
void output_take(struct output *output, const char *text, size_t size);
/* The line begun, if any: the process is gone. */
void output_end(struct output *output);
/* A line of the supervisor about it. */
void output_say(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
