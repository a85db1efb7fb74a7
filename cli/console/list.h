/* list: rows of typed values under named columns. A view says what; the list sorts, filters, draws
 * itself as wide as there is room, and writes itself as JSON. One thread. */
#ifndef CONSOLE_LIST_H
#define CONSOLE_LIST_H

#include "cli/console/screen.h"
#include "runtime/arena.h"

enum { LIST_COLUMNS_MAX = 24, LIST_ROWS_MAX = 65536 };

enum value_kind {
    VALUE_TEXT,
    VALUE_NAME,  /* text that is cut in the middle */
    VALUE_COUNT, /* 12.3k */
    VALUE_RATE,  /* the same, a second */
    VALUE_BYTES,
    VALUE_US,    /* 1.2ms */
    VALUE_SHARE, /* 0 to 1: 43% */
    VALUE_BAR,   /* the same, drawn */
    VALUE_CLOCK, /* unix ms: 12:03:44 */
    VALUE_ID,    /* a number that is a name: written in full */
    VALUE_FLAG,  /* yes or nothing */
};

struct column {
    const char *key;  /* in JSON, with its unit: "busy_share" */
    const char *head; /* on the screen */
    enum value_kind kind;
    int least, most; /* columns wide; most 0: as least. Room that is left goes to the first that may
                        grow */
    int rank; /* 0: always there; the highest goes first where there is no room; < 0: JSON only */
};

struct value {
    double number;
    const char *text; /* of texts: borrowed or in the list's arena; NULL: empty */
    uint64_t id;      /* VALUE_ID */
    enum style style;
    bool none; /* not known: drawn as -, null in JSON */
};

struct list_row {
    struct value values[LIST_COLUMNS_MAX];
    const void *about; /* the view's */
    uint64_t id;       /* what is picked stays picked by it; unique in the list */
    int indent;        /* of the first column */
};

struct list {
    const char *name; /* in JSON */
    const struct column *columns;
    size_t n_columns;
    struct list_row *rows; /* in the arena */
    size_t n_rows, capacity;
    struct arena arena;
};

/* Its values are texts. */
bool list_is_text(enum value_kind kind);
/* columns end with a NULL key; borrowed. */
void list_init(struct list *list, const char *name, const struct column *columns);
void list_free(struct list *list);
/* Empty again, memory kept. */
void list_reset(struct list *list, const char *name, const struct column *columns);
/* A row of unknown values; NULL: no memory, or LIST_ROWS_MAX. */
struct list_row *list_add(struct list *list, uint64_t id, const void *about);
/* Set the value of the named column; an unknown column is a bug. */
void list_text(struct list *list, struct list_row *row, const char *key, const char *text);
void list_format(struct list *list, struct list_row *row, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void list_number(struct list *list, struct list_row *row, const char *key, double number);
void list_id(struct list *list, struct list_row *row, const char *key, uint64_t id);
void list_style(struct list *list, struct list_row *row, const char *key, enum style style);

/* Stable. A column beyond the last leaves the order as it is. */
void list_sort(struct list *list, size_t column, bool descending);
/* Keeps the rows with a text value that contains the words, letter case aside. */
void list_filter(struct list *list, const char *words);

/* What of it is shown. */
struct list_state {
    uint64_t picked; /* id */
    size_t top;      /* row drawn first */
    size_t sort;     /* column, for its mark; beyond the last: none */
    bool descending;
    bool still; /* nothing is picked, nothing can be clicked */
};
/* Head and rows; keeps the picked row in sight and corrects the state. Returns rows that fit. */
int list_draw(const struct list *list,
              struct screen *screen,
              struct area area,
              struct list_state *state);
/* The picked row; the first when what was picked is gone; NULL: there are none. */
const struct list_row *list_picked(const struct list *list, struct list_state *state);
/* Moves the pick by rows, cut at the ends. */
void list_move(const struct list *list, struct list_state *state, int by);

/* An array of objects, all columns. */
void list_json(const struct list *list, struct buffer *out);

#endif
