/* vectron flight: reads what a process wrote down when it crashed, or was asked by SIGUSR2. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/span_set.h"
#include "cli/table.h"
#include "runtime/flight.h"
#include "runtime/handle.h"
#include "runtime/memory.h"

enum { LAST_DEFAULT = 100, LAST_MAX = 10000000, NAME_ROOM = 256 };

static const struct args_flag flags[] = {
    {"actor", "NAME", "only turns of this actor, or of all whose names begin so: shard/*"},
    {"trace", "ID", "only turns of this trace"},
    {"last", "N", "the last so many turns (100)"},
    {"json", NULL, "the turns as JSON"},
    {0},
};

struct filter {
    const char *actor; /* NULL: all */
    bool by_trace;
    uint8_t trace[16];
};

/* One record and where it was. */
struct row {
    struct span_record record;
    uint32_t lane;
};

struct rows {
    struct row *rows; /* owned */
    size_t n, room;
    bool failed;
};

static bool name_passes(const char *pattern, const char *name) {
    size_t size = strlen(pattern);
    if (size > 0 && pattern[size - 1] == '*') return strncmp(name, pattern, size - 1) == 0;
    return strcmp(name, pattern) == 0;
}

static bool
passes(const struct flight *flight, const struct filter *filter, const struct span_record *record) {
    char name[NAME_ROOM];
    if (filter->by_trace && memcmp(record->trace, filter->trace, 16) != 0) return false;
    if (!filter->actor) return true;
    flight_actor_name(flight, record->slot, name, sizeof name);
    return name_passes(filter->actor, name);
}

static void add_row(struct rows *rows, const struct row *row) {
    if (rows->n == rows->room) {
        size_t room = rows->room ? rows->room * 2 : 1024;
        struct row *grown = mem_resize(rows->rows, room * sizeof *grown);
        if (!grown) {
            rows->failed = true;
            return;
        }
        rows->rows = grown;
        rows->room = room;
    }
    rows->rows[rows->n++] = *row;
}

static int by_time(const void *a, const void *b) {
    uint64_t x = ((const struct row *)a)->record.began_us;
    uint64_t y = ((const struct row *)b)->record.began_us;
    return (x > y) - (x < y);
}

/* What passes, by time, and of that the last. */
static void
collect(const struct flight *flight, const struct filter *filter, size_t last, struct rows *rows) {
    for (uint32_t lane = 0; lane < FLIGHT_LANES; lane++) {
        struct row row = {.lane = lane + 1};
        for (uint64_t i = 0; i < flight->lanes[lane].n; i++)
            if (flight_record(flight, lane, i, &row.record) && passes(flight, filter, &row.record))
                add_row(rows, &row);
    }
    if (rows->n) qsort(rows->rows, rows->n, sizeof *rows->rows, by_time);
    if (rows->n <= last) return;
    memmove(rows->rows, rows->rows + rows->n - last, last * sizeof *rows->rows);
    rows->n = last;
}

/* --- for people
 * ----------------------------------------------------------------------------------- */

static void print_head(const struct flight *flight) {
    const struct flight_header *header = &flight->header;
    char when[64];
    time_t seconds = (time_t)(header->wall_us / 1000000);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime(&seconds));
    printf("%s %s, pid %" PRIu32 ", %s", header->node, header->software, header->pid, when);
    if (header->signal)
        printf(", %s", strsignal((int)header->signal));
    else
        printf(", asked");
    if (header->lane) printf(" on lane %" PRIu32, header->lane);
    if (header->fault) printf(" at address 0x%" PRIx64, header->fault);
    printf("\nbuild ");
    for (uint32_t i = 0; i < header->build_id_size; i++)
        printf("%02x", header->build_id[i]);
    printf("%s\n", header->build_id_size ? "" : "unknown");
    if (flight->truncated) puts("the file ends early or is damaged: what follows is what is sound");
}

static void print_doing(const struct flight *flight) {
    for (uint32_t i = 0; i < flight->n_doing; i++) {
        const struct flight_doing *doing = &flight->doing[i];
        char name[NAME_ROOM], message[NAME_ROOM];
        uint64_t at = flight->header.at_us;
        flight_actor_name(flight, handle_slot(doing->actor), name, sizeof name);
        flight_op_name(flight, doing->op, message, sizeof message);
        printf("lane %" PRIu32 " was in %s, %s, since %" PRIu64 " us\n", doing->lane, name,
               *message ? message : "no message", at > doing->since_us ? at - doing->since_us : 0);
    }
    if (flight->header.signal == 0 || flight->n_stack == 0) return;
    printf("stack, for addr2line -e vectron:");
    for (uint32_t i = 0; i < flight->n_stack; i++)
        printf(" 0x%" PRIx64, flight->stack[i] - flight->base);
    putchar('\n');
}

static void put_from(struct table *table, const struct flight *flight, actor_handle from) {
    char name[NAME_ROOM];
    if (from == 0) return;
    flight_actor_name(flight, handle_slot(from), name, sizeof name);
    if (handle_peer(from))
        table_cell(table, 5, "peer %u slot %u", handle_peer(from), handle_slot(from));
    else
        table_cell(table, 5, "%s", name);
}

static void put_row(struct table *table, const struct flight *flight, const struct row *row) {
    const struct span_record *record = &row->record;
    ProtobufCBinaryData trace = {sizeof record->trace, (uint8_t *)record->trace};
    char text[NAME_ROOM], id[TRACE_TEXT_MAX];
    double before = ((double)record->began_us - (double)flight->header.at_us) / 1e6;
    table_row(table);
    table_cell(table, 0, "%.6f", before);
    table_cell(table, 1, "%" PRIu32, row->lane);
    flight_actor_name(flight, record->slot, text, sizeof text);
    table_cell(table, 2, "%s", text);
    table_cell(table, 3, "%s", span_kind_name(record->kind));
    flight_op_name(flight, record->op, text, sizeof text);
    table_cell(table, 4, "%s", text);
    put_from(table, flight, record->from);
    table_cell(table, 6, "%" PRIu64, record->waited_us);
    table_cell(table, 7, "%" PRIu64, record->ran_us);
    table_cell(table, 8, "%" PRIu32, record->size);
    table_cell(table, 9, "%s", span_outcome_name(record->outcome));
    trace_text(&trace, id);
    if (record->trace[0] | record->trace[1]) table_cell(table, 10, "%s", id);
}

static void print_rows(const struct flight *flight, const struct rows *rows) {
    static const char *const heads[] = {">SECONDS", ">LANE",   "ACTOR",    "KIND",
                                        "MESSAGE",  "FROM",    ">WAIT us", ">RAN us",
                                        ">SIZE",    "OUTCOME", "TRACE",    NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < rows->n; i++)
        put_row(&table, flight, &rows->rows[i]);
    table_print(&table, stdout);
    table_reset(&table);
}

/* --- for programs
 * --------------------------------------------------------------------------------- */

static char *keep(struct arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size);
    return copy ? memcpy(copy, text, size) : "";
}

/* As SysSpan, the form of `vectron trace --json`. */
static void print_json(const struct flight *flight, const struct rows *rows) {
    struct arena arena;
    SysTrace all = SYS_TRACE__INIT;
    uint64_t wall = flight->header.wall_us - flight->header.at_us;
    arena_init(&arena, 0);
    all.spans = arena_alloc(&arena, (rows->n + 1) * sizeof *all.spans);
    for (size_t i = 0; all.spans && i < rows->n; i++) {
        const struct span_record *record = &rows->rows[i].record;
        SysSpan *span = arena_alloc(&arena, sizeof *span);
        char text[NAME_ROOM];
        if (!span) break;
        sys_span__init(span);
        if (record->trace[0] | record->trace[1]) {
            span->trace.len = sizeof record->trace;
            span->trace.data = (uint8_t *)record->trace;
        }
        span->span = record->span;
        span->parent = record->parent;
        span->node = (char *)flight->header.node;
        flight_actor_name(flight, record->slot, text, sizeof text);
        span->actor = keep(&arena, text);
        flight_op_name(flight, record->op, text, sizeof text);
        span->message = keep(&arena, text);
        span->kind = (char *)span_kind_name(record->kind);
        span->start_us = wall + record->began_us - record->waited_us;
        span->waited_us = record->waited_us;
        span->ran_us = record->ran_us;
        span->took_us = record->waited_us + record->ran_us;
        span->outcome = (char *)span_outcome_name(record->outcome);
        span->lane = rows->rows[i].lane;
        all.spans[all.n_spans++] = span;
    }
    command_print_json(&all.base);
    arena_free(&arena);
}

/* --- the command
 * ---------------------------------------------------------------------------------- */

static int show(const void *data, size_t size, const struct args *args, const char *path) {
    struct filter filter = {.actor = args_text(args, "actor")};
    const char *trace = args_text(args, "trace"), *why = "";
    struct buffer words;
    int64_t last = 0;
    buffer_init(&words);
    enum status s =
        args_number(args, "last", (struct args_bounds){LAST_DEFAULT, 1, LAST_MAX}, &last, &words);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("flight", "%s", (char *)words.data);
    buffer_free(&words);
    if (code != EXIT_OK) return code;
    filter.by_trace = trace != NULL;
    if (trace && !trace_read(trace, filter.trace))
        return command_misuse("flight", "\"%s\" is not a trace id of 32 hexadecimal digits", trace);
    struct flight *flight = mem_zero(1, sizeof *flight);
    if (!flight) return command_fail("out of memory");
    struct rows rows = {0};
    if (flight_read(data, size, flight, &why) != STATUS_OK) {
        code = command_fail("%s: %s", path, why);
    } else {
        collect(flight, &filter, (size_t)last, &rows);
        if (rows.failed) code = command_fail("there was no memory for all of it");
        if (args_on(args, "json")) {
            print_json(flight, &rows);
        } else {
            print_head(flight);
            print_doing(flight);
            putchar('\n');
            print_rows(flight, &rows);
        }
    }
    mem_free(rows.rows);
    mem_free(flight);
    return code;
}

static int run(const struct args *args) {
    struct stat about;
    if (args->n_words != 1) return command_misuse("flight", "it takes one FILE");
    const char *path = args->words[0];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0 || about.st_size == 0) {
        if (fd >= 0) close(fd);
        return command_fail("%s: there is no such file, or nothing in it", path);
    }
    size_t size = (size_t)about.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED) return command_fail("%s: it cannot be read", path);
    int code = show(data, size, args, path);
    munmap(data, size);
    return code;
}

const struct command command_flight = {
    .name = "flight",
    .arguments = "FILE",
    .summary = "what a process did before it crashed: its flight recorder",
    .help = "  vectron flight DATA_DIR/flight-4711-1767225600-1.bin\n"
            "  vectron flight FILE --actor 'shard/*' --last 1000\n"
            "\n"
            "A server writes such a file into its data folder when it crashes, and when it gets\n"
            "SIGUSR2; the newest eight stay. Seconds count from the end.\n",
    .flags = flags,
    .run = run,
};
