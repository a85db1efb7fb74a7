/* Linking on several threads: the same graph whatever their number, as good as one by one. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "index/bulk.h"
#include "index/writer.h"
#include "runtime/memory.h"
#include "tests/unit/index/fixture.h"

enum { THREADS_MAX = 4 };

struct crew {
    struct index_bulk_worker *worker;
    _Atomic uint32_t *next;
    uint32_t n_tasks;
};

static void *work(void *context) {
    struct crew *crew = context;
    for (uint32_t task; (task = atomic_fetch_add(crew->next, 1)) < crew->n_tasks;)
        index_bulk_run(crew->worker, task);
    return NULL;
}

/* Links everything; gives how many batches there were. */
static size_t link_all(struct index *index, unsigned n_threads) {
    struct index_bulk *bulk;
    struct crew crew[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    size_t n_batches = 0;
    cr_assert_eq(index_bulk_open(index, &bulk), STATUS_OK);
    for (unsigned i = 0; i < n_threads; i++)
        cr_assert_eq(index_bulk_worker_open(bulk, &crew[i].worker), STATUS_OK);
    for (bool idle = false; !idle;) {
        uint32_t n_tasks;
        _Atomic uint32_t next = 0;
        cr_assert_eq(index_bulk_next(bulk, &n_tasks), STATUS_OK);
        if (n_tasks == 0) {
            cr_assert_eq(index_link_step(index, 2000, &idle), STATUS_OK);
            continue;
        }
        n_batches++;
        for (unsigned i = 0; i < n_threads; i++) {
            crew[i].next = &next;
            crew[i].n_tasks = n_tasks;
            cr_assert_eq(pthread_create(&threads[i], NULL, work, &crew[i]), 0);
        }
        for (unsigned i = 0; i < n_threads; i++)
            pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < n_threads; i++)
        index_bulk_worker_close(crew[i].worker);
    index_bulk_close(bulk);
    return n_batches / 2;
}

static uint64_t digest(const struct index *index) {
    const struct graph *graph = &index->view->graph;
    uint64_t sum = graph_entry(graph).slot;
    for (uint32_t slot = 0; slot < atomic_load(&index->view->points.n_slots); slot++) {
        const struct node *node = graph_node(graph, slot);
        for (unsigned level = 0; node->state == NODE_LINKED && level <= node->level; level++) {
            uint32_t edges[GRAPH_ROW_MAX];
            unsigned n = graph_read(graph, slot, level, edges);
            for (unsigned i = 0; i < n; i++)
                sum = sum * 0x9e3779b97f4a7c15u + edges[i] + 1;
        }
        sum = sum * 31 + graph_parent(graph, slot);
    }
    return sum;
}

static void fill(struct fixture *f, const struct index_options *options, bool clumps) {
    float vector[32];
    fixture_open(f, options, 5);
    for (int i = 0; i < 4000; i++) {
        fixture_random_vector(f, vector);
        if (clumps && i % 3 == 0)
            for (int d = 0; d < 32; d++)
                vector[d] = (float)(i % 5); /* equal points, which crowd their parents */
        fixture_append(f, vector);
    }
    fixture_remove_random(f, 200); /* while they wait */
}

static void same_for_any_number_of_threads(struct index_options options, bool clumps) {
    uint64_t first = 0;
    options.dimension = 32;
    options.tail_extra = 20000;
    options.ef_construction = 40;
    options.train_min = 1000;
    for (unsigned n = 1; n <= THREADS_MAX; n += 1 + n / 2) {
        struct fixture f;
        fill(&f, &options, clumps);
        cr_expect_gt(link_all(f.index, n), 20);
        uint64_t now = digest(f.index);
        if (n == 1) first = now;
        cr_expect_eq(now, first, "%u threads", n);
        fixture_validate(&f);
        if (n == 2) {
            fixture_remove_random(&f, 600); /* what was linked can be repaired */
            fixture_append_random(&f, 600);
            (void)link_all(f.index, n);
            fixture_validate(&f);
        }
        fixture_close(&f);
    }
}

Test(index_bulk, the_graph_does_not_depend_on_threads) {
    same_for_any_number_of_threads((struct index_options){.metric = INDEX_EUCLIDEAN}, false);
}

Test(index_bulk, nor_does_one_of_floats) {
    same_for_any_number_of_threads((struct index_options){.storage = INDEX_F32, .M = 6}, false);
}

Test(index_bulk, equal_points_are_linked_too) {
    same_for_any_number_of_threads((struct index_options){.metric = INDEX_EUCLIDEAN, .M = 8}, true);
}

static size_t tail_of(struct index *index) {
    const struct index_view *view = index_view_hold(index);
    size_t n = index_stats(view).tail;
    index_view_drop(view);
    return n;
}

/* Only appended to, and searched exactly however narrow the search; linked at the end. */
Test(index_bulk, an_ingest_is_searched_exactly_until_it_is_linked) {
    struct index_options options = {
        .dimension = 32, .metric = INDEX_EUCLIDEAN, .tail_extra = 20000, .M = 8};
    for (int metric = INDEX_COSINE; metric <= INDEX_DOT; metric++) {
        struct fixture f;
        options.metric = (enum index_metric)metric;
        fill(&f, &options, false); /* 4,000, of which 200 go while they wait */
        cr_expect_eq(tail_of(f.index), 4000);
        cr_expect_eq(fixture_recall(&f, 40, 10, 10), 1);
        cr_expect_eq(fixture_recall(&f, 5, 100, 1), 1);
        (void)link_all(f.index, 2);
        cr_expect_eq(tail_of(f.index), 0);
        fixture_validate(&f);
        cr_expect_gt(fixture_recall(&f, 40, 10, 200), 0.9);
        fixture_append_random(&f, 300); /* the next ones wait again, beside a graph */
        cr_expect_eq(tail_of(f.index), 300);
        (void)link_all(f.index, 2);
        fixture_validate(&f);
        fixture_close(&f);
    }
}

Test(index_bulk, is_as_good_as_linking_one_by_one) {
    struct fixture one, many;
    struct index_options options = {
        .dimension = 32, .metric = INDEX_EUCLIDEAN, .tail_extra = 20000, .M = 8};
    fill(&one, &options, false);
    fill(&many, &options, false);
    fixture_settle(&one);
    (void)link_all(many.index, 2);
    double alone = fixture_recall(&one, 100, 10, 60), together = fixture_recall(&many, 100, 10, 60);
    cr_expect_gt(together, alone - 0.02, "%f, one by one %f", together, alone);
    fixture_close(&one);
    fixture_close(&many);
}
