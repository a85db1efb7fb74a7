/* filter: the tree is judged without recursion: what is still open is a stack of counts. */
#include "index/filter.h"

#include <string.h>
#include <strings.h>

#include "runtime/poison.h"

static bool has_children(const struct filter_node *node) {
    return node->op <= FILTER_NONE;
}

int filter_text_compare(const struct filter_text *a, const struct filter_text *b) {
    uint32_t size = a->size < b->size ? a->size : b->size;
    int order = size ? memcmp(a->data, b->data, size) : 0;
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* The values of an IN. */
static bool ascend(const struct filter_node *node) {
    if (node->n > FILTER_VALUES_MAX) return false;
    if (node->n > 0 && !(node->type == FILTER_KEYWORD ? (const void *)node->texts : node->values))
        return false;
    for (uint32_t i = 1; i < node->n; i++) {
        if (node->type == FILTER_KEYWORD) {
            if (filter_text_compare(&node->texts[i - 1], &node->texts[i]) >= 0) return false;
        } else if (node->values[i - 1] >= node->values[i]) {
            return false;
        }
    }
    return true;
}

/* A condition of its own kind, with all it needs. */
static bool is_sound(const struct filter_node *node) {
    if (node->op >= FILTER_OPS || node->type >= FILTER_TYPES) return false;
    if (has_children(node)) return node->n <= FILTER_NODES_MAX;
    if (!node->key.data || node->key.size < 1 || node->key.size > FILTER_KEY_MAX) return false;
    bool keyword = node->type == FILTER_KEYWORD;
    switch (node->op) {
    case FILTER_IN:
        return ascend(node);
    case FILTER_PREFIX:
        return keyword && node->texts;
    case FILTER_RANGE:
        return !keyword;
    default:
        return true;
    }
}

static size_t bytes_of(const struct filter_node *node) {
    size_t bytes = node->key.size;
    bool keywords = node->op == FILTER_IN && node->type == FILTER_KEYWORD;
    uint32_t n = keywords ? node->n : node->op == FILTER_PREFIX ? 1 : 0;
    for (uint32_t i = 0; i < n; i++)
        bytes += node->texts[i].size;
    return bytes;
}

enum status filter_check(const struct filter *filter) {
    uint32_t open[FILTER_DEPTH_MAX + 1] = {1}; /* nodes that a level still lacks */
    size_t depth = 0, bytes = 0, values = 0;
    if (filter->n_nodes < 1 || filter->n_nodes > FILTER_NODES_MAX) return STATUS_INVALID;
    for (uint32_t i = 0; i < filter->n_nodes; i++) {
        const struct filter_node *node = &filter->nodes[i];
        while (open[depth] == 0) {
            if (depth == 0) return STATUS_INVALID; /* a second root */
            depth--;
        }
        open[depth]--;
        if (!is_sound(node)) return STATUS_INVALID;
        bytes += bytes_of(node);
        values += node->op == FILTER_IN ? node->n : 0;
        if (bytes > FILTER_BYTES_MAX || values > FILTER_VALUES_MAX) return STATUS_INVALID;
        if (!has_children(node) || node->n == 0) continue;
        if (depth == FILTER_DEPTH_MAX) return STATUS_INVALID;
        open[++depth] = node->n;
    }
    for (size_t i = 0; i <= depth; i++)
        if (open[i]) return STATUS_INVALID; /* children that never came */
    return STATUS_OK;
}

uint32_t filter_depth(const struct filter *filter) {
    uint32_t open[FILTER_DEPTH_MAX + 1] = {1}, depth = 0, deepest = 0;
    for (uint32_t i = 0; i < filter->n_nodes; i++) {
        while (open[depth] == 0)
            depth--;
        open[depth]--;
        if (!has_children(&filter->nodes[i]) || filter->nodes[i].n == 0) continue;
        open[++depth] = filter->nodes[i].n;
        if (depth > deepest) deepest = depth;
    }
    return deepest;
}

uint32_t filter_skip(const struct filter *filter, uint32_t at) {
    for (uint32_t open = 1; open > 0; at++) {
        const struct filter_node *node = &filter->nodes[at];
        open += has_children(node) ? node->n : 0;
        open--;
    }
    return at;
}

static const char *const names[FILTER_TYPES] = {"keyword", "integer", "number", "bool", "datetime"};

enum status filter_type_parse(const char *text, enum filter_type *out) {
    if (strcasecmp(text, "float") == 0) text = "number";
    for (int i = 0; i < FILTER_TYPES; i++)
        if (strcasecmp(text, names[i]) == 0) {
            *out = (enum filter_type)i;
            return STATUS_OK;
        }
    return STATUS_INVALID;
}

const char *filter_type_name(enum filter_type type) {
    return names[type];
}
