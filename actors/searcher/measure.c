/* measure: what is no candidate is at least as far, by its code, as the farthest candidate. Its own
 * distance may be less by the error of a code; what rounding can do is allowed for, and twice the
 * largest error among the candidates (which, if they are all one vector, says little). So points
 * that lie closer together than a step of the code, of which the first candidates are any, make the
 * search look again until all of them are candidates. */
#include "actors/searcher/measure.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/searcher/search.h"
#include "runtime/assert.h"
#include "runtime/poison.h"

enum {
    MARGIN_FACTOR = 3, /* 4 k + 64 in all */
    MARGIN_MIN = 64,
    MARGIN_WALKED = 10, /* besides as many again */
    WIDER = 4,
};

uint32_t measure_margin(uint32_t k) {
    uint32_t margin = k * MARGIN_FACTOR + MARGIN_MIN;
    return margin < INDEX_K_MAX ? margin : INDEX_K_MAX;
}

uint32_t measure_margin_walked(uint32_t k, float rescore) {
    float margin = rescore > 0 ? ceilf((float)k * (rescore - 1)) : (float)k + MARGIN_WALKED;
    return margin < INDEX_K_MAX ? (uint32_t)margin : INDEX_K_MAX;
}

static enum status open_ruler(struct search *search) {
    const struct holding *holding = search->holding;
    if (search->measure.ruler) return STATUS_OK;
    return index_ruler_open(holding->metric, holding->dimension, search->vector,
                            &search->measure.ruler);
}

static float rounding(const struct search *search, float distance) {
    return index_ruler_error(search->measure.ruler, search->holding->view, distance);
}

enum status measure_within(struct search *search, float *out) {
    enum status s = open_ruler(search);
    if (s != STATUS_OK) return s;
    float far = search->within + rounding(search, search->within);
    *out = far < FLT_MAX ? far : FLT_MAX;
    return STATUS_OK;
}

enum status measure_begin(struct search *search) {
    struct measure *measure = &search->measure;
    measure->reach = search->n_hits > 0 ? search->hits[search->n_hits - 1].distance : 0;
    measure->error = 0;
    return open_ruler(search);
}

static enum status measure_hit(struct search *search, struct search_hit *hit, enum kv_tier tier) {
    struct point_value value;
    enum status s =
        point_store_read(search->points, search->holding->store_id, hit->number, tier, &value);
    if (s == STATUS_NOT_FOUND) {
        s = search_note_gone(search, hit, tier);
        hit->dropped = s == STATUS_OK;
        return s;
    }
    if (s != STATUS_OK) return s;
    if (value.point.vector.size == search->holding->dimension * sizeof(float)) {
        float distance = index_ruler_distance(search->measure.ruler, value.point.vector.data);
        float error = fabsf(distance - hit->distance);
        if (error > search->measure.error) search->measure.error = error;
        hit->distance = distance;
    } else {
        s = STATUS_CORRUPT;
    }
    point_value_free(&value);
    return s;
}

enum status measure_some(struct search *search, enum kv_tier tier, size_t n) {
    for (size_t i = 0; i < n && search->next_hit < search->n_hits; i++) {
        struct search_hit *hit = &search->hits[search->next_hit];
        enum status s = hit->dropped ? STATUS_OK : measure_hit(search, hit, tier);
        if (s != STATUS_OK) return s;
        search->next_hit++;
    }
    return STATUS_OK;
}

/* As the index orders hits; what was dropped comes last. */
static int compare(const void *left, const void *right) {
    const struct search_hit *a = left, *b = right;
    if (a->dropped != b->dropped) return a->dropped ? 1 : -1;
    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    return strcmp(a->id, b->id);
}

/* Whatever the index did not give is farther than the k nearest. */
static bool is_settled(const struct search *search) {
    if (!search->exact) return true;
    if (search->asked == INDEX_EXACT_MAX || (search->ranged && !search->stats.cut)) return true;
    if (search->n_hits < search->k) return false;
    const struct search_hit *last = &search->hits[search->k - 1];
    if (last->dropped) return false;
    float error = fmaxf(2 * search->measure.error, rounding(search, last->distance));
    return last->distance <= search->measure.reach - error;
}

bool measure_end(struct search *search) {
    assert(search->next_hit == search->n_hits);
    qsort(search->hits, search->n_hits, sizeof *search->hits, compare);
    search->next_hit = 0;
    if (is_settled(search)) {
        search_trim(search);
        return false;
    }
    search->measure.margin = search->measure.margin * WIDER + MARGIN_MIN;
    if (search->measure.margin > INDEX_EXACT_MAX) search->measure.margin = INDEX_EXACT_MAX;
    return true;
}
