/* file: keeping an index on disk. */
#include "index/index.h"

#include "runtime/poison.h"

enum status
index_save_start(struct index *index, const char *path, uint64_t applied, struct index_save **out) {
    (void)index, (void)path, (void)applied, (void)out;
    return STATUS_UNIMPLEMENTED;
}

enum status index_save_step(struct index_save *save, size_t bytes, bool *done) {
    (void)save, (void)bytes, (void)done;
    return STATUS_UNIMPLEMENTED;
}

void index_save_end(struct index_save *save) {
    (void)save;
}
