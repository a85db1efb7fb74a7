/* The index through its front door, each behaviour beside the exact oracle. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/index/fixture.h"

static const enum index_metric metrics[] = {INDEX_COSINE, INDEX_EUCLIDEAN, INDEX_DOT};

Test(index, an_exact_search_agrees_with_the_oracle) {
    for (size_t m = 0; m < 3; m++) {
        struct fixture f;
        fixture_open(&f, &(struct index_options){.dimension = 19, .metric = metrics[m]}, 7);
        fixture_append_random(&f, 500);
        cr_expect_eq(fixture_recall(&f, 30, 10, 0), 1.0, "%s", index_metric_name(metrics[m]));
        fixture_settle(&f);
        fixture_remove_random(&f, 100);
        cr_expect_eq(fixture_recall(&f, 30, 10, 0), 1.0, "%s", index_metric_name(metrics[m]));
        fixture_close(&f);
    }
}
