/* environment: a flat list; it has a hundred entries and is read once. */
#include "cli/environment.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/env_file.h"
#include "cli/setting.h"
#include "runtime/memory.h"

enum { ENV_FILE_MAX = 1 << 20 };

struct variable {
    char *name; /* all owned */
    char *value;
    char *from;
};

struct environment {
    struct variable *variables; /* owned */
    size_t n;
    bool override;
    struct buffer *warnings; /* borrowed while opening */
    struct buffer *errors;
    const char *file; /* being read */
};

static struct variable *find(const struct environment *environment, const char *name) {
    for (size_t i = 0; i < environment->n; i++)
        if (strcmp(environment->variables[i].name, name) == 0) return &environment->variables[i];
    return NULL;
}

static enum status
set(struct environment *environment, const char *name, const char *value, const char *from) {
    struct variable *variable = find(environment, name);
    if (!variable) {
        size_t n = environment->n + 1;
        struct variable *grown = mem_resize(environment->variables, n * sizeof *grown);
        if (!grown) return STATUS_NO_MEMORY;
        environment->variables = grown;
        variable = &grown[environment->n++];
        *variable = (struct variable){.name = mem_string(name)};
    }
    mem_free(variable->value);
    mem_free(variable->from);
    variable->value = mem_string(value);
    variable->from = mem_string(from);
    bool ok = variable->name && variable->value && variable->from;
    return ok ? STATUS_OK : STATUS_NO_MEMORY;
}

const char *
environment_get(const struct environment *environment, const char *name, const char **from) {
    const struct variable *variable = find(environment, name);
    if (!variable) return NULL;
    *from = variable->from;
    return variable->value;
}

void environment_each(const struct environment *environment,
                      void (*visit)(void *context, const char *name, const char *from),
                      void *context) {
    for (size_t i = 0; i < environment->n; i++)
        visit(context, environment->variables[i].name, environment->variables[i].from);
}

static enum status take_process(struct environment *environment, char *const *process) {
    for (; process && *process; process++) {
        char name[256];
        const char *equals = strchr(*process, '=');
        if (!equals || equals - *process >= (ptrdiff_t)sizeof name) continue;
        snprintf(name, sizeof name, "%.*s", (int)(equals - *process), *process);
        enum status status = set(environment, name, equals + 1, "environment");
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status take_entry(void *context, const struct env_entry *entry) {
    struct environment *environment = context;
    if (!environment->override && find(environment, entry->name)) return STATUS_OK;
    const struct setting *row = setting_find(entry->name, ~0u);
    if (entry->comment_cut && row && row->secret)
        buffer_printf(
            environment->warnings,
            "%s:%u: the text after '#' was taken as a comment; quote the value of %s if it "
            "belongs to it\n",
            environment->file, entry->line, entry->name);
    char from[PATH_MAX + 16];
    snprintf(from, sizeof from, "%s:%u", environment->file, entry->line);
    return set(environment, entry->name, entry->value, from);
}

/* NULL with errno when the file cannot be read. */
static char *read_file(const char *path) {
    FILE *file = fopen(path, "re");
    if (!file) return NULL;
    char *text = mem_alloc(ENV_FILE_MAX + 1);
    size_t size = text ? fread(text, 1, ENV_FILE_MAX, file) : 0;
    if (text && ferror(file)) {
        mem_free(text);
        text = NULL;
    }
    if (text) text[size] = 0;
    fclose(file);
    return text;
}

static enum status take_file(struct environment *environment, const char *path) {
    char *text = read_file(path);
    if (!text) {
        buffer_printf(environment->errors, "%s: %s\n", path, strerror(errno));
        return STATUS_INVALID;
    }
    environment->file = path;
    struct buffer why;
    buffer_init(&why);
    enum status status = env_file_parse(text, take_entry, environment, &why);
    if (status == STATUS_INVALID)
        buffer_printf(environment->errors, "%s: %.*s\n", path, (int)why.size, (char *)why.data);
    buffer_free(&why);
    mem_free(text);
    return status;
}

static enum status take_stem(struct environment *environment,
                             const struct environment_options *options) {
    static const char *const forms[] = {"%s/.env.%s", "%s/%s.env", "%s/env/%s.env"};
    for (const char *const *root = options->roots; root && *root; root++) {
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            char path[PATH_MAX];
            int size = snprintf(path, sizeof path, forms[i], *root, options->stem);
            if (size < (int)sizeof path && access(path, F_OK) == 0)
                return take_file(environment, path);
        }
    }
    return STATUS_OK;
}

static enum status take_named(struct environment *environment, const char *variable) {
    const char *from;
    const char *named = environment_get(environment, variable, &from);
    if (!named || !*named) return STATUS_OK;
    char path[PATH_MAX]; /* its own copy: reading the file may replace the variable */
    snprintf(path, sizeof path, "%s", named);
    return take_file(environment, path);
}

static bool overrides(const struct environment *environment) {
    const char *from;
    const char *text = environment_get(environment, "VECTRON_ENV_OVERRIDE", &from);
    return text && (strcmp(text, "1") == 0 || strcmp(text, "true") == 0);
}

enum status environment_open(const struct environment_options *options,
                             struct environment **out,
                             struct buffer *warnings,
                             struct buffer *errors) {
    struct environment *environment = mem_zero(1, sizeof *environment);
    if (!environment) return STATUS_NO_MEMORY;
    environment->warnings = warnings;
    environment->errors = errors;
    char variable[64];
    snprintf(variable, sizeof variable, "%s_ENV_FILE", options->stem);
    for (char *at = variable; *at; at++)
        *at = (char)toupper((unsigned char)*at);

    enum status status = take_process(environment, options->process);
    environment->override = overrides(environment);
    if (status == STATUS_OK) status = take_stem(environment, options);
    if (status == STATUS_OK) status = take_named(environment, variable);
    if (status == STATUS_OK && strcmp(variable, "VECTRON_ENV_FILE") != 0)
        status = take_named(environment, "VECTRON_ENV_FILE");
    if (status != STATUS_OK) {
        environment_close(environment);
        return status;
    }
    *out = environment;
    return STATUS_OK;
}

void environment_close(struct environment *environment) {
    if (!environment) return;
    for (size_t i = 0; i < environment->n; i++) {
        mem_free(environment->variables[i].name);
        mem_free(environment->variables[i].value);
        mem_free(environment->variables[i].from);
    }
    mem_free(environment->variables);
    mem_free(environment);
}
