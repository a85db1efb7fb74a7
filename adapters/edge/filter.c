/* filter: what is set in a Filter becomes nodes one behind the other, below an ALL when there are
 * several. Where in the filter something is wrong is said as a path: filter.all[2].number.gte. */
#include "adapters/edge/filter.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/filter.h"
#include "runtime/text.h"

#include "runtime/poison.h"

enum { PATH_MAX_BYTES = 160, SHOWN_BYTES = 64 };

struct translation {
    struct arena *arena;
    struct check *check;
    struct filter_nodes *out;
    char path[PATH_MAX_BYTES]; /* within the words */
    size_t path_size;
    size_t n_values;
    size_t n_bytes;
};

MUST_USE static enum status refuse(struct translation *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum status refuse(struct translation *self, const char *format, ...) {
    char *words = self->check->words;
    va_list args;
    memcpy(words, self->path, self->path_size);
    va_start(args, format);
    vsnprintf(words + self->path_size, CHECK_WORDS_MAX - self->path_size, format, args);
    va_end(args);
    return STATUS_INVALID;
}

static int shown(const char *text) {
    size_t size = strnlen(text, SHOWN_BYTES + 1);
    return (int)(size > SHOWN_BYTES ? text_cut(text, SHOWN_BYTES) : size);
}

/* Goes down to a member; returns the way back. */
static size_t enter(struct translation *self, const char *member, size_t index) {
    size_t before = self->path_size;
    char *at = self->path + before;
    size_t room = sizeof self->path - before;
    int n = index == SIZE_MAX ? snprintf(at, room, ".%s", member)
                              : snprintf(at, room, ".%s[%zu]", member, index);
    self->path_size = (size_t)n < room ? before + (size_t)n : sizeof self->path - 1;
    return before;
}

static void leave(struct translation *self, size_t before) {
    self->path_size = before;
    self->path[before] = '\0';
}

/* NULL: too many, or no memory. */
static FilterNode *
add_node(struct translation *self, enum filter_op op, const Vectron__V1__Filter *of) {
    if (self->out->n == FILTER_NODES_MAX) return NULL;
    FilterNode *node = arena_alloc(self->arena, sizeof *node);
    if (!node) return NULL;
    filter_node__init(node);
    node->op = (uint32_t)op;
    if (of) node->key = of->key;
    self->out->nodes[self->out->n++] = node;
    return node;
}

static enum status no_node(struct translation *self) {
    if (self->out->n < FILTER_NODES_MAX) return STATUS_NO_MEMORY;
    return refuse(self,
                  ": the filter has more than %d filters and conditions; use any_of for many "
                  "values of one key",
                  FILTER_NODES_MAX);
}

static enum status count_values(struct translation *self, size_t n) {
    self->n_values += n;
    if (self->n_values <= FILTER_VALUES_MAX) return STATUS_OK;
    return refuse(self, ": more than %d values in a filter; ask in several searches",
                  FILTER_VALUES_MAX);
}

static enum status count_bytes(struct translation *self, const char *text) {
    self->n_bytes += strlen(text);
    if (self->n_bytes <= FILTER_BYTES_MAX) return STATUS_OK;
    return refuse(self, ": keys and values of the filter are above %d bytes", FILTER_BYTES_MAX);
}

/* --- values ---------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_values(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static enum status add_keyword(struct translation *self, const Vectron__V1__Filter *filter) {
    const Vectron__V1__KeywordCondition *keyword = filter->keyword;
    bool prefix = keyword->prefix[0] != '\0';
    if (prefix && keyword->n_any_of) return refuse(self, ": give any_of or prefix, not both");
    if (!prefix && !keyword->n_any_of) return refuse(self, ": give any_of or prefix");
    FilterNode *node = add_node(self, prefix ? FILTER_PREFIX : FILTER_IN, filter);
    if (!node) return no_node(self);
    size_t n = prefix ? 1 : keyword->n_any_of;
    enum status s = count_values(self, n);
    if (s != STATUS_OK) return s;
    node->type = FILTER_KEYWORD;
    node->texts = arena_alloc(self->arena, n * sizeof *node->texts);
    if (!node->texts) return STATUS_NO_MEMORY;
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        node->texts[i] = prefix ? keyword->prefix : keyword->any_of[i];
        s = count_bytes(self, node->texts[i]);
    }
    if (s != STATUS_OK) return s;
    qsort(node->texts, n, sizeof *node->texts, compare_texts);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(node->texts[i], node->texts[node->n_texts - 1]) != 0)
            node->texts[node->n_texts++] = node->texts[i];
    return STATUS_OK;
}

/* A condition on values that sort: any_of, or bounds. */
struct bounds {
    enum filter_type type;
    size_t n;
    bool above, below;           /* there is a lower, an upper bound … */
    bool above_open, below_open; /* … that is not included */
};

typedef enum status (*value_fn)(struct translation *self,
                                const void *condition,
                                size_t i,
                                uint64_t *out);
enum { LOWER = -1, UPPER = -2 }; /* as i, cast: the bounds */

static enum status add_any_of(struct translation *self,
                              const void *condition,
                              const struct bounds *bounds,
                              value_fn value,
                              FilterNode *node) {
    enum status s = count_values(self, bounds->n);
    if (s != STATUS_OK) return s;
    node->values = arena_alloc(self->arena, bounds->n * sizeof *node->values);
    if (!node->values) return STATUS_NO_MEMORY;
    for (size_t i = 0; s == STATUS_OK && i < bounds->n; i++) {
        size_t back = enter(self, "any_of", i);
        s = value(self, condition, i, &node->values[i]);
        if (s == STATUS_OK) leave(self, back);
    }
    if (s != STATUS_OK) return s;
    qsort(node->values, bounds->n, sizeof *node->values, compare_values);
    for (size_t i = 0; i < bounds->n; i++)
        if (i == 0 || node->values[i] != node->values[node->n_values - 1])
            node->values[node->n_values++] = node->values[i];
    return STATUS_OK;
}

static enum status add_range(struct translation *self,
                             const void *condition,
                             const struct bounds *bounds,
                             value_fn value,
                             FilterNode *node) {
    uint64_t low = FILTER_LOWEST, high = FILTER_HIGHEST;
    enum status s = STATUS_OK;
    if (bounds->above) {
        size_t back = enter(self, bounds->above_open ? "gt" : "gte", SIZE_MAX);
        s = value(self, condition, (size_t)LOWER, &low);
        if (s != STATUS_OK) return s;
        leave(self, back);
    }
    if (bounds->below) {
        size_t back = enter(self, bounds->below_open ? "lt" : "lte", SIZE_MAX);
        s = value(self, condition, (size_t)UPPER, &high);
        if (s != STATUS_OK) return s;
        leave(self, back);
    }
    bool none = (bounds->above_open && low == FILTER_HIGHEST) || (bounds->below_open && high == 0);
    node->low = none ? 1 : low + bounds->above_open;
    node->high = none ? 0 : high - bounds->below_open;
    return s;
}

static enum status add_sorting(struct translation *self,
                               const Vectron__V1__Filter *filter,
                               const struct bounds *bounds,
                               value_fn value) {
    bool range = bounds->above || bounds->below;
    if (range && bounds->n) return refuse(self, ": give any_of or bounds, not both");
    if (!range && !bounds->n) return refuse(self, ": give any_of, or gt, gte, lt, lte");
    FilterNode *node = add_node(self, range ? FILTER_RANGE : FILTER_IN, filter);
    if (!node) return no_node(self);
    node->type = (uint32_t)bounds->type;
    /* The conditions are members of one union. */
    const void *condition = filter->integer;
    return range ? add_range(self, condition, bounds, value, node)
                 : add_any_of(self, condition, bounds, value, node);
}

#define BOUNDS(Type, filter_type_, from) \
    (struct bounds) { \
        .type = (filter_type_), .n = (from)->n_any_of, .above = (from)->lower_case != 0, \
        .below = (from)->upper_case != 0, \
        .above_open = (from)->lower_case == VECTRON__V1__##Type##__LOWER_GT, \
        .below_open = (from)->upper_case == VECTRON__V1__##Type##__UPPER_LT, \
    }

static enum status
integer_value(struct translation *self, const void *condition, size_t i, uint64_t *out) {
    const Vectron__V1__IntegerCondition *from = condition;
    (void)self;
    int64_t value = i == (size_t)LOWER ? from->gt : i == (size_t)UPPER ? from->lt : from->any_of[i];
    *out = filter_integer(value);
    return STATUS_OK;
}

static enum status
number_value(struct translation *self, const void *condition, size_t i, uint64_t *out) {
    const Vectron__V1__NumberCondition *from = condition;
    double value = i == (size_t)LOWER ? from->gt : i == (size_t)UPPER ? from->lt : from->any_of[i];
    if (isnan(value)) return refuse(self, " is NaN: nothing compares with it");
    *out = filter_number(value);
    return STATUS_OK;
}

static enum status
datetime_value(struct translation *self, const void *condition, size_t i, uint64_t *out) {
    const Vectron__V1__DatetimeCondition *from = condition;
    const char *value = i == (size_t)LOWER   ? from->gt
                        : i == (size_t)UPPER ? from->lt
                                             : from->any_of[i];
    if (filter_read(FILTER_DATETIME, value, strlen(value), out)) return STATUS_OK;
    return refuse(self, " \"%.*s\" is not a date-time of RFC 3339, like 2024-05-01T12:00:00Z",
                  shown(value), value);
}

static enum status add_boolean(struct translation *self, const Vectron__V1__Filter *filter) {
    FilterNode *node = add_node(self, FILTER_IN, filter);
    if (!node) return no_node(self);
    node->type = FILTER_BOOL;
    node->values = arena_alloc(self->arena, sizeof *node->values);
    if (!node->values) return STATUS_NO_MEMORY;
    node->values[node->n_values++] = filter_bool(filter->boolean);
    return STATUS_OK;
}

static enum status add_exists(struct translation *self, const Vectron__V1__Filter *filter) {
    FilterNode *none = filter->exists ? NULL : add_node(self, FILTER_NONE, NULL);
    if (none) none->n = 1;
    if (!filter->exists && !none) return no_node(self);
    return add_node(self, FILTER_EXISTS, filter) ? STATUS_OK : no_node(self);
}

/* --- conditions ------------------------------------------------------------------------------ */

static enum status
add_condition(struct translation *self, const Vectron__V1__Filter *filter, const char **name) {
    switch (filter->condition_case) {
    case VECTRON__V1__FILTER__CONDITION_KEYWORD:
        *name = "keyword";
        (void)enter(self, *name, SIZE_MAX);
        return add_keyword(self, filter);
    case VECTRON__V1__FILTER__CONDITION_INTEGER:
        *name = "integer";
        (void)enter(self, *name, SIZE_MAX);
        return add_sorting(self, filter,
                           &BOUNDS(INTEGER_CONDITION, FILTER_INTEGER, filter->integer),
                           integer_value);
    case VECTRON__V1__FILTER__CONDITION_NUMBER:
        *name = "number";
        (void)enter(self, *name, SIZE_MAX);
        return add_sorting(self, filter, &BOUNDS(NUMBER_CONDITION, FILTER_NUMBER, filter->number),
                           number_value);
    case VECTRON__V1__FILTER__CONDITION_DATETIME:
        *name = "datetime";
        (void)enter(self, *name, SIZE_MAX);
        return add_sorting(self, filter,
                           &BOUNDS(DATETIME_CONDITION, FILTER_DATETIME, filter->datetime),
                           datetime_value);
    case VECTRON__V1__FILTER__CONDITION_BOOLEAN:
        return add_boolean(self, filter);
    case VECTRON__V1__FILTER__CONDITION_EXISTS:
        return add_exists(self, filter);
    default:
        return refuse(self,
                      ": nothing is asked about key \"%.*s\": set keyword, integer, number, "
                      "datetime, boolean or exists",
                      shown(filter->key), filter->key);
    }
}

static enum status add_leaf(struct translation *self, const Vectron__V1__Filter *filter) {
    size_t back = self->path_size, size = strlen(filter->key);
    const char *name = "";
    if (size == 0) return refuse(self, ".key is empty: name the payload key of the condition");
    if (size > FILTER_KEY_MAX)
        return refuse(self, ".key of %zu bytes is above the limit of %d bytes", size,
                      FILTER_KEY_MAX);
    enum status s = count_bytes(self, filter->key);
    if (s == STATUS_OK) s = add_condition(self, filter, &name);
    if (s == STATUS_OK) leave(self, back);
    return s;
}

static enum status
add_filter(struct translation *self, const Vectron__V1__Filter *filter, unsigned level);

static enum status add_list(struct translation *self,
                            const char *name,
                            Vectron__V1__Filter *const *list,
                            size_t n,
                            unsigned level) {
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        size_t back = enter(self, name, i);
        s = add_filter(self, list[i], level + 1);
        if (s == STATUS_OK) leave(self, back);
    }
    return s;
}

static enum status add_group(struct translation *self, enum filter_op op, size_t n) {
    FilterNode *node = n > FILTER_NODES_MAX ? NULL : add_node(self, op, NULL);
    if (!node && n > FILTER_NODES_MAX) self->out->n = FILTER_NODES_MAX; /* for the words */
    if (!node) return no_node(self);
    node->n = (uint32_t)n;
    return STATUS_OK;
}

static enum status
add_filter(struct translation *self, const Vectron__V1__Filter *filter, unsigned level) {
    bool leaf = filter->condition_case != 0 || filter->key[0] != '\0';
    size_t parts = filter->n_all + (filter->n_any > 0) + (filter->n_none > 0) + leaf;
    if (level >= CHECK_FILTER_LEVELS)
        return refuse(self, ": filters are nested more than %d levels deep", CHECK_FILTER_LEVELS);
    enum status s = parts == 1 ? STATUS_OK : add_group(self, FILTER_ALL, parts);
    if (s == STATUS_OK) s = add_list(self, "all", filter->all, filter->n_all, level);
    if (s == STATUS_OK && filter->n_any > 0) {
        s = add_group(self, FILTER_ANY, filter->n_any);
        if (s == STATUS_OK) s = add_list(self, "any", filter->any, filter->n_any, level);
    }
    if (s == STATUS_OK && filter->n_none > 0) {
        s = add_group(self, FILTER_NONE, filter->n_none);
        if (s == STATUS_OK) s = add_list(self, "none", filter->none, filter->n_none, level);
    }
    return s == STATUS_OK && leaf ? add_leaf(self, filter) : s;
}

enum status filter_translate(const Vectron__V1__Filter *filter,
                             struct arena *arena,
                             struct filter_nodes *out,
                             struct check *check) {
    struct translation self = {.arena = arena, .check = check, .out = out, .path = "filter"};
    self.path_size = strlen(self.path);
    *out = (struct filter_nodes){.n = 0};
    if (!filter) return STATUS_OK;
    out->nodes = arena_alloc(arena, FILTER_NODES_MAX * sizeof *out->nodes);
    if (!out->nodes) return STATUS_NO_MEMORY;
    enum status s = add_filter(&self, filter, 0);
    bool everything = s == STATUS_OK && out->n == 1 && out->nodes[0]->op == FILTER_ALL;
    if (everything) out->n = 0;
    return s;
}

/* --- payload indexes ------------------------------------------------------------------------- */

static enum status fail_index(struct check *check, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status fail_index(struct check *check, const char *place, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = snprintf(check->words, sizeof check->words, "%s", place);
    vsnprintf(check->words + n, sizeof check->words - (size_t)n, format, args);
    va_end(args);
    return STATUS_INVALID;
}

enum status filter_column(const Vectron__V1__PayloadIndex *index,
                          const char *place,
                          struct arena *arena,
                          PayloadColumn **out,
                          struct check *check) {
    size_t size = index ? strlen(index->key) : 0;
    if (!index) return fail_index(check, place, " is missing: give its key and type");
    if (size < 1 || size > CHECK_INDEX_KEY_MAX)
        return fail_index(check, place, ".key has %zu bytes, not 1 to %d", size,
                          CHECK_INDEX_KEY_MAX);
    if ((unsigned)index->type >= FILTER_TYPES)
        return fail_index(check, place,
                          ".type %d is unknown: use PAYLOAD_KEYWORD, _INTEGER, _NUMBER, _BOOL or "
                          "_DATETIME",
                          (int)index->type);
    PayloadColumn *column = *out = arena_alloc(arena, sizeof *column);
    if (!column) return STATUS_NO_MEMORY;
    payload_column__init(column);
    column->key = index->key;
    column->type = (uint32_t)index->type; /* the same numbers */
    return STATUS_OK;
}

enum status filter_columns(const Vectron__V1__CreateCollectionRequest *request,
                           struct arena *arena,
                           struct filter_columns *out,
                           struct check *check) {
    size_t n = request->n_payload_indexes;
    char place[64];
    snprintf(place, sizeof place, "payload_indexes[%d]", CHECK_INDEXES_MAX);
    if (n > CHECK_INDEXES_MAX)
        return fail_index(check, place, " is above the limit of %d payload indexes",
                          CHECK_INDEXES_MAX);
    out->n = n;
    out->columns = arena_alloc(arena, n * sizeof *out->columns);
    if (!out->columns) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        snprintf(place, sizeof place, "payload_indexes[%zu]", i);
        enum status s =
            filter_column(request->payload_indexes[i], place, arena, &out->columns[i], check);
        if (s != STATUS_OK) return s;
        for (size_t j = 0; j < i; j++)
            if (out->columns[j]->type == out->columns[i]->type &&
                strcmp(out->columns[j]->key, out->columns[i]->key) == 0)
                return fail_index(check, place, " is the same as payload_indexes[%zu]", j);
    }
    return STATUS_OK;
}
