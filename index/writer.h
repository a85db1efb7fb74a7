/* writer: the index as its writer has it. index.c explains who owns what. */
#ifndef INDEX_WRITER_H
#define INDEX_WRITER_H

#include <pthread.h>

#include "index/file.h"
#include "index/judge.h"
#include "index/linker.h"
#include "index/numbers.h"
#include "index/view.h"

struct index {
    struct index_view *view; /* held */
    struct numbers numbers;
    struct linker linker;
    uint32_t idle;       /* first of the slots to reuse; the appender's list */
    struct cell **batch; /* owned; cells of the append that runs */
    size_t batch_room;
    pthread_mutex_t gate;  /* held by an append or remove, and by a save for its first moment */
    atomic_bool awake;     /* numbers and lists are there */
    bool settled;          /* the linker has every page, and judged it */
    struct judge judge;    /* the linker's, until it settled */
    struct file_book book; /* the saver's */
};

/* wake.c: of a file that was opened. Appender, before its first change. */
MUST_USE enum status wake(struct index *index);

#endif
