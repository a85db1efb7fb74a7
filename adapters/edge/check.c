/* check: every refusal names the thing, the limit and, where one helps, the remedy. */
#include "adapters/edge/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "adapters/edge/payload.h"
#include "index/index.h"
#include "runtime/floats.h"
#include "runtime/poison.h"
#include "runtime/text.h"

enum { SHOWN_MAX = 64, CONSISTENCY_MAX = VECTRON__V1__CONSISTENCY__CONSISTENCY_EVENTUAL };

MUST_USE static enum status fail(struct check *check, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status fail(struct check *check, enum status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(check->words, sizeof check->words, format, args);
    va_end(args);
    return status;
}

/* How much of a client's text an error repeats. */
static int shown(const char *text) {
    size_t size = strnlen(text, SHOWN_MAX + 1);
    return (int)(size > SHOWN_MAX ? text_cut(text, SHOWN_MAX) : size);
}

enum status check_preset(struct check *check, const char *name) {
    return fail(check, STATUS_INVALID,
                "preset \"%.*s\" is unknown: use fast, balanced, accurate or exact", shown(name),
                name);
}

static enum status check_rescore(struct check *check, float rescore) {
    if (rescore == 0 || (rescore >= 1 && rescore <= CHECK_RESCORE_MAX)) return STATUS_OK;
    return fail(
        check, STATUS_INVALID,
        "rescore %g is not from 1 to %d candidates for each result (0: as the storage wants "
        "it)",
        (double)rescore, CHECK_RESCORE_MAX);
}

enum status check_index_type(struct check *check, const char *type) {
    return fail(check, STATUS_INVALID,
                "type \"%.*s\" is none of keyword, integer, number, bool and datetime", shown(type),
                type);
}

/* --- names ----------------------------------------------------------------------------------- */

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* [A-Za-z0-9][A-Za-z0-9._-]{0,127} */
static bool is_name(const char *name) {
    size_t size = strnlen(name, CHECK_NAME_MAX + 1);
    if (size == 0 || size > CHECK_NAME_MAX || !is_letter_or_digit(name[0])) return false;
    for (size_t i = 1; i < size; i++)
        if (!is_letter_or_digit(name[i]) && !strchr("._-", name[i])) return false;
    return true;
}

enum status check_new_name(struct check *check, const char *name) {
    if (!name[0]) return fail(check, STATUS_INVALID, "collection name cannot be empty");
    if (is_name(name)) return STATUS_OK;
    return fail(check, STATUS_INVALID,
                "collection name \"%.*s\" is not valid: use 1 to %d letters, digits, '.', '_' or "
                "'-', the first one a letter or digit",
                shown(name), name, CHECK_NAME_MAX);
}

enum status check_name(struct check *check, const char *name, const char *empty) {
    if (!name[0]) return fail(check, STATUS_INVALID, "%s", empty);
    if (is_name(name)) return STATUS_OK;
    return fail(check, STATUS_NOT_FOUND, "collection '%.*s' not found", shown(name), name);
}

enum status check_dimension(struct check *check, int32_t dimension) {
    if (dimension <= 0) return fail(check, STATUS_INVALID, "dimension must be a positive number");
    if (dimension > CHECK_DIMENSION_MAX)
        return fail(check, STATUS_INVALID, "dimension %d is above the limit of %d", (int)dimension,
                    CHECK_DIMENSION_MAX);
    return STATUS_OK;
}

enum status check_distance(struct check *check, const char *distance, const char **out) {
    static const struct {
        const char *name, *canonical;
    } names[] = {
        {"cosine", "cosine"}, {"euclidean", "euclidean"}, {"", "euclidean"}, {"l2", "euclidean"},
        {"dot", "dot"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(distance, names[i].name) == 0) {
            *out = names[i].canonical;
            return STATUS_OK;
        }
    return fail(check, STATUS_INVALID,
                "distance \"%.*s\" is unknown: use cosine, euclidean (also l2 or empty) or dot",
                shown(distance), distance);
}

static enum status check_recall(struct check *check, float recall) {
    if (recall >= 0 && recall < 1) return STATUS_OK;
    return fail(check, STATUS_INVALID,
                "target_recall %g is not from 0 to below 1; for all neighbours search exact",
                (double)recall);
}

enum status check_keeping(struct check *check,
                          const Vectron__V1__CreateCollectionRequest *request) {
    enum index_storage storage;
    enum index_originals originals;
    const char *text = request->storage;
    if (index_storage_parse(text, &storage) != STATUS_OK)
        return fail(check, STATUS_INVALID,
                    "storage \"%.*s\" is unknown: use auto, f32, f16, sq8, sq4 or rabitq",
                    shown(text), text);
    text = request->originals;
    if (index_originals_parse(text, &originals) != STATUS_OK)
        return fail(check, STATUS_INVALID, "originals \"%.*s\" is unknown: use none, ram or mapped",
                    shown(text), text);
    if (request->preset[0] && request->target_recall != 0)
        return fail(check, STATUS_INVALID,
                    "preset and target_recall are two words for one thing: give one of them");
    enum status s = check_rescore(check, request->rescore);
    return s == STATUS_OK ? check_recall(check, request->target_recall) : s;
}

enum status check_id(struct check *check, const char *id) {
    if (!id[0]) return fail(check, STATUS_INVALID, "point ID cannot be empty");
    size_t size = strlen(id);
    if (size <= CHECK_ID_MAX) return STATUS_OK;
    return fail(check, STATUS_INVALID, "point ID of %zu bytes is above the limit of %d bytes", size,
                CHECK_ID_MAX);
}

/* --- vectors --------------------------------------------------------------------------------- */

/* The first value that is NaN or infinite; n when all are finite. */
static size_t first_not_finite(const float *vector, size_t n) {
    size_t i = floats_finite(vector, n) ? n : 0;
    while (i < n && isfinite(vector[i]))
        i++;
    return i;
}

static const char *value_name(float value) {
    if (value != value) return "NaN";
    return value < 0 ? "-Infinity" : "Infinity";
}

enum status check_consistency(struct check *check, int consistency) {
    if (consistency >= 0 && consistency <= CONSISTENCY_MAX) return STATUS_OK;
    return fail(check, STATUS_INVALID, "consistency %d is unknown: use 0 to %d", consistency,
                CONSISTENCY_MAX);
}

static enum status check_freshness(struct check *check, int consistency, const char *session) {
    enum status s = check_consistency(check, consistency);
    if (s != STATUS_OK) return s;
    if (strnlen(session, CHECK_SESSION_MAX + 1) > CHECK_SESSION_MAX)
        return fail(check, STATUS_INVALID, "session token is above the limit of %d bytes",
                    CHECK_SESSION_MAX);
    return STATUS_OK;
}

/* How widely it looks is said once. */
static enum status check_width(struct check *check, const Vectron__V1__SearchRequest *request) {
    const char *beside = request->ef                   ? "ef"
                         : request->exact              ? "exact"
                         : request->target_recall != 0 ? "target_recall"
                                                       : NULL;
    if (request->ef && request->target_recall != 0)
        return fail(check, STATUS_INVALID,
                    "ef %u and target_recall %g are given: both say how widely to search, ef as a "
                    "number and target_recall as what it is for; give one of them",
                    request->ef, (double)request->target_recall);
    if (!request->preset[0] || !beside) return STATUS_OK;
    return fail(check, STATUS_INVALID,
                "preset \"%.*s\" and %s are given: both say how widely to search, give one of them",
                shown(request->preset), request->preset, beside);
}

enum status check_search(struct check *check, const Vectron__V1__SearchRequest *request) {
    enum status s = check_name(check, request->collection, "collection name cannot be empty");
    if (s != STATUS_OK) return s;
    if (request->n_vector == 0) return fail(check, STATUS_INVALID, "search vector cannot be empty");
    if (request->n_vector > CHECK_DIMENSION_MAX)
        return fail(check, STATUS_INVALID, "search vector dimension %zu is above the limit of %d",
                    request->n_vector, CHECK_DIMENSION_MAX);
    size_t bad = first_not_finite(request->vector, request->n_vector);
    if (bad < request->n_vector)
        return fail(check, STATUS_INVALID, "search vector[%zu] is %s: values must be finite", bad,
                    value_name(request->vector[bad]));
    s = check_recall(check, request->target_recall);
    if (s == STATUS_OK) s = check_rescore(check, request->rescore);
    if (s == STATUS_OK) s = check_width(check, request);
    if (s != STATUS_OK) return s;
    if (request->top_k > CHECK_TOP_K_MAX)
        return fail(check, STATUS_INVALID, "top_k %u is above the limit of %d", request->top_k,
                    CHECK_TOP_K_MAX);
    if (request->range_case == VECTRON__V1__SEARCH_REQUEST__RANGE_WITHIN &&
        !isfinite(request->within))
        return fail(check, STATUS_INVALID, "within is %s: it must be finite",
                    value_name(request->within));
    return check_freshness(check, (int)request->consistency, request->session);
}

enum status check_batch(struct check *check, const Vectron__V1__BatchSearchRequest *request) {
    enum status s = check_name(check, request->collection, "collection name cannot be empty");
    if (s != STATUS_OK) return s;
    if (request->n_requests == 0 || request->n_requests > CHECK_BATCH_MAX)
        return fail(check, STATUS_INVALID, "a batch of %zu requests: it takes 1 to %d",
                    request->n_requests, CHECK_BATCH_MAX);
    return check_freshness(check, (int)request->consistency, request->session);
}

/* --- points ---------------------------------------------------------------------------------- */

static enum status check_vector(struct check *check,
                                const Vectron__V1__Point *point,
                                const struct check_place *place) {
    if (point->n_vector == 0)
        return fail(check, STATUS_INVALID,
                    "point vector cannot be empty (points[%zu], id \"%.*s\")", place->index,
                    shown(point->id), point->id);
    if (point->n_vector != place->dimension)
        return fail(check, STATUS_INVALID,
                    "vector dimension %zu does not match index dimension %u of collection \"%s\" "
                    "(points[%zu], id \"%.*s\")",
                    point->n_vector, place->dimension, place->collection, place->index,
                    shown(point->id), point->id);
    size_t bad = first_not_finite(point->vector, point->n_vector);
    if (bad < point->n_vector)
        return fail(check, STATUS_INVALID,
                    "points[%zu].vector[%zu] is %s: values must be finite (id \"%.*s\")",
                    place->index, bad, value_name(point->vector[bad]), shown(point->id), point->id);
    return STATUS_OK;
}

static enum status check_payload(struct check *check, Vectron__V1__Point *point, size_t index) {
    point->n_payload = payload_distinct(point->payload, point->n_payload);
    if (point->n_payload > PAYLOAD_KEYS_MAX)
        return fail(check, STATUS_INVALID,
                    "payload has more than %d keys (points[%zu], id \"%.*s\")", PAYLOAD_KEYS_MAX,
                    index, shown(point->id), point->id);
    size_t size = payload_size(point->payload, point->n_payload);
    if (size <= PAYLOAD_BYTES_MAX) return STATUS_OK;
    return fail(check, STATUS_INVALID,
                "payload of %zu bytes is above the limit of %d bytes (points[%zu], id \"%.*s\")",
                size, PAYLOAD_BYTES_MAX, index, shown(point->id), point->id);
}

enum status
check_point(struct check *check, Vectron__V1__Point *point, const struct check_place *place) {
    struct check id;
    enum status s = check_id(&id, point->id);
    if (s != STATUS_OK) return fail(check, s, "%.*s (points[%zu])", 200, id.words, place->index);
    s = check_vector(check, point, place);
    return s == STATUS_OK ? check_payload(check, point, place->index) : s;
}
