/* screen: cells and nothing else. */
#include "cli/console/screen.h"

#include <stdio.h>
#include <string.h>

#include "cli/console/rune.h"
#include "runtime/memory.h"

enum { FORMAT_MAX = 1024 };

enum status screen_init(struct screen *screen, int width, int height) {
    *screen = (struct screen){
        .width = width < 1                  ? 1
                 : width > SCREEN_WIDTH_MAX ? SCREEN_WIDTH_MAX
                                            : width,
        .height = height < 1                   ? 1
                  : height > SCREEN_HEIGHT_MAX ? SCREEN_HEIGHT_MAX
                                               : height,
    };
    screen->cells = mem_zero((size_t)screen->width * (size_t)screen->height, sizeof(struct cell));
    if (!screen->cells) return STATUS_NO_MEMORY;
    screen_clear(screen);
    return STATUS_OK;
}

void screen_free(struct screen *screen) {
    mem_free(screen->cells);
    screen->cells = NULL;
}

void screen_clear(struct screen *screen) {
    size_t n = (size_t)screen->width * (size_t)screen->height;
    for (size_t i = 0; i < n; i++)
        screen->cells[i] = (struct cell){' ', STYLE_PLAIN, false};
    screen->clip = screen_area(screen);
    screen->n_hits = 0;
}

struct area screen_area(const struct screen *screen) {
    return (struct area){0, 0, screen->height, screen->width};
}

struct area screen_clip(struct screen *screen, struct area area) {
    struct area before = screen->clip;
    int bottom = area.row + area.height, right = area.column + area.width;
    if (area.row < 0) area.row = 0;
    if (area.column < 0) area.column = 0;
    if (bottom > screen->height) bottom = screen->height;
    if (right > screen->width) right = screen->width;
    area.height = bottom > area.row ? bottom - area.row : 0;
    area.width = right > area.column ? right - area.column : 0;
    screen->clip = area;
    return before;
}

static struct cell *cell_at(struct screen *screen, int row, int column) {
    const struct area *clip = &screen->clip;
    bool in = row >= clip->row && row < clip->row + clip->height && column >= clip->column &&
              column < clip->column + clip->width;
    return in ? &screen->cells[(size_t)row * (size_t)screen->width + (size_t)column] : NULL;
}

static void put_rune(struct screen *screen, int row, int column, enum style style, uint32_t rune) {
    struct cell *cell = cell_at(screen, row, column);
    if (!cell) return;
    if (screen->ascii && rune) rune = (uint32_t)rune_ascii(rune);
    *cell = (struct cell){rune, (uint8_t)style, cell->picked};
}

void screen_rune(struct screen *screen, int row, int column, enum style style, uint32_t rune) {
    put_rune(screen, row, column, style, rune);
}

/* A wide rune whose right half is outside becomes a blank. */
static int put_wide(struct screen *screen, int row, int column, enum style style, uint32_t rune) {
    bool whole = cell_at(screen, row, column) && cell_at(screen, row, column + 1);
    if (screen->ascii) {
        put_rune(screen, row, column, style, '?');
        put_rune(screen, row, column + 1, style, ' ');
        return 2;
    }
    put_rune(screen, row, column, style, whole ? rune : ' ');
    put_rune(screen, row, column + 1, style, 0);
    return 2;
}

int screen_put(struct screen *screen, int row, int column, enum style style, const char *text) {
    int at = column;
    uint32_t rune;
    while ((rune = rune_next(&text)) != 0) {
        if (rune_width(rune) == 2) {
            at += put_wide(screen, row, at, style, rune);
            continue;
        }
        put_rune(screen, row, at++, style, rune);
    }
    return at - column;
}

int screen_format(
    struct screen *screen, int row, int column, enum style style, const char *format, ...) {
    char text[FORMAT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return screen_put(screen, row, column, style, text);
}

int screen_columns(const char *text) {
    int n = 0;
    uint32_t rune;
    while ((rune = rune_next(&text)) != 0)
        n += (int)rune_width(rune);
    return n;
}

/* Draws within [column, column + width) only. */
static void
put_within(struct screen *screen, const struct field *field, int shift, const char *text) {
    struct area clip = screen->clip;
    int left = field->column > clip.column ? field->column : clip.column;
    int right = clip.column + clip.width, end = field->column + field->width;
    if (end > right) end = right;
    screen_clip(screen, (struct area){clip.row, left, clip.height, end - left});
    screen_put(screen, field->row, field->column + shift, field->style, text);
    screen_clip(screen, clip);
}

void screen_field(struct screen *screen, const struct field *field, const char *text) {
    int columns = screen_columns(text), width = field->width;
    for (int i = 0; i < width; i++)
        put_rune(screen, field->row, field->column + i, field->style, ' ');
    if (width <= 0) return;
    if (columns <= width) {
        put_within(screen, field, field->right ? width - columns : 0, text);
        return;
    }
    struct field head = *field, tail = *field;
    tail.width = field->middle ? (width - 1) / 2 : 0;
    head.width = width - 1 - tail.width;
    tail.column += width - tail.width;
    put_within(screen, &head, 0, text);
    put_rune(screen, field->row, field->column + head.width, field->style, 0x2026);
    put_within(screen, &tail, tail.width - columns, text);
}

void screen_copy(struct screen *screen, int row, int column, struct cell cell) {
    struct cell *at = cell_at(screen, row, column);
    if (at) *at = cell;
}

void screen_pick(struct screen *screen, struct area area) {
    for (int row = area.row; row < area.row + area.height; row++)
        for (int column = area.column; column < area.column + area.width; column++) {
            struct cell *cell = cell_at(screen, row, column);
            if (cell) cell->picked = true;
        }
}

void screen_hit(struct screen *screen, struct area area, enum hit_kind kind, uint64_t value) {
    if (screen->n_hits < SCREEN_HITS_MAX)
        screen->hits[screen->n_hits++] = (struct hit){area, kind, value};
}

const struct hit *screen_hit_at(const struct screen *screen, int row, int column) {
    for (size_t i = screen->n_hits; i > 0; i--) {
        const struct area *a = &screen->hits[i - 1].area;
        if (row >= a->row && row < a->row + a->height && column >= a->column &&
            column < a->column + a->width)
            return &screen->hits[i - 1];
    }
    return NULL;
}

static int used(const struct cell *line, int width) {
    while (width > 0 && line[width - 1].rune == ' ')
        width--;
    return width;
}

void screen_text(const struct screen *screen, struct buffer *out) {
    int height = screen->height;
    while (height > 0 &&
           used(&screen->cells[(size_t)(height - 1) * (size_t)screen->width], screen->width) == 0)
        height--;
    for (int row = 0; row < height; row++) {
        const struct cell *line = &screen->cells[(size_t)row * (size_t)screen->width];
        int width = used(line, screen->width);
        for (int i = 0; i < width; i++) {
            char bytes[RUNE_BYTES_MAX];
            if (line[i].rune) buffer_append(out, bytes, rune_encode(line[i].rune, bytes));
        }
        buffer_append(out, "\n", 1);
    }
}
