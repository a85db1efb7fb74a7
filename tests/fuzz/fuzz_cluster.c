/* fuzz_cluster: cluster.toml, as anyone may write it. */
#include <stdint.h>

#include "cli/supervise/cluster.h"
#include "runtime/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cluster *cluster = NULL;
    struct buffer why;
    buffer_init(&why);
    enum status s = cluster_read((const char *)data, size, "vectron", &cluster, &why);
    assert(s == STATUS_OK || s == STATUS_NO_MEMORY || why.size > 0);
    if (s == STATUS_OK) {
        assert(cluster->n > 0 && cluster->n <= CLUSTER_PROCESSES_MAX);
        for (uint32_t i = 0; i < cluster->n; i++)
            assert(cluster->processes[i].argv[0] && cluster->processes[i].n_after < cluster->n);
    }
    cluster_free(cluster);
    buffer_free(&why);
    return 0;
}
