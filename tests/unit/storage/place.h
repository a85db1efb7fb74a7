/* place: where a test keeps a store: one of the two engines, with a folder or a simulated disk that
 * outlives the handles on it. */
#ifndef TESTS_UNIT_STORAGE_PLACE_H
#define TESTS_UNIT_STORAGE_PLACE_H

#include <criterion/criterion.h>

#include "storage/kv.h"

enum engine { ROCKSDB, MEMORY, N_ENGINES };

struct point_store;

struct place {
    enum engine engine;
    bool wal;
    uint64_t blob_min_bytes;
    uint64_t write_buffer_bytes;
    char folder[64]; /* of ROCKSDB */
    struct kv *disk; /* of MEMORY */
};

const char *engine_name(enum engine engine);
/* Empty. */
void place_make(struct place *place, enum engine engine, bool wal);
/* A new handle on what is there. */
struct kv *place_open(struct place *place);
void place_remove(struct place *place);
/* A point store on what is there. */
struct point_store *place_points(struct place *place);
/* On each engine, beginning empty; the body closes the store. */
void place_on_both(void (*body)(struct place *place, struct point_store *store));

/* The bytes of a text, without its NUL. */
struct bytes text(const char *words);
/* A value as text, freed; "-" when the key is not there. Static memory. */
const char *get_text(struct kv *kv, const char *key, enum kv_tier tier);
void put_text(struct kv *kv, const char *key, const char *value, bool sync);
/* "a=1 b=2", of [begin, end); "" for none. Static memory. */
const char *scan_text(struct kv *kv, const char *begin, const char *end);

#define cr_ok(call) \
    do { \
        enum status status_ = (call); \
        cr_assert(status_ == STATUS_OK, "%s: %s (%s)", #call, status_name(status_), kv_error()); \
    } while (0)
#define cr_status(call, expected) \
    do { \
        enum status status_ = (call); \
        cr_assert(status_ == (expected), "%s: %s, not %s (%s)", #call, status_name(status_), \
                  status_name(expected), kv_error()); \
    } while (0)

#endif
