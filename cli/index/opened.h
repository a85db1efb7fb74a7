/* opened: an index file, open for reading. One thread. */
#ifndef CLI_INDEX_OPENED_H
#define CLI_INDEX_OPENED_H

#include "cli/command.h"
#include "index/inspect.h"

struct opened {
    const char *path; /* borrowed */
    struct index_file_info info;
    struct index *index;
    const struct index_view *view;
    double seconds; /* it took to open */
};

/* The head of the file alone. Returns an exit code; what is wrong is said. */
int opened_info(const char *path, struct index_file_info *out);
/* The whole of it. Close it in any case. */
int opened_open(const char *path, struct opened *out);
void opened_close(struct opened *opened);

/* Seconds since some moment. */
double opened_clock(void);
/* Bytes as people read them, "12.3 MB", in one of a few static places. */
const char *opened_bytes(double bytes);
/* A text as a JSON string on stdout; what is no UTF-8 as U+FFFD. */
void opened_json(const char *text, size_t size);

#endif
