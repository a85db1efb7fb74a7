/* writer: the index as its writer has it. index.c explains who owns what. */
#ifndef INDEX_WRITER_H
#define INDEX_WRITER_H

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
};

#endif
