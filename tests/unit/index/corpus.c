#include "tests/unit/index/corpus.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/pack.h"

#define TEXT(t) \
    { t, sizeof(t) - 1 }

const struct index_column corpus_columns[CORPUS_KEYS] = {
    {TEXT("color"), FILTER_KEYWORD}, {TEXT("tag"), FILTER_KEYWORD}, {TEXT("qty"), FILTER_INTEGER},
    {TEXT("price"), FILTER_NUMBER},  {TEXT("hot"), FILTER_BOOL},    {TEXT("at"), FILTER_DATETIME},
};
static const char *const colors[] = {"red", "blue", "green", "redder", "re", "black", "bl", "ünı"};

void corpus_open(struct corpus *corpus, bool declared, uint64_t seed) {
    memset(corpus, 0, sizeof *corpus);
    rng_init(&corpus->rng, seed);
    struct index_options options = {.dimension = CORPUS_DIMENSION, .metric = INDEX_EUCLIDEAN};
    if (declared) {
        options.columns = corpus_columns;
        options.n_columns = CORPUS_KEYS;
    }
    uint64_t applied;
    cr_assert_eq(index_open(&options, NULL, &corpus->index, &applied), STATUS_OK);
    cr_assert_eq(index_reader_open(&corpus->reader), STATUS_OK);
    corpus->next_number = 1;
}

void corpus_close(struct corpus *corpus) {
    index_reader_close(corpus->reader);
    index_close(corpus->index);
    free(corpus->points);
}

static uint64_t draw(struct corpus *corpus, uint64_t n) {
    return rng_next(&corpus->rng) % n;
}

static float draw_float(struct corpus *corpus) {
    return (float)draw(corpus, 1 << 20) / (float)(1 << 20);
}

static void draw_texts(struct corpus *corpus, struct corpus_point *point) {
    char(*t)[CORPUS_TEXT] = point->texts;
    snprintf(t[0], CORPUS_TEXT, "%s", colors[draw(corpus, 8)]);
    snprintf(t[1], CORPUS_TEXT, "t%05d", (int)draw(corpus, 20000));
    snprintf(t[2], CORPUS_TEXT, "%d", (int)draw(corpus, 2000) - 1000);
    snprintf(t[3], CORPUS_TEXT, "%.3f", (double)draw_float(corpus) * 100);
    snprintf(t[4], CORPUS_TEXT, "%s", draw(corpus, 10) == 0 ? "true" : "false");
    snprintf(t[5], CORPUS_TEXT, "20%02d-%02d-%02dT%02d:00:00Z", (int)draw(corpus, 30),
             (int)draw(corpus, 12) + 1, (int)draw(corpus, 28) + 1, (int)draw(corpus, 24));
    for (size_t i = 0; i < CORPUS_KEYS; i++) {
        if (draw(corpus, 12) == 0) t[i][0] = '\0';
        if (draw(corpus, 40) == 0) snprintf(t[i], CORPUS_TEXT, "nothing");
    }
}

size_t corpus_payload(const struct corpus_point *point, unsigned char *out) {
    uint32_t n = 1;
    for (size_t i = 0; i < CORPUS_KEYS; i++)
        n += point->texts[i][0] != '\0';
    unsigned char *at = pack_map(out, n);
    at = pack_string(at, "other", 5);
    at = pack_string(at, "x", 1);
    for (size_t i = 0; i < CORPUS_KEYS; i++) {
        if (!point->texts[i][0]) continue;
        at = pack_string(at, corpus_columns[i].key.data, corpus_columns[i].key.size);
        at = pack_string(at, point->texts[i], (uint32_t)strlen(point->texts[i]));
    }
    return (size_t)(at - out);
}

static float distance(const float *a, const float *b) {
    double sum = 0;
    for (size_t i = 0; i < CORPUS_DIMENSION; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return (float)sum;
}

static void append_one(struct corpus *corpus) {
    if (corpus->n == corpus->room) {
        corpus->room = corpus->room ? 2 * corpus->room : 256;
        corpus->points = realloc(corpus->points, corpus->room * sizeof *corpus->points);
    }
    struct corpus_point *point = &corpus->points[corpus->n++];
    point->number = corpus->next_number++;
    for (size_t i = 0; i < CORPUS_DIMENSION; i++)
        point->vector[i] = draw_float(corpus);
    draw_texts(corpus, point);
    if (corpus->by_distance)
        snprintf(point->texts[3], CORPUS_TEXT, "%.6f",
                 (double)distance(point->vector, (float[CORPUS_DIMENSION]){0}));
    unsigned char payload[CORPUS_PAYLOAD_MAX];
    char id[24];
    int id_size = snprintf(id, sizeof id, "p%llu", (unsigned long long)point->number);
    struct index_point given = {.number = point->number,
                                .vector = point->vector,
                                .id = id,
                                .id_size = (uint32_t)id_size,
                                .payload = payload,
                                .payload_size = corpus_payload(point, payload)};
    bool idle;
    while (index_tail_room(corpus->index) == 0)
        cr_assert_eq(index_link_step(corpus->index, 10000, &idle), STATUS_OK);
    cr_assert_eq(index_append(corpus->index, &given, 1), STATUS_OK);
}

void corpus_append(struct corpus *corpus, size_t n) {
    for (size_t i = 0; i < n; i++)
        append_one(corpus);
}

void corpus_remove(struct corpus *corpus, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t at = draw(corpus, corpus->n);
        cr_assert_eq(index_remove(corpus->index, corpus->points[at].number), STATUS_OK);
        corpus->points[at] = corpus->points[--corpus->n];
    }
}

void corpus_settle(struct corpus *corpus) {
    bool idle = false;
    while (!idle)
        cr_assert_eq(index_link_step(corpus->index, 10000, &idle), STATUS_OK);
}

/* --- filters --------------------------------------------------------------------------------- */

static struct filter_text keep(struct corpus_filter *out, const char *text) {
    char *kept = out->texts[out->n_texts++];
    snprintf(kept, CORPUS_TEXT, "%s", text);
    return (struct filter_text){kept, (uint32_t)strlen(kept)};
}

/* A value that occurs, mostly. */
static uint64_t draw_value(struct corpus *corpus, size_t key) {
    uint64_t value = FILTER_LOWEST + draw(corpus, 100);
    for (int i = 0; i < 8; i++) {
        const char *text = corpus->points[draw(corpus, corpus->n)].texts[key];
        if (filter_read(corpus_columns[key].type, text, strlen(text), &value)) break;
    }
    return value;
}

/* IN wants its values ascending and distinct. */
static void sort_values(struct filter_node *node) {
    uint32_t n = 0;
    struct filter_text *texts = (struct filter_text *)(uintptr_t)node->texts;
    uint64_t *values = (uint64_t *)(uintptr_t)node->values;
    bool keyword = node->type == FILTER_KEYWORD;
    for (uint32_t i = 0; i < node->n; i++) {
        struct filter_text text = texts[i];
        uint64_t value = values[i];
        uint32_t at = 0, same = 0;
        for (; at < n; at++) {
            int order = keyword ? filter_text_compare(&texts[at], &text)
                                : (values[at] > value) - (values[at] < value);
            same = order == 0;
            if (order >= 0) break;
        }
        if (same) continue;
        for (uint32_t j = n; j > at; j--) {
            if (keyword)
                texts[j] = texts[j - 1];
            else
                values[j] = values[j - 1];
        }
        if (keyword)
            texts[at] = text;
        else
            values[at] = value;
        n++;
    }
    node->n = n;
}

static void draw_leaf(struct corpus *corpus, struct corpus_filter *out) {
    struct filter_node *node = &out->nodes[out->filter.n_nodes++];
    size_t key = draw(corpus, CORPUS_KEYS);
    *node = (struct filter_node){.type = corpus_columns[key].type, .key = corpus_columns[key].key};
    bool keyword = node->type == FILTER_KEYWORD;
    if (draw(corpus, 8) == 0) {
        node->op = FILTER_EXISTS;
    } else if (draw(corpus, 3) == 0) {
        node->op = keyword ? FILTER_PREFIX : FILTER_RANGE;
        if (keyword) {
            const char *text = corpus->points[draw(corpus, corpus->n)].texts[key];
            struct filter_text whole = keep(out, text);
            if (whole.size > 2) whole.size = (uint32_t)draw(corpus, 3);
            out->values[out->n_values] = whole;
            node->texts = &out->values[out->n_values++];
        } else {
            node->low = draw(corpus, 3) ? draw_value(corpus, key) : 0;
            node->high = draw(corpus, 3) ? draw_value(corpus, key) : FILTER_HIGHEST;
        }
    } else {
        node->op = FILTER_IN;
        node->n = (uint32_t)draw(corpus, 4);
        node->texts = &out->values[out->n_values];
        node->values = &out->numbers[out->n_numbers];
        for (uint32_t i = 0; i < node->n; i++) {
            if (keyword)
                out->values[out->n_values++] =
                    keep(out, corpus->points[draw(corpus, corpus->n)].texts[key]);
            else
                out->numbers[out->n_numbers++] = draw_value(corpus, key);
        }
        sort_values(node);
    }
}

static void draw_tree(struct corpus *corpus, struct corpus_filter *out, int depth) {
    if (depth == 0 || draw(corpus, 3) == 0) {
        draw_leaf(corpus, out);
        return;
    }
    struct filter_node *node = &out->nodes[out->filter.n_nodes++];
    *node = (struct filter_node){.op = (enum filter_op)draw(corpus, 3)};
    node->n = (uint32_t)draw(corpus, 3) + (draw(corpus, 20) != 0);
    for (uint32_t i = 0; i < node->n; i++)
        draw_tree(corpus, out, depth - 1);
}

void corpus_filter(struct corpus *corpus, struct corpus_filter *out) {
    memset(out, 0, sizeof *out);
    out->filter.nodes = out->nodes;
    draw_tree(corpus, out, (int)draw(corpus, 3));
    cr_assert_eq(filter_check(&out->filter), STATUS_OK);
}

void corpus_range(struct corpus_filter *out, size_t key, uint64_t low, uint64_t high) {
    memset(out, 0, sizeof *out);
    out->nodes[0] = (struct filter_node){.op = FILTER_RANGE,
                                         .type = corpus_columns[key].type,
                                         .key = corpus_columns[key].key,
                                         .low = low,
                                         .high = high};
    out->filter = (struct filter){out->nodes, 1};
}

static bool equal(const struct filter_text *a, const char *b, size_t n) {
    return a->size == n && memcmp(a->data, b, n) == 0;
}

static bool leaf_meets(const struct corpus_point *point, const struct filter_node *node) {
    size_t key = 0;
    while (corpus_columns[key].key.data != node->key.data)
        key++;
    const char *text = point->texts[key];
    size_t size = strlen(text);
    uint64_t value;
    if (size == 0) return false;
    if (node->op == FILTER_EXISTS) return true;
    if (node->type == FILTER_KEYWORD) {
        if (node->op == FILTER_PREFIX)
            return node->texts[0].size <= size &&
                   memcmp(text, node->texts[0].data, node->texts[0].size) == 0;
        for (uint32_t i = 0; i < node->n; i++)
            if (equal(&node->texts[i], text, size)) return true;
        return false;
    }
    if (!filter_read(node->type, text, size, &value)) return false;
    if (node->op == FILTER_RANGE) return node->low <= value && value <= node->high;
    for (uint32_t i = 0; i < node->n; i++)
        if (node->values[i] == value) return true;
    return false;
}

static bool meets_at(const struct corpus_point *point, const struct filter *filter, uint32_t *at) {
    const struct filter_node *node = &filter->nodes[(*at)++];
    if (node->op > FILTER_NONE) return leaf_meets(point, node);
    bool all = true, any = false;
    for (uint32_t i = 0; i < node->n; i++) {
        bool one = meets_at(point, filter, at);
        all = all && one;
        any = any || one;
    }
    return node->op == FILTER_ALL ? all : node->op == FILTER_ANY ? any : !any;
}

bool corpus_meets(const struct corpus_point *point, const struct filter *filter) {
    uint32_t at = 0;
    return meets_at(point, filter, &at);
}

size_t corpus_count(const struct corpus *corpus, const struct filter *filter) {
    size_t n = 0;
    for (size_t i = 0; i < corpus->n; i++)
        n += corpus_meets(&corpus->points[i], filter);
    return n;
}

/* --- searches -------------------------------------------------------------------------------- */

static int compare_floats(const void *a, const void *b) {
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static const struct corpus_point *find(const struct corpus *corpus, uint64_t number) {
    for (size_t i = 0; i < corpus->n; i++)
        if (corpus->points[i].number == number) return &corpus->points[i];
    return NULL;
}

static void judge(struct corpus *corpus,
                  const struct index_query *query,
                  const struct index_hit *hits,
                  struct corpus_result *out) {
    float *all = malloc((corpus->n + 1) * sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < corpus->n; i++)
        if (corpus_meets(&corpus->points[i], query->filter))
            all[n++] = distance(corpus->points[i].vector, query->vector);
    qsort(all, n, sizeof *all, compare_floats);
    out->n_expected = n < query->k ? n : query->k;
    for (size_t i = 0; i < out->n_hits; i++) {
        const struct corpus_point *point = find(corpus, hits[i].number);
        out->n_wrong += !point || !corpus_meets(point, query->filter);
        if (out->n_expected == 0) continue;
        float worst = all[out->n_expected - 1];
        out->n_right += hits[i].distance <= worst + fabsf(worst) * 1e-5f;
    }
    free(all);
}

void corpus_search(struct corpus *corpus,
                   const struct index_query *query,
                   struct corpus_result *out) {
    *out = (struct corpus_result){0};
    const struct index_view *view = index_view_hold(corpus->index);
    out->status = index_search_start(corpus->reader, view, query);
    bool done = false;
    while (out->status == STATUS_OK && !done)
        out->status = index_search_step(corpus->reader, 1000, &done);
    if (out->status == STATUS_OK) {
        const struct index_hit *hits = index_search_hits(corpus->reader, &out->n_hits);
        out->stats = index_search_stats(corpus->reader);
        judge(corpus, query, hits, out);
    }
    index_search_end(corpus->reader);
    index_view_drop(view);
}
