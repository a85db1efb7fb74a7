/* cluster: from the tree of a TOML file to processes. A group is one [process.NAME] with what
 * [defaults] adds; each of its `count` instances becomes a process, {n} and {9190+n} filled in. */
#include "cli/supervise/cluster.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/setting.h"
#include "cli/suggest.h"
#include "cli/supervise/toml.h"
#include "runtime/arena.h"
#include "runtime/memory.h"

enum { GROUPS_MAX = 64, WORDS_MAX = 256, EXPANDED_MAX = 4096, DAY_MS = 24 * 3600 * 1000 };

struct owned {
    struct cluster cluster; /* first: what others see */
    struct arena arena;
};

enum kind { TEXT, COUNT, DURATION, SIZE, CHOICE, WORDS, TABLE };

/* What one [process.NAME] says; durations in ms, choices by index. */
struct values {
    const struct toml_node *command, *args, *after, *environment, *cpus; /* NULL: not there */
    const char *role, *folder, *readyz;
    uint64_t count, restart, intensity, period, backoff, backoff_max;
    uint64_t ready, ready_timeout, stop_timeout, watchdog, memory, nofile;
    uint64_t cgroup_memory, cgroup_cpu;
};

struct key {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct values */
    double low, high;
    const char *choices;
    const char *fallback;
};

#define KEY(NAME, KIND, ...) \
    { #NAME, KIND, offsetof(struct values, NAME), __VA_ARGS__ }
static const struct key keys[] = {
    KEY(role, TEXT, 0, 0, "up pd worker gateway", ""),
    KEY(command, WORDS, 0, 0, NULL, NULL),
    KEY(args, WORDS, 0, 0, NULL, NULL),
    KEY(count, COUNT, 1, CLUSTER_PROCESSES_MAX, NULL, "1"),
    KEY(folder, TEXT, 0, 0, NULL, ""),
    KEY(environment, TABLE, 0, 0, NULL, NULL),
    KEY(after, WORDS, 0, 0, NULL, NULL),
    KEY(restart, CHOICE, 0, 0, "permanent transient temporary", "permanent"),
    KEY(intensity, COUNT, 0, CLUSTER_INTENSITY_MAX, NULL, "5"),
    KEY(period, DURATION, 1000, DAY_MS, NULL, "60s"),
    KEY(backoff, DURATION, 1, DAY_MS, NULL, "200ms"),
    KEY(backoff_max, DURATION, 1, DAY_MS, NULL, "10s"),
    KEY(ready, CHOICE, 0, 0, "notify spawned", "notify"),
    KEY(readyz, TEXT, 0, 0, NULL, ""),
    KEY(ready_timeout, DURATION, 100, DAY_MS, NULL, "60s"),
    KEY(stop_timeout, DURATION, 100, DAY_MS, NULL, "40s"),
    KEY(watchdog, DURATION, 0, DAY_MS, NULL, "0s"),
    KEY(memory, SIZE, 0, 1e15, NULL, "0MB"),
    KEY(nofile, COUNT, 0, 1e7, NULL, "0"),
    KEY(cgroup_memory, SIZE, 0, 1e15, NULL, "0MB"),
    KEY(cgroup_cpu, COUNT, 0, 1e6, NULL, "0"),
    KEY(cpus, WORDS, 0, 0, NULL, NULL),
};
enum { KEYS = sizeof keys / sizeof *keys };

struct group {
    const char *name;
    unsigned line;
    const struct toml_node *table;
    struct values values;
    uint32_t first; /* of its processes */
};

struct reading {
    struct arena *arena;
    struct buffer *why;
    const char *program;
    struct cluster *cluster;
    const struct toml_node *defaults; /* NULL: none */
    struct group groups[GROUPS_MAX];
    size_t n_groups;
};

/* --- words --- */

static enum status
fail(struct reading *r, unsigned line, const char *where, const char *format, ...) {
    char words[WORDS_MAX * 4];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    buffer_printf(r->why, "line %u, %s: %s", line, where, words);
    return STATUS_INVALID;
}

static const char *copy(struct reading *r, const char *text) {
    char *out = arena_alloc(r->arena, strlen(text) + 1);
    return out ? strcpy(out, text) : NULL;
}

static enum status unknown_key(struct reading *r,
                               const struct toml_node *node,
                               const char *where,
                               const char *const *known) {
    const char *best = NULL;
    size_t least = SIZE_MAX;
    const char *key = strrchr(where, '.') ? strrchr(where, '.') + 1 : where;
    for (; *known; known++) {
        size_t distance = suggest_distance(key, *known);
        if (distance >= least || !suggest_near(key, *known, distance)) continue;
        least = distance;
        best = *known;
    }
    return fail(r, toml_line(node), where, "is unknown%s%s%s", best ? "; did you mean " : "",
                best ? best : "", best ? "?" : "");
}

/* --- values --- */

static void *field(struct values *values, const struct key *key) {
    return (char *)values + key->offset;
}

/* Whole numbers, durations and sizes by the rules of the settings. */
static enum status number(struct reading *r,
                          const struct key *key,
                          const char *where,
                          unsigned line,
                          const char *text,
                          uint64_t *out) {
    struct setting row = {
        .name = where,
        .type = key->kind == COUNT      ? SETTING_INT
                : key->kind == DURATION ? SETTING_DURATION
                                        : SETTING_SIZE,
        .fallback = "0",
        .low = key->low,
        .high = key->high,
        .unit = key->kind == DURATION ? "ms" : "MB",
    };
    struct setting_value value;
    struct buffer words;
    buffer_init(&words);
    enum status s = setting_parse(&row, text, &value, &words);
    if (s == STATUS_OK)
        *out = (uint64_t)value.number;
    else
        buffer_printf(r->why, "line %u, %.*s", line, (int)words.size, (const char *)words.data);
    buffer_free(&words);
    return s;
}

static bool choice(const char *choices, const char *text, uint64_t *out) {
    size_t size = strlen(text), nth = 0;
    for (const char *at = choices; *at; nth++) {
        size_t length = strcspn(at, " ");
        if (length == size && memcmp(at, text, size) == 0) {
            *out = nth;
            return true;
        }
        at += length;
        at += strspn(at, " ");
    }
    return false;
}

static bool is_words(const struct toml_node *node) {
    if (toml_type_of(node) != TOML_ARRAY) return false;
    for (size_t i = 0; i < toml_count(node); i++)
        if (toml_type_of(toml_at(node, i, NULL)) != TOML_STRING) return false;
    return true;
}

static bool is_texts(const struct toml_node *node) {
    if (toml_type_of(node) != TOML_TABLE) return false;
    for (size_t i = 0; i < toml_count(node); i++)
        if (toml_type_of(toml_at(node, i, NULL)) != TOML_STRING) return false;
    return true;
}

static enum status text_value(struct reading *r,
                              const struct key *key,
                              const char *where,
                              const struct toml_node *node,
                              void *out) {
    unsigned line = toml_line(node);
    const char *text = toml_type_of(node) == TOML_STRING ? toml_text(node) : NULL;
    uint64_t nth = 0;
    if (!text)
        return fail(r, line, where, "wanted is %s",
                    key->kind == DURATION ? "a duration in quotes, such as \"250ms\" or \"5s\""
                    : key->kind == SIZE   ? "a size in quotes, such as \"512MB\""
                                          : "a text in quotes");
    if (key->choices && !choice(key->choices, text, &nth))
        return fail(r, line, where, "\"%s\" is not one of %s", text, key->choices);
    if (key->kind == DURATION || key->kind == SIZE) return number(r, key, where, line, text, out);
    if (key->kind == CHOICE)
        *(uint64_t *)out = nth;
    else
        *(const char **)out = text;
    return STATUS_OK;
}

static enum status value(struct reading *r,
                         const struct key *key,
                         const char *where,
                         const struct toml_node *node,
                         void *out) {
    unsigned line = toml_line(node);
    char digits[32];
    switch (key->kind) {
    case COUNT:
        if (toml_type_of(node) != TOML_INTEGER) return fail(r, line, where, "wanted is a number");
        snprintf(digits, sizeof digits, "%lld", (long long)toml_integer(node));
        return number(r, key, where, line, digits, out);
    case WORDS:
        if (!is_words(node) &&
            !(key->offset == offsetof(struct values, cpus) && toml_type_of(node) == TOML_STRING))
            return fail(r, line, where, "wanted is a list of texts, [\"…\", \"…\"]");
        break;
    case TABLE:
        if (!is_texts(node)) return fail(r, line, where, "wanted are texts by name");
        break;
    default:
        return text_value(r, key, where, node, out);
    }
    *(const struct toml_node **)out = node;
    return STATUS_OK;
}

static enum status fallback(struct reading *r, const struct key *key, void *out) {
    if (!key->fallback) return STATUS_OK;
    uint64_t nth = 0;
    switch (key->kind) {
    case TEXT:
        *(const char **)out = key->fallback;
        return STATUS_OK;
    case CHOICE:
        choice(key->choices, key->fallback, &nth);
        *(uint64_t *)out = nth;
        return STATUS_OK;
    default:
        return number(r, key, key->name, 0, key->fallback, out);
    }
}

/* --- groups --- */

static enum status check_keys(struct reading *r, const struct toml_node *table, const char *name) {
    const char *known[KEYS + 1] = {NULL};
    for (size_t i = 0; i < KEYS; i++)
        known[i] = keys[i].name;
    for (size_t i = 0; i < toml_count(table); i++) {
        const char *key;
        char where[WORDS_MAX];
        size_t j = 0;
        const struct toml_node *node = toml_at(table, i, &key);
        while (j < KEYS && strcmp(keys[j].name, key) != 0)
            j++;
        snprintf(where, sizeof where, "%s.%s", name, key);
        if (j == KEYS) return unknown_key(r, node, where, known);
    }
    return STATUS_OK;
}

static enum status judge(struct reading *r, const struct group *group) {
    const struct values *v = &group->values;
    char where[WORDS_MAX];
    snprintf(where, sizeof where, "process.%s", group->name);
    bool command = v->command && toml_count(v->command) > 0;
    if (command == (*v->role != 0))
        return fail(r, group->line, where,
                    "wanted is either role (up, pd, worker, gateway) or command, a list of texts");
    if (*v->readyz && strncmp(v->readyz, "http://", 7) != 0)
        return fail(r, group->line, where, "readyz \"%s\" is not http://HOST:PORT/PATH", v->readyz);
    if (v->cpus && toml_type_of(v->cpus) == TOML_ARRAY && toml_count(v->cpus) == 0)
        return fail(r, group->line, where, "cpus is an empty list");
    return STATUS_OK;
}

static enum status read_group(struct reading *r, struct group *group) {
    char where[WORDS_MAX];
    snprintf(where, sizeof where, "process.%s", group->name);
    enum status s = check_keys(r, group->table, where);
    for (size_t i = 0; i < KEYS && s == STATUS_OK; i++) {
        const struct key *key = &keys[i];
        const struct toml_node *node = toml_get(group->table, key->name);
        bool own = node != NULL;
        if (!own && r->defaults) node = toml_get(r->defaults, key->name);
        snprintf(where, sizeof where, "%s%s.%s", own ? "process." : "defaults",
                 own ? group->name : "", key->name);
        void *out = field(&group->values, key);
        s = node ? value(r, key, where, node, out) : fallback(r, key, out);
    }
    return s == STATUS_OK ? judge(r, group) : s;
}

static bool name_fits(const char *name) {
    size_t size = strlen(name);
    for (const char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '-' && *at != '_') return false;
    return size > 0 && size <= CLUSTER_NAME_MAX - 3;
}

static int by_line(const void *a, const void *b) {
    unsigned x = ((const struct group *)a)->line, y = ((const struct group *)b)->line;
    return (x > y) - (x < y);
}

static enum status read_groups(struct reading *r, const struct toml_node *processes) {
    for (size_t i = 0; i < toml_count(processes); i++) {
        struct group *group = &r->groups[r->n_groups];
        group->table = toml_at(processes, i, &group->name);
        group->line = toml_line(group->table);
        if (toml_type_of(group->table) != TOML_TABLE || !name_fits(group->name))
            return fail(r, group->line, group->name,
                        "wanted is [process.NAME], a name of letters, digits, - and _");
        if (++r->n_groups == GROUPS_MAX)
            return fail(r, group->line, "process", "more than %d", GROUPS_MAX - 1);
    }
    qsort(r->groups, r->n_groups, sizeof *r->groups, by_line);
    for (size_t i = 0; i < r->n_groups; i++) {
        enum status s = read_group(r, &r->groups[i]);
        if (s != STATUS_OK) return s;
        r->groups[i].first = r->cluster->n;
        r->cluster->n += (uint32_t)r->groups[i].values.count;
    }
    if (r->cluster->n > CLUSTER_PROCESSES_MAX)
        return fail(r, r->groups[0].line, "process", "%u processes, at most %d", r->cluster->n,
                    CLUSTER_PROCESSES_MAX);
    return STATUS_OK;
}

/* --- instances --- */

/* {n}, {9190+n} and {name}; {{ is a brace. False: something else is in braces, or it is too long.
 */
static bool fill(const char *text, const char *name, uint32_t n, char *out, size_t size) {
    size_t used = 0;
    while (*text && used + 1 < size) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        if (*text != '{' || text[1] == '{') {
            out[used++] = *text;
            text += *text == '{' ? 2 : 1;
            continue;
        }
        char *rest = NULL;
        unsigned long base = strtoul(text + 1, &rest, 10);
        int wrote = -1;
        if (end && strncmp(text, "{n}", 3) == 0)
            wrote = snprintf(out + used, size - used, "%u", n);
        else if (end && strncmp(text, "{name}", 6) == 0)
            wrote = snprintf(out + used, size - used, "%s", name);
        else if (end && isdigit((unsigned char)text[1]) && strncmp(rest, "+n}", 3) == 0)
            wrote = snprintf(out + used, size - used, "%lu", base + n);
        if (wrote < 0 || (size_t)wrote >= size - used) return false;
        used += (size_t)wrote;
        text = end + 1;
    }
    out[used] = 0;
    return *text == 0;
}

struct instance {
    struct reading *r;
    const struct group *group;
    const char *name;
    uint32_t n; /* from 1 */
};

static enum status expand(const struct instance *i, const char *text, const char **out) {
    char filled[EXPANDED_MAX], where[WORDS_MAX];
    snprintf(where, sizeof where, "process.%s", i->group->name);
    if (!fill(text, i->name, i->n, filled, sizeof filled))
        return fail(
            i->r, i->group->line, where,
            "\"%s\": in braces go {n}, {NUMBER+n} or {name}, {{ is a brace; at most %d bytes", text,
            EXPANDED_MAX);
    *out = copy(i->r, filled);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status
expand_words(const struct instance *i, const struct toml_node *words, const char **out) {
    enum status s = STATUS_OK;
    for (size_t j = 0; words && j < toml_count(words) && s == STATUS_OK; j++)
        s = expand(i, toml_text(toml_at(words, j, NULL)), &out[j]);
    return s;
}

static enum status fill_command(const struct instance *i, struct cluster_process *process) {
    const struct values *v = &i->group->values;
    size_t head = *v->role ? 2 : toml_count(v->command);
    size_t tail = v->args ? toml_count(v->args) : 0;
    const char **argv = arena_zero(i->r->arena, (head + tail + 1) * sizeof *argv);
    if (!argv) return STATUS_NO_MEMORY;
    enum status s = STATUS_OK;
    if (*v->role) {
        argv[0] = copy(i->r, i->r->program);
        argv[1] = copy(i->r, v->role);
        if (!argv[0] || !argv[1]) return STATUS_NO_MEMORY;
    } else {
        s = expand_words(i, v->command, argv);
    }
    if (s == STATUS_OK) s = expand_words(i, v->args, argv + head);
    process->argv = argv;
    return s;
}

static enum status fill_environment(const struct instance *i, struct cluster_process *process) {
    const struct toml_node *table = i->group->values.environment;
    size_t n = table ? toml_count(table) : 0;
    const char **environment = arena_zero(i->r->arena, (n + 1) * sizeof *environment);
    if (!environment) return STATUS_NO_MEMORY;
    enum status s = STATUS_OK;
    for (size_t j = 0; j < n && s == STATUS_OK; j++) {
        const char *key, *text;
        const struct toml_node *node = toml_at(table, j, &key);
        char line[EXPANDED_MAX + WORDS_MAX];
        s = expand(i, toml_text(node), &text);
        if (s != STATUS_OK) return s;
        snprintf(line, sizeof line, "%s=%s", key, text);
        environment[j] = copy(i->r, line);
        if (!environment[j]) s = STATUS_NO_MEMORY;
    }
    process->environment = environment;
    return s;
}

bool cluster_cpus(const char *text, cpu_set_t *out) {
    CPU_ZERO(out);
    while (*text) {
        char *end;
        if (!isdigit((unsigned char)*text)) return false;
        unsigned long from = strtoul(text, &end, 10), to = from;
        if (*end == '-') {
            if (!isdigit((unsigned char)end[1])) return false;
            to = strtoul(end + 1, &end, 10);
        }
        if (to < from || to >= CPU_SETSIZE) return false;
        for (; from <= to; from++)
            CPU_SET(from, out);
        if (*end && (*end != ',' || !end[1])) return false;
        text = *end ? end + 1 : end;
    }
    return CPU_COUNT(out) > 0;
}

static enum status fill_cpus(const struct instance *i, struct cluster_process *process) {
    const struct toml_node *node = i->group->values.cpus;
    char where[WORDS_MAX];
    if (!node) return STATUS_OK;
    if (toml_type_of(node) == TOML_ARRAY) node = toml_at(node, (i->n - 1) % toml_count(node), NULL);
    snprintf(where, sizeof where, "process.%s.cpus", i->group->name);
    process->pinned = cluster_cpus(toml_text(node), &process->cpus);
    if (process->pinned) return STATUS_OK;
    return fail(i->r, toml_line(node), where, "\"%s\" is no list of cores such as \"0-3,8\"",
                toml_text(node));
}

static enum status fill_process(const struct instance *i, struct cluster_process *process) {
    const struct values *v = &i->group->values;
    *process = (struct cluster_process){
        .name = i->name,
        .group = copy(i->r, i->group->name),
        .restart = (enum restart)v->restart,
        .intensity = (uint32_t)v->intensity,
        .period_ms = (uint32_t)v->period,
        .backoff_ms = (uint32_t)v->backoff,
        .backoff_max_ms = (uint32_t)v->backoff_max,
        .ready = (enum cluster_ready)v->ready,
        .ready_ms = (uint32_t)v->ready_timeout,
        .stop_ms = (uint32_t)v->stop_timeout,
        .watchdog_ms = (uint32_t)v->watchdog,
        .memory = v->memory,
        .nofile = v->nofile,
        .cgroup_memory = v->cgroup_memory,
        .cgroup_cpu = (uint32_t)v->cgroup_cpu,
    };
    if (!process->group) return STATUS_NO_MEMORY;
    enum status s = fill_command(i, process);
    if (s == STATUS_OK) s = fill_environment(i, process);
    if (s == STATUS_OK) s = expand(i, v->folder, &process->folder);
    if (s == STATUS_OK) s = expand(i, v->readyz, &process->readyz);
    if (s == STATUS_OK) s = fill_cpus(i, process);
    return s;
}

static enum status fill_group(struct reading *r, const struct group *group) {
    uint32_t count = (uint32_t)group->values.count;
    for (uint32_t n = 1; n <= count; n++) {
        char name[CLUSTER_NAME_MAX + 1];
        snprintf(name, sizeof name, count > 1 ? "%s%u" : "%s", group->name, n);
        struct instance instance = {r, group, copy(r, name), n};
        if (!instance.name) return STATUS_NO_MEMORY;
        uint32_t at = group->first + n - 1;
        for (uint32_t i = 0; i < at; i++)
            if (strcmp(r->cluster->processes[i].name, name) == 0)
                return fail(r, group->line, "process", "there are two called %s", name);
        enum status s = fill_process(&instance, &r->cluster->processes[at]);
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

/* --- order --- */

static uint32_t add_after(struct reading *r, const char *name, uint32_t *after, uint32_t n) {
    for (uint32_t i = 0; i < r->cluster->n; i++) {
        const struct cluster_process *process = &r->cluster->processes[i];
        bool meant = strcmp(process->name, name) == 0 || strcmp(process->group, name) == 0;
        for (uint32_t j = 0; j < n; j++)
            meant &= after[j] != i;
        if (meant) after[n++] = i;
    }
    return n;
}

static enum status order_group(struct reading *r, const struct group *group) {
    const struct toml_node *names = group->values.after;
    uint32_t n = 0;
    uint32_t *after = arena_zero(r->arena, (r->cluster->n + 1) * sizeof *after);
    if (!after) return STATUS_NO_MEMORY;
    for (size_t i = 0; names && i < toml_count(names); i++) {
        const char *name = toml_text(toml_at(names, i, NULL));
        uint32_t before = n;
        char where[WORDS_MAX];
        n = add_after(r, name, after, n);
        snprintf(where, sizeof where, "process.%s.after", group->name);
        if (n == before)
            return fail(r, toml_line(names), where, "there is no other process \"%s\"", name);
    }
    for (uint32_t i = 0; i < group->values.count; i++) {
        r->cluster->processes[group->first + i].after = after;
        r->cluster->processes[group->first + i].n_after = n;
    }
    return STATUS_OK;
}

/* Starts what can start until nothing more can: who is left is in a circle, or behind one. */
static enum status check_order(struct reading *r) {
    bool ready[CLUSTER_PROCESSES_MAX] = {false};
    uint32_t left = r->cluster->n;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < r->cluster->n; i++) {
            const struct cluster_process *process = &r->cluster->processes[i];
            bool free = !ready[i];
            for (uint32_t j = 0; j < process->n_after; j++)
                free &= ready[process->after[j]];
            if (!free) continue;
            ready[i] = moved = true;
            left--;
        }
    }
    for (size_t i = 0; left > 0 && i < r->n_groups; i++) {
        const struct group *group = &r->groups[i];
        char where[WORDS_MAX];
        snprintf(where, sizeof where, "process.%s.after", group->name);
        if (!ready[group->first])
            return fail(r, group->line, where, "they wait for each other in a circle");
    }
    return STATUS_OK;
}

/* --- the file --- */

static enum status read_supervisor(struct reading *r, const struct toml_node *table) {
    static const char *const known[] = {"link", NULL};
    r->cluster->link = copy(r, "ipc://vectron-data/supervisor/link.ipc");
    for (size_t i = 0; table && i < toml_count(table); i++) {
        const char *key;
        char where[WORDS_MAX];
        const struct toml_node *node = toml_at(table, i, &key);
        snprintf(where, sizeof where, "supervisor.%s", key);
        if (strcmp(key, "link") != 0) return unknown_key(r, node, where, known);
        if (toml_type_of(node) != TOML_STRING)
            return fail(r, toml_line(node), where, "wanted is a text in quotes");
        r->cluster->link = copy(r, toml_text(node));
    }
    return r->cluster->link ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status check_top(struct reading *r, const struct toml_node *root) {
    static const char *const known[] = {"supervisor", "defaults", "process", NULL};
    for (size_t i = 0; i < toml_count(root); i++) {
        const char *key;
        const struct toml_node *node = toml_at(root, i, &key);
        if (strcmp(key, known[0]) != 0 && strcmp(key, known[1]) != 0 && strcmp(key, known[2]) != 0)
            return unknown_key(r, node, key, known);
        if (toml_type_of(node) != TOML_TABLE)
            return fail(r, toml_line(node), key, "wanted is a table, [%s…]", key);
    }
    return STATUS_OK;
}

static enum status read_root(struct reading *r, const struct toml_node *root) {
    enum status s = check_top(r, root);
    if (s != STATUS_OK) return s;
    const struct toml_node *processes = toml_get(root, "process");
    r->defaults = toml_get(root, "defaults");
    if (r->defaults) s = check_keys(r, r->defaults, "defaults");
    if (s == STATUS_OK) s = read_supervisor(r, toml_get(root, "supervisor"));
    if (s != STATUS_OK) return s;
    if (!processes || toml_count(processes) == 0)
        return fail(r, 1, "process", "there is none; [process.NAME] with a role or a command");
    s = read_groups(r, processes);
    if (s != STATUS_OK) return s;
    r->cluster->processes = arena_zero(r->arena, r->cluster->n * sizeof *r->cluster->processes);
    if (!r->cluster->processes) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < r->n_groups && s == STATUS_OK; i++)
        s = fill_group(r, &r->groups[i]);
    for (size_t i = 0; i < r->n_groups && s == STATUS_OK; i++)
        s = order_group(r, &r->groups[i]);
    return s == STATUS_OK ? check_order(r) : s;
}

enum status cluster_read(
    const char *text, size_t size, const char *program, struct cluster **out, struct buffer *why) {
    char words[WORDS_MAX * 2] = "";
    struct owned *owned = mem_zero(1, sizeof *owned);
    struct reading *r = mem_zero(1, sizeof *r);
    struct toml_document *document = NULL;
    enum status s = STATUS_NO_MEMORY;
    if (!owned || !r) goto end;
    arena_init(&owned->arena, 0);
    document = toml_open(text, size, words, sizeof words);
    s = STATUS_INVALID;
    if (!document) {
        buffer_printf(why, "%s", words);
        goto end;
    }
    *r = (struct reading){
        .arena = &owned->arena, .why = why, .program = program, .cluster = &owned->cluster};
    s = read_root(r, toml_root(document));
end:
    toml_close(document);
    mem_free(r);
    if (s == STATUS_OK) {
        *out = &owned->cluster;
    } else if (owned) {
        cluster_free(&owned->cluster);
    }
    return s;
}

enum status
cluster_load(const char *path, const char *program, struct cluster **out, struct buffer *why) {
    FILE *file = fopen(path, "r");
    if (!file) {
        buffer_printf(why, "%s: %s", path, strerror(errno));
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    }
    char *text = mem_alloc(CLUSTER_FILE_MAX);
    size_t size = text ? fread(text, 1, CLUSTER_FILE_MAX, file) : 0;
    fclose(file);
    struct buffer words;
    buffer_init(&words);
    enum status s = text ? STATUS_INVALID : STATUS_NO_MEMORY;
    if (size == CLUSTER_FILE_MAX)
        buffer_printf(&words, "it has more than %d bytes", CLUSTER_FILE_MAX);
    else if (text)
        s = cluster_read(text, size, program, out, &words);
    if (words.size) buffer_printf(why, "%s, %.*s", path, (int)words.size, (const char *)words.data);
    buffer_free(&words);
    mem_free(text);
    return s;
}

void cluster_free(struct cluster *cluster) {
    if (!cluster) return;
    struct owned *owned = (struct owned *)cluster;
    arena_free(&owned->arena);
    mem_free(owned);
}
