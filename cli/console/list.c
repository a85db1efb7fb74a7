/* list: columns get their least width, by rank as far as the room goes; then the texts grow. */
#include "cli/console/list.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "adapters/edge/json.h"
#include "cli/console/draw.h"
#include "cli/console/units.h"
#include "runtime/assert.h"

enum { GAP = 1, FIRST_ROWS = 64, TEXT_MAX = 512 };

void list_init(struct list *list, const char *name, const struct column *columns) {
    *list = (struct list){0};
    arena_init(&list->arena, 0);
    list_reset(list, name, columns);
}

void list_free(struct list *list) {
    arena_free(&list->arena);
}

void list_reset(struct list *list, const char *name, const struct column *columns) {
    arena_reset(&list->arena);
    list->name = name;
    list->columns = columns;
    list->rows = NULL;
    list->n_rows = list->capacity = list->n_columns = 0;
    while (columns[list->n_columns].key)
        list->n_columns++;
    assert(list->n_columns <= LIST_COLUMNS_MAX);
}

struct list_row *list_add(struct list *list, uint64_t id, const void *about) {
    if (list->n_rows == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : FIRST_ROWS;
        if (list->n_rows >= LIST_ROWS_MAX) return NULL;
        struct list_row *rows = arena_alloc(&list->arena, capacity * sizeof *rows);
        if (!rows) return NULL;
        if (list->n_rows) memcpy(rows, list->rows, list->n_rows * sizeof *rows);
        list->rows = rows;
        list->capacity = capacity;
    }
    struct list_row *row = &list->rows[list->n_rows++];
    memset(row, 0, sizeof *row);
    row->id = id;
    row->about = about;
    for (size_t i = 0; i < list->n_columns; i++)
        row->values[i].none = true;
    return row;
}

static struct value *value_of(struct list *list, struct list_row *row, const char *key) {
    for (size_t i = 0; i < list->n_columns; i++)
        if (list->columns[i].key == key || strcmp(list->columns[i].key, key) == 0) {
            row->values[i].none = false;
            return &row->values[i];
        }
    assert(!"a list has the columns that are set");
    return &row->values[0];
}

void list_text(struct list *list, struct list_row *row, const char *key, const char *text) {
    if (row) value_of(list, row, key)->text = text ? text : "";
}

void list_format(
    struct list *list, struct list_row *row, const char *key, const char *format, ...) {
    if (!row) return;
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t size = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    char *copy = arena_alloc(&list->arena, size + 1);
    if (copy) memcpy(copy, text, size + 1);
    value_of(list, row, key)->text = copy ? copy : "";
}

void list_number(struct list *list, struct list_row *row, const char *key, double number) {
    if (row) value_of(list, row, key)->number = number;
}

void list_id(struct list *list, struct list_row *row, const char *key, uint64_t id) {
    if (row) value_of(list, row, key)->id = id;
}

void list_style(struct list *list, struct list_row *row, const char *key, enum style style) {
    if (!row) return;
    for (size_t i = 0; i < list->n_columns; i++)
        if (strcmp(list->columns[i].key, key) == 0) row->values[i].style = style;
}

bool list_is_text(enum value_kind kind) {
    return kind == VALUE_TEXT || kind == VALUE_NAME;
}

/* --- order and filter --- */

struct order {
    size_t column;
    enum value_kind kind;
    bool descending;
};

static int compare(const struct list_row *a, const struct list_row *b, const struct order *order) {
    const struct value *x = &a->values[order->column], *y = &b->values[order->column];
    if (x->none != y->none) return x->none ? 1 : -1; /* unknown last, either way */
    int sign = order->descending ? -1 : 1;
    if (list_is_text(order->kind))
        return sign * strverscmp(x->text ? x->text : "", y->text ? y->text : "");
    if (order->kind == VALUE_ID) return sign * (x->id < y->id ? -1 : x->id > y->id);
    return sign * (x->number < y->number ? -1 : x->number > y->number);
}

static void
merge(struct list_row **rows, struct list_row **room, size_t n, const struct order *order) {
    if (n < 2) return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    merge(rows, room, half, order);
    merge(rows + half, room, n - half, order);
    while (i < half && j < n)
        room[k++] = compare(rows[j], rows[i], order) < 0 ? rows[j++] : rows[i++];
    while (i < half)
        room[k++] = rows[i++];
    while (j < n)
        room[k++] = rows[j++];
    memcpy(rows, room, n * sizeof *rows);
}

void list_sort(struct list *list, size_t column, bool descending) {
    if (column >= list->n_columns || list->n_rows < 2) return;
    struct order order = {column, list->columns[column].kind, descending};
    size_t n = list->n_rows;
    struct list_row **rows = arena_alloc(&list->arena, 2 * n * sizeof *rows);
    struct list_row *sorted = arena_alloc(&list->arena, n * sizeof *sorted);
    if (!rows || !sorted) return;
    for (size_t i = 0; i < n; i++)
        rows[i] = &list->rows[i];
    merge(rows, rows + n, n, &order);
    for (size_t i = 0; i < n; i++)
        sorted[i] = *rows[i];
    list->rows = sorted;
    list->capacity = n;
}

void list_filter(struct list *list, const char *words) {
    if (!*words) return;
    size_t kept = 0;
    for (size_t i = 0; i < list->n_rows; i++) {
        bool found = false;
        for (size_t c = 0; c < list->n_columns && !found; c++) {
            const struct value *value = &list->rows[i].values[c];
            found = list_is_text(list->columns[c].kind) && value->text &&
                    strcasestr(value->text, words);
        }
        if (found) list->rows[kept++] = list->rows[i];
    }
    list->n_rows = kept;
}

/* --- drawing --- */

struct layout {
    size_t columns[LIST_COLUMNS_MAX];
    int widths[LIST_COLUMNS_MAX];
    size_t n;
};

static int rank_that_fits(const struct list *list, int width) {
    int highest = 0;
    for (size_t i = 0; i < list->n_columns; i++)
        if (list->columns[i].rank > highest) highest = list->columns[i].rank;
    for (int rank = highest; rank > 0; rank--) {
        int needed = 0;
        for (size_t i = 0; i < list->n_columns; i++) {
            const struct column *column = &list->columns[i];
            if (column->rank >= 0 && column->rank <= rank) needed += column->least + GAP;
        }
        if (needed <= width) return rank;
    }
    return 0;
}

static void lay_out(const struct list *list, int width, struct layout *out) {
    int rank = rank_that_fits(list, width), left = width;
    out->n = 0;
    for (size_t i = 0; i < list->n_columns; i++) {
        const struct column *column = &list->columns[i];
        if (column->rank < 0 || column->rank > rank) continue;
        out->columns[out->n] = i;
        out->widths[out->n++] = column->least;
        left -= column->least + GAP;
    }
    /* By turns, so that two texts share what there is. */
    for (bool grew = true; left > 0 && grew;) {
        grew = false;
        for (size_t i = 0; i < out->n && left > 0; i++) {
            if (out->widths[i] >= list->columns[out->columns[i]].most) continue;
            out->widths[i]++;
            left--;
            grew = true;
        }
    }
}

static const char *
value_text(const struct column *column, const struct value *value, char out[UNITS_MAX]) {
    if (value->none) return "-";
    switch (column->kind) {
    case VALUE_TEXT:
    case VALUE_NAME:
        return value->text ? value->text : "";
    case VALUE_COUNT:
    case VALUE_RATE:
        return units_count(out, value->number);
    case VALUE_BYTES:
        return units_bytes(out, value->number);
    case VALUE_US:
        return units_us(out, value->number);
    case VALUE_SHARE:
    case VALUE_BAR:
        return units_share(out, value->number);
    case VALUE_CLOCK:
        return value->number > 0 ? units_clock(out, (uint64_t)value->number) : "-";
    case VALUE_ID:
        snprintf(out, UNITS_MAX, "%" PRIu64, value->id);
        return out;
    case VALUE_FLAG:
        return value->number != 0 ? "yes" : "";
    }
    return "";
}

static bool flush_right(enum value_kind kind) {
    return !list_is_text(kind) && kind != VALUE_BAR && kind != VALUE_FLAG && kind != VALUE_CLOCK;
}

static enum style value_style(const struct column *column, const struct value *value) {
    if (value->style != STYLE_PLAIN) return value->style;
    bool nothing = value->none ||
                   (!list_is_text(column->kind) && column->kind != VALUE_ID && value->number == 0);
    return nothing ? STYLE_DIM : STYLE_PLAIN;
}

static void draw_value(struct screen *screen,
                       struct field field,
                       const struct column *column,
                       const struct value *value) {
    char room[UNITS_MAX];
    if (column->kind == VALUE_BAR && !value->none) {
        enum style heat = value->style != STYLE_PLAIN ? value->style : draw_heat(value->number);
        int bar = field.width - 5;
        if (bar > 0)
            draw_bar(screen, &(struct bar){field.row, field.column, bar, value->number, heat});
        field.column += bar > 0 ? bar : 0;
        field.width -= bar > 0 ? bar : 0;
        field.right = true;
    }
    field.style = value_style(column, value);
    field.middle = column->kind == VALUE_NAME;
    screen_field(screen, &field, value_text(column, value, room));
}

static void draw_head(const struct list *list,
                      struct screen *screen,
                      struct area area,
                      const struct layout *layout,
                      const struct list_state *state) {
    int at = area.column;
    for (size_t i = 0; i < layout->n; i++) {
        size_t index = layout->columns[i];
        const struct column *column = &list->columns[index];
        bool sorted = state->sort == index;
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "%s%s", column->head,
                 !sorted             ? ""
                 : state->descending ? "▾"
                                     : "▴");
        struct field field = {area.row, at, layout->widths[i], sorted ? STYLE_SORTED : STYLE_HEAD,
                              .right = flush_right(column->kind)};
        screen_field(screen, &field, text);
        if (!state->still)
            screen_hit(screen, (struct area){area.row, at, 1, layout->widths[i]}, HIT_HEAD, index);
        at += layout->widths[i] + GAP;
    }
}

static size_t picked_index(const struct list *list, struct list_state *state) {
    for (size_t i = 0; i < list->n_rows; i++)
        if (list->rows[i].id == state->picked) return i;
    if (list->n_rows) state->picked = list->rows[0].id;
    return 0;
}

const struct list_row *list_picked(const struct list *list, struct list_state *state) {
    return list->n_rows ? &list->rows[picked_index(list, state)] : NULL;
}

void list_move(const struct list *list, struct list_state *state, int by) {
    if (!list->n_rows) return;
    int64_t to = (int64_t)picked_index(list, state) + by;
    if (to < 0) to = 0;
    if (to >= (int64_t)list->n_rows) to = (int64_t)list->n_rows - 1;
    state->picked = list->rows[to].id;
}

static void keep_in_sight(const struct list *list, struct list_state *state, size_t fit) {
    size_t picked = picked_index(list, state);
    if (!state->still && picked < state->top) state->top = picked;
    if (!state->still && fit > 0 && picked >= state->top + fit) state->top = picked - fit + 1;
    if (state->top + fit > list->n_rows) state->top = list->n_rows > fit ? list->n_rows - fit : 0;
}

static void draw_row(const struct list *list,
                     struct screen *screen,
                     struct area at,
                     const struct layout *layout,
                     const struct list_row *row) {
    int column = at.column;
    for (size_t i = 0; i < layout->n; i++) {
        struct field field = {at.row, column, layout->widths[i], STYLE_PLAIN,
                              .right = flush_right(list->columns[layout->columns[i]].kind)};
        int indent = i == 0 ? row->indent : 0;
        if (indent > field.width / 2) indent = field.width / 2;
        field.column += indent;
        field.width -= indent;
        draw_value(screen, field, &list->columns[layout->columns[i]],
                   &row->values[layout->columns[i]]);
        column += layout->widths[i] + GAP;
    }
}

int list_draw(const struct list *list,
              struct screen *screen,
              struct area area,
              struct list_state *state) {
    struct layout layout;
    struct area clip = screen_clip(screen, area);
    lay_out(list, area.width, &layout);
    draw_head(list, screen, area, &layout, state);
    int fit = area.height - 1;
    if (fit < 0) fit = 0;
    keep_in_sight(list, state, (size_t)fit);
    for (int i = 0; i < fit && state->top + (size_t)i < list->n_rows; i++) {
        const struct list_row *row = &list->rows[state->top + (size_t)i];
        struct area at = {area.row + 1 + i, area.column, 1, area.width};
        draw_row(list, screen, at, &layout, row);
        if (state->still) continue;
        if (row->id == state->picked) screen_pick(screen, at);
        screen_hit(screen, at, HIT_ROW, row->id);
    }
    screen_clip(screen, clip);
    return fit;
}

/* --- JSON --- */

static void json_value(const struct column *column, const struct value *value, struct buffer *out) {
    if (value->none)
        buffer_printf(out, "null");
    else if (list_is_text(column->kind))
        json_write_string(out, value->text ? value->text : "",
                          strlen(value->text ? value->text : ""));
    else if (column->kind == VALUE_ID)
        buffer_printf(out, "\"%" PRIu64 "\"", value->id);
    else if (column->kind == VALUE_FLAG)
        buffer_printf(out, "%s", value->number != 0 ? "true" : "false");
    else
        buffer_printf(out, "%.10g", isfinite(value->number) ? value->number : 0.0);
}

void list_json(const struct list *list, struct buffer *out) {
    buffer_printf(out, "[");
    for (size_t i = 0; i < list->n_rows; i++) {
        buffer_printf(out, i ? ",\n  {" : "\n  {");
        for (size_t c = 0; c < list->n_columns; c++) {
            buffer_printf(out, "%s\"%s\":", c ? "," : "", list->columns[c].key);
            json_value(&list->columns[c], &list->rows[i].values[c], out);
        }
        buffer_printf(out, "}");
    }
    buffer_printf(out, "]");
}
