/* console: what the person looks at: the timeline, the view, what is picked and typed. Keys change
 * it, views draw it; it knows neither terminal nor network, so tests and --once use it as it is.
 * One thread. */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "cli/console/list.h"
#include "cli/console/orders.h"
#include "cli/console/timeline.h"

struct console;

enum view_name {
    VIEW_CLUSTER, /* the first eight are tabs, in the order of the digits */
    VIEW_ACTORS,
    VIEW_LINKS,
    VIEW_WAITS,
    VIEW_LETTERS,
    VIEW_TRACES,
    VIEW_SHARDS,
    VIEW_ALARMS,
    VIEW_ACTOR, /* of one row */
    VIEW_TRACE,
    VIEW_HELP,
    VIEW_COUNT,
    VIEW_TABS = VIEW_ALARMS + 1,
};

/* Keys as the console knows them: ASCII, and these. */
enum key {
    KEY_NONE = 0,
    KEY_TAB = '\t',
    KEY_RETURN = '\n',
    KEY_ESCAPE = 27,
    KEY_RUB = 127,
    KEY_FIRST_SPECIAL = 0x110000,
    KEY_ARROW_UP,
    KEY_ARROW_DOWN,
    KEY_ARROW_LEFT,
    KEY_ARROW_RIGHT,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_TOP,
    KEY_BOTTOM,
    KEY_BACK_TAB,
};

enum { VIEW_LISTS_MAX = 6 };

/* A view: what it asks, its tables, and how it is drawn. The first table is the one rows are picked
 * of. Tables are what --json writes. */
struct view {
    const char *name;                       /* of the tab and the command line */
    uint32_t questions;                     /* bits */
    const char *hints;                      /* keys, "k word  k word" */
    const char *list_names[VIEW_LISTS_MAX]; /* NULL ends */
    const struct column *columns[VIEW_LISTS_MAX];
    void (*fill)(struct console *console, unsigned which, struct list *out);
    /* NULL: the first table as it is. console->list is filled. */
    void (*draw)(struct console *console, struct screen *screen, struct area area);
    /* Return on a row; NULL: nothing. */
    void (*open)(struct console *console, const struct list_row *row);
    /* True: it took the key. NULL: it has none of its own. */
    bool (*key)(struct console *console, int key);
    size_t sort; /* column at first; beyond the last: as filled */
    bool descending;
};
extern const struct view view_cluster, view_actors, view_links, view_waits, view_letters,
    view_traces, view_shards, view_alarms, view_actor, view_trace, view_help;
const struct view *view_of(enum view_name name);

enum prompt { PROMPT_NONE, PROMPT_SEARCH, PROMPT_CONFIRM };
enum { SEARCH_MAX = 64, NOTICE_MAX = 200, BACK_MAX = 8, PAGE_ROWS_MAX = 2048 };

/* What the console itself takes. */
struct cost {
    double cpu;        /* share of a core */
    double bytes;      /* of answers, a second */
    uint32_t every_ms; /* between questions */
    uint32_t least_ms; /* as asked for */
};

struct console {
    struct timeline timeline;
    enum view_name view;
    enum view_name back[BACK_MAX];
    size_t n_back;
    struct list list; /* the view's first, filtered and sorted, as last drawn */
    struct list_state states[VIEW_COUNT];
    int scroll[VIEW_COUNT]; /* of pages */
    int page_rows;          /* of the page as last drawn; 0: the view is a table */
    int room_rows;          /* rows of the view's area as last drawn */
    char search[SEARCH_MAX];
    enum prompt prompt;
    char asked[NOTICE_MAX]; /* words of PROMPT_CONFIRM */
    struct once once;       /* done on yes */
    char notice[NOTICE_MAX];
    uint64_t notice_ms; /* model time when it came */
    char actor[EVENT_KEY_MAX], actor_address[EVENT_ADDRESS_MAX];
    char trace[33];
    const char *only; /* address of the one process whose actors are shown; in only_room */
    char only_room[EVENT_ADDRESS_MAX];
    bool tree; /* of VIEW_ACTORS */

    bool newest, failed_only; /* of VIEW_TRACES */
    bool bodies;
    bool replay;  /* from a file: nothing comes in */
    bool playing; /* the file's time runs */
    bool quit;
    bool save; /* the person wants the history in a file */
    struct cost cost;
    /* Takes single orders; NULL: there is nobody to do them. */
    bool (*order)(void *context, const struct once *once);
    void *order_context;
};

MUST_USE enum status console_init(struct console *console, size_t history_bytes);
void console_free(struct console *console);

/* Takes the event; what came of an order is told. */
void console_take(struct console *console, struct event *event);
/* A recording that plays moves on by what passed. */
void console_play(struct console *console, uint64_t passed_ms);
/* The actor's page; address NULL: of whichever process has one of that name, once it is known. */
void console_show_actor(struct console *console, const char *address, const char *actor);
/* The waterfall of this trace, 32 hex digits. */
void console_show_trace(struct console *console, const char *trace);

/* The whole picture. */
void console_draw(struct console *console, struct screen *screen);
/* The view alone, as a page of its own: --once. */
void console_draw_view(struct console *console, struct screen *screen, struct area area);
/* {"view":…,"at_ms":…,table:[…],…} and a line end. */
void console_json(struct console *console, struct buffer *out);

void console_key(struct console *console, int key);
/* A click on what was drawn last. twice: on the same row again opens it. */
void console_click(struct console *console, const struct screen *screen, int row, int column);
void console_wheel(struct console *console, int rows);
/* What has to be asked for what is shown. */
void console_wanted(const struct console *console, struct wanted *out);

/* --- for views --- */
void console_go(struct console *console, enum view_name view);
void console_notice(struct console *console, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Asks yes or no before the order is given. */
void console_confirm(struct console *console, const struct once *once, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool console_give(struct console *console, const struct once *once);
/* Draws a page taller than the area: the function draws all of it on a screen of its own width and
 * returns the rows used; what the scroll shows is copied. */
void console_page(struct console *console,
                  struct screen *screen,
                  struct area area,
                  int (*draw)(struct console *console, struct screen *page));
/* Draws the table with the view's state. */
void console_table(struct console *console, struct screen *screen, struct area area);
/* A line for each process that did not answer this question well: why. Returns the rows used. */
int console_complain(struct console *console,
                     struct screen *screen,
                     struct area area,
                     enum question question);
/* An id for rows: of a process and a thing of it. */
uint64_t console_row_id(const struct process *process, uint64_t thing);
uint64_t console_hash(const char *text);
/* Ages now: model time. */
uint64_t console_now_ms(const struct console *console);
/* The process the view's pick or search belongs to. */
const struct process *console_process(const struct console *console, size_t nth);

#endif
