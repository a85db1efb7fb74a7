/* history: see history.h. */
#include "tests/sim/cluster/history.h"

#include <stddef.h>
#include <stdio.h>

#include "runtime/assert.h"

struct deed *history_add(struct history *history, uint32_t key, const struct deed *deed) {
    assert(key < KEYS_MAX);
    struct key *row = &history->keys[key];
    if (row->n == DEEDS_MAX) return NULL;
    if (key >= history->n_keys && !row->plain) history->n_keys = key + 1;
    bool known = row->plain ? deed->act == ACT_READ : deed->act != ACT_DELETE;
    if (deed->return_us == NEVER && !known) row->n_unsure++;
    history->n_deeds++;
    row->deeds[row->n] = *deed;
    return &row->deeds[row->n++];
}

bool history_full(const struct history *history, uint32_t key) {
    const struct key *row = &history->keys[key];
    return row->n >= DEEDS_RETIRE || row->n_unsure >= UNSURE_RETIRE;
}

void history_print(const struct key *key, uint32_t number) {
    static const char *const acts[] = {"put", "delete", "read"};
    for (uint32_t i = 0; i < key->n; i++) {
        const struct deed *deed = &key->deeds[i];
        printf("k%u client %u %s %u level %d: %llu ..", number, deed->client, acts[deed->act],
               deed->value, deed->level, (unsigned long long)deed->invoke_us);
        if (deed->return_us == NEVER)
            puts(" unknown");
        else
            printf(" %llu\n", (unsigned long long)deed->return_us);
    }
}
