/* check: what the gateway refuses before anybody is asked, with the contract's words (4.1) and the
 * limits of architecture.md 9. Each returns OK, or the status with words for the client. */
#ifndef EDGE_CHECK_H
#define EDGE_CHECK_H

#include "runtime/status.h"
#include "schemas/apigateway.pb-c.h"

enum {
    CHECK_WORDS_MAX = 400,
    CHECK_DIMENSION_MAX = 65535,
    CHECK_ID_MAX = 1024,       /* bytes */
    CHECK_NAME_MAX = 128,      /* bytes of a collection's name */
    CHECK_POINTS_MAX = 100000, /* of one request */
    CHECK_TOP_K_MAX = 10000,
    CHECK_RESCORE_MAX = 100, /* candidates measured again for each result */
    CHECK_TOP_K_DEFAULT = 10,
    CHECK_BATCH_MAX = 1000,           /* searches of a batch */
    CHECK_BATCH_RESULTS_MAX = 100000, /* … and their results */
    CHECK_SESSION_MAX = 64 * 1024,    /* bytes of a session token */
};

struct check {
    char words[CHECK_WORDS_MAX];
};

/* A name to create: INVALID says what names look like. */
MUST_USE enum status check_new_name(struct check *check, const char *name);
/* A name to use: `empty` are the words for "". One that cannot exist is NOT_FOUND. */
MUST_USE enum status check_name(struct check *check, const char *name, const char *empty);
MUST_USE enum status check_dimension(struct check *check, int32_t dimension);
/* The canonical word: cosine, euclidean or dot. */
/* storage, originals and target_recall of a new collection. */
MUST_USE enum status check_keeping(struct check *check,
                                   const Vectron__V1__CreateCollectionRequest *request);
MUST_USE enum status check_distance(struct check *check, const char *distance, const char **out);
/* INVALID: words for a name that is no preset. */
enum status check_preset(struct check *check, const char *name);
/* INVALID: words for a text that names no type of payload index. */
enum status check_index_type(struct check *check, const char *type);
MUST_USE enum status check_id(struct check *check, const char *id);
MUST_USE enum status check_consistency(struct check *check, int consistency);
MUST_USE enum status check_search(struct check *check, const Vectron__V1__SearchRequest *request);

/* What a batch says of all its searches. */
MUST_USE enum status check_batch(struct check *check,
                                 const Vectron__V1__BatchSearchRequest *request);

struct check_place {
    const char *collection;
    uint32_t dimension;
    size_t index; /* of the point in the request */
};
/* May shorten the point's payload: of equal keys the last one stays. */
MUST_USE enum status
check_point(struct check *check, Vectron__V1__Point *point, const struct check_place *place);

#endif
