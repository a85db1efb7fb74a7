/* placement_assignments: the JSON in the answer to a heartbeat (contract 6.6). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/json.h"
#include "adapters/edge/service_placement.h"
#include "runtime/buffer.h"

#include "runtime/poison.h"

static void put(struct buffer *out, const char *text) {
    buffer_append(out, text, strlen(text));
}

static void put_number(struct buffer *out, const char *name, uint64_t value) {
    char text[96];
    int n = snprintf(text, sizeof text, "\"%s\":%" PRIu64 ",", name, value);
    buffer_append(out, text, (size_t)n);
}

static void put_string(struct buffer *out, const char *name, const char *value) {
    put(out, "\"");
    put(out, name);
    put(out, "\":");
    json_write_string(out, value, strlen(value));
    put(out, ",");
}

static void put_ids(struct buffer *out, const char *name, const PdAssignment *row) {
    char text[32];
    put(out, "\"");
    put(out, name);
    put(out, "\":[");
    for (size_t i = 0; i < row->n_replicas; i++) {
        int n = snprintf(text, sizeof text, "%s%" PRIu64, i ? "," : "", row->replicas[i]->id);
        buffer_append(out, text, (size_t)n);
    }
    put(out, "],");
}

static void put_members(struct buffer *out, const PdAssignment *row) {
    char text[32];
    put(out, "\"initial_members\":{");
    for (size_t i = 0; i < row->n_replicas; i++) {
        int n =
            snprintf(text, sizeof text, "%s\"%" PRIu64 "\":", i ? "," : "", row->replicas[i]->id);
        buffer_append(out, text, (size_t)n);
        json_write_string(out, row->replicas[i]->address, strlen(row->replicas[i]->address));
    }
    put(out, "},");
}

static void put_assignment(struct buffer *out, const PdAssignment *row) {
    put(out, "{\"shard_info\":{");
    put_number(out, "shard_id", row->shard);
    put_string(out, "collection", row->collection);
    put_number(out, "key_range_start", row->range_start);
    put_number(out, "key_range_end", row->range_end);
    put_ids(out, "replicas", row);
    put_number(out, "leader_id", row->leader);
    put_number(out, "epoch", row->epoch);
    put_number(out, "dimension", row->dimension);
    put_string(out, "distance", row->distance);
    put_ids(out, "bootstrap_members", row);
    put(out, row->born ? "\"bootstrapped\":true}," : "\"bootstrapped\":false},");
    put_members(out, row);
    put(out, row->founder && !row->born ? "\"bootstrap\":true}" : "\"bootstrap\":false}");
}

void placement_assignments(const PdAssignments *assignments, struct buffer *out) {
    put(out, "[");
    for (size_t i = 0; i < assignments->n_assignments; i++) {
        if (i) put(out, ",");
        put_assignment(out, assignments->assignments[i]);
    }
    put(out, "]");
}
