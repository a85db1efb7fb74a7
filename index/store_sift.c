/* store_sift: a scan of codes that reads the last bits of few of them.
 *
 * A query u, in units of the whole code, has the code q of eight bits; a point w the code c. Both
 * are some way from the middles of their codes: |u - w| >= |16 (q - c)| - |u - 16 q - 8| - 8 √n.
 * The second term is the query's and known; the third is the most a point's last bits can be. */
#include <float.h>
#include <math.h>

#include "index/store.h"
#include "runtime/assert.h"
#include "runtime/poison.h"

static const float rounding = 1.001f;

static float slack_of(const struct store *store, const struct probe *probe) {
    const float level = 1 << CODER_FINE_BITS;
    float sum = 0;
    for (uint32_t i = 0; i < store->coder.n; i++) {
        float gap = probe->units[i] - level * (float)probe->codes[i] - level / 2;
        sum += gap * gap;
    }
    return sqrtf(sum) + level / 2 * sqrtf((float)store->coder.n);
}

size_t
store_sift(const struct store *store, struct probe *probe, uint32_t *slots, size_t n, float limit) {
    const float level = 1 << CODER_FINE_BITS;
    const void *rows[STORE_BATCH];
    float near[STORE_BATCH];
    size_t n_left = 0;
    assert_hot(n <= STORE_BATCH);
    if (store->kind != STORE_SQ8 || store->metric.kind == INDEX_DOT || store->keeps_all ||
        limit == FLT_MAX || n == 0)
        return n;
    if (probe->slack == 0) probe->slack = slack_of(store, probe);
    float square = store->metric.kind == INDEX_COSINE ? 2 * limit : limit;
    float most = (sqrtf(square > 0 ? square : 0) / store->coder.step + probe->slack) / level;
    most *= most * rounding;
    for (size_t i = 0; i < n; i++)
        rows[i] = store_row(store, slots[i]);
    store_near(store, probe->near, rows, n, near);
    for (size_t i = 0; i < n; i++) {
        bool stays = !(near[i] > most) || store_kept(store, slots[i]);
        slots[n_left] = slots[i];
        n_left += stays;
    }
    return n_left;
}
