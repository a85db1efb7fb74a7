/* screen: a grid of cells that views draw into. The same drawing becomes ncurses output, the text
 * of
 * --once, and what tests compare. It holds only runes that rune_next let through, so nothing a
 * remote process says can steer the terminal. One thread. */
#ifndef CONSOLE_SCREEN_H
#define CONSOLE_SCREEN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/buffer.h"
#include "runtime/status.h"

enum { SCREEN_WIDTH_MAX = 512, SCREEN_HEIGHT_MAX = 4096 };

/* What a thing means; terminal.c knows how it looks. */
enum style {
    STYLE_PLAIN,
    STYLE_DIM,
    STYLE_BRIGHT,
    STYLE_ACCENT, /* names one can open, keys one can press */
    STYLE_TITLE,  /* of a panel */
    STYLE_HEAD,   /* of a column */
    STYLE_SORTED, /* the head of the column that orders */
    STYLE_BRAND,
    STYLE_TAB,
    STYLE_TAB_ON,
    STYLE_GOOD,
    STYLE_WARM,  /* look at it */
    STYLE_HOT,   /* act on it */
    STYLE_TRACK, /* the empty part of a bar */
    STYLE_COOL,  /* the other colour of drawings: time waiting beside time running */
    STYLE_ALARM, /* a banner */
    STYLE_BAR,   /* status lines */
    STYLE_COUNT,
};

struct cell {
    uint32_t rune; /* 0: the right half of a wide one */
    uint8_t style; /* enum style */
    bool picked;   /* on the ground of the picked row */
};

struct area {
    int row, column, height, width;
};

/* What a click there means: the key it stands for, or a thing with a number. */
enum hit_kind { HIT_KEY, HIT_ROW, HIT_HEAD };
struct hit {
    struct area area;
    enum hit_kind kind;
    uint64_t value;
};
enum { SCREEN_HITS_MAX = 512 };

struct screen {
    int width, height;
    bool ascii;         /* drawn with ASCII only */
    struct cell *cells; /* owned; height x width */
    struct area clip;   /* nothing is drawn outside */
    struct hit hits[SCREEN_HITS_MAX];
    size_t n_hits;
};

/* All blank. Sizes beyond the maxima are cut. NO_MEMORY. */
MUST_USE enum status screen_init(struct screen *screen, int width, int height);
void screen_free(struct screen *screen);
/* Blank again: cells, hits, clip. */
void screen_clear(struct screen *screen);

struct area screen_area(const struct screen *screen);
/* Draws only within; the clip before, to be set back. */
struct area screen_clip(struct screen *screen, struct area area);

/* Puts text from there on, made safe; returns the columns it took, also those outside the clip. */
int screen_put(struct screen *screen, int row, int column, enum style style, const char *text);
int screen_format(
    struct screen *screen, int row, int column, enum style style, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Exactly `width` columns: cut with … or filled with blanks; flush right when asked. */
struct field {
    int row, column, width;
    enum style style;
    bool right;
    bool middle; /* cut in the middle: names that differ at their ends */
};
void screen_field(struct screen *screen, const struct field *field, const char *text);
/* One of our own runes. */
void screen_rune(struct screen *screen, int row, int column, enum style style, uint32_t rune);
/* A cell of another screen. */
void screen_copy(struct screen *screen, int row, int column, struct cell cell);
/* Marks the row as picked, within the area's columns. */
void screen_pick(struct screen *screen, struct area area);
void screen_hit(struct screen *screen, struct area area, enum hit_kind kind, uint64_t value);
/* The topmost thing there; NULL: nothing. */
const struct hit *screen_hit_at(const struct screen *screen, int row, int column);

/* The grid as lines of UTF-8 (ASCII when so drawn), blanks at their ends cut, also empty lines at
 * the end. */
void screen_text(const struct screen *screen, struct buffer *out);

/* Columns a text takes. */
int screen_columns(const char *text);

#endif
