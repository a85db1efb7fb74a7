#include "actors/router/page.h"

#include "actors/router/router.h"

#include "runtime/poison.h"

enum { HIT_BYTES = 32 /* of an encoded hit, besides id, payload and vector */ };

static bool open_rows(RouterHits *out, size_t n, struct turn *turn) {
    RouterHit *rows = turn_alloc(turn, (n + 1) * sizeof *rows);
    out->hits = turn_alloc(turn, (n + 1) * sizeof *out->hits);
    if (!rows || !out->hits) return false;
    for (size_t i = 0; i < n; i++) {
        router_hit__init(&rows[i]);
        out->hits[i] = &rows[i];
    }
    return true;
}

bool page_open(struct page *page, const struct page_size *size, struct turn *turn) {
    RouterHits *out = page->out;
    if (page->rows && !open_rows(out, size->n, turn)) return false;
    if (!page->columns) return true;
    out->ids.data = turn_alloc(turn, size->ids + 1);
    out->scores = turn_alloc(turn, (size->n + 1) * sizeof *out->scores);
    return out->ids.data && out->scores;
}

void page_add(struct page *page, const struct hit *hit) {
    RouterHits *out = page->out;
    if (page->columns) {
        memcpy(out->ids.data + out->ids.len, hit->id, hit->id_size + 1);
        out->ids.len += hit->id_size + 1;
        out->scores[out->n_scores++] = hit->distance;
    }
    if (!page->rows) return;
    RouterHit *row = out->hits[out->n_hits++];
    if (!page->columns) {
        row->id = (char *)(uintptr_t)hit->id;
        row->score = hit->distance;
    }
    row->payload = hit->payload;
    row->n_vector = hit->n_vector;
    row->vector = (float *)(uintptr_t)hit->vector;
}

bool page_pass(struct page *page, const ShardHits *from, struct turn *turn) {
    struct hits hits = hits_of(from);
    struct hit hit;
    if (page->columns && !page->rows) {
        page->out->ids = from->ids;
        page->out->n_scores = from->n_distances;
        page->out->scores = from->distances;
        return true;
    }
    if (!page_open(page, &(struct page_size){from->n_distances, from->ids.len}, turn)) return false;
    while (hits_next(&hits, &hit))
        page_add(page, &hit);
    return true;
}

size_t page_merge(
    struct page *page, const struct merge *merge, size_t from, size_t *bytes, struct turn *turn) {
    struct page_size size = {0};
    size_t end = from;
    while (end < merge->n && (*bytes < ROUTER_PAGE_BYTES || end == from)) {
        const struct merge_hit *hit = &merge->hits[end++];
        size.ids += hit->id_size + 1;
        *bytes += hit->id_size + hit->payload_size + hit->n_vector * sizeof(float) + HIT_BYTES;
    }
    size.n = end - from;
    if (!page_open(page, &size, turn)) return from;
    for (size_t i = from; i < end; i++) {
        const struct merge_hit *hit = &merge->hits[i];
        page_add(page, &(struct hit){.id = hit->id,
                                     .id_size = hit->id_size,
                                     .distance = hit->distance,
                                     .payload = {hit->payload_size, hit->payload},
                                     .vector = hit->vector,
                                     .n_vector = hit->n_vector});
    }
    page->out->page_more = end < merge->n;
    return end;
}
