/* args: one pass over argv; the last of two equal flags wins, as in Go. */
#include "cli/args.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/suggest.h"

struct found {
    const struct args_flag *flag; /* NULL: it is a setting */
    const struct setting *setting;
    bool takes_value;
};

static bool find(const struct args *args, const char *name, struct found *out) {
    for (const struct args_flag *flag = args->flags; flag && flag->name; flag++) {
        if (strcmp(flag->name, name) != 0) continue;
        *out = (struct found){.flag = flag, .takes_value = flag->value != NULL};
        return true;
    }
    const struct setting *setting = setting_by_flag(name, args->role);
    if (!setting) return false;
    *out = (struct found){.setting = setting, .takes_value = setting->type != SETTING_BOOL};
    return true;
}

static void nearer(const char *name, const char *known, const char **best, size_t *least) {
    size_t distance = suggest_distance(name, known);
    if (distance >= *least || !suggest_near(name, known, distance)) return;
    *least = distance;
    *best = known;
}

static enum status unknown(const struct args *args, const char *name, struct buffer *why) {
    const char *best = NULL;
    size_t least = SIZE_MAX;
    for (const struct args_flag *flag = args->flags; flag && flag->name; flag++)
        nearer(name, flag->name, &best, &least);
    for (size_t i = 0; i < setting_count; i++)
        if ((setting_table[i].roles & args->role) && setting_table[i].flag)
            nearer(name, setting_table[i].flag, &best, &least);
    buffer_printf(why, "unknown flag %s%s", name[1] ? "--" : "-", name);
    if (best) buffer_printf(why, "; did you mean --%s?", best);
    return STATUS_INVALID;
}

static enum status
keep(struct args *args, const struct found *found, const char *value, struct buffer *why) {
    if (found->flag) {
        args->values[found->flag - args->flags] = value;
        return STATUS_OK;
    }
    if (args->n_settings == ARGS_SETTINGS_MAX) {
        buffer_printf(why, "more than %d flags", ARGS_SETTINGS_MAX);
        return STATUS_INVALID;
    }
    args->settings[args->n_settings++] = (struct args_setting){found->setting, value};
    return STATUS_OK;
}

/* One flag at *at; moves *at to its last word. */
static enum status take_flag(struct args *args, char *const **at, struct buffer *why) {
    const char *text = **at + 1;
    if (*text == '-') text++;
    char name[64];
    size_t size = strcspn(text, "=");
    if (size == 0 || size >= sizeof name) {
        buffer_printf(why, "bad flag %s", **at);
        return STATUS_INVALID;
    }
    memcpy(name, text, size);
    name[size] = 0;
    const char *value = text[size] == '=' ? text + size + 1 : NULL;
    struct found found;
    if (!find(args, name, &found)) {
        if (strcmp(name, "help") == 0 || strcmp(name, "h") == 0) {
            args->help = true;
            return STATUS_OK;
        }
        return unknown(args, name, why);
    }
    if (!value && found.takes_value) {
        value = *++*at;
        if (!value) {
            --*at;
            buffer_printf(why, "flag --%s needs a value", name);
            return STATUS_INVALID;
        }
    }
    return keep(args, &found, value ? value : "true", why);
}

enum status args_parse(struct args *args,
                       const struct args_flag *flags,
                       unsigned role,
                       char *const *argv,
                       struct buffer *why) {
    *args = (struct args){.flags = flags, .role = role};
    bool only_words = false;
    for (char *const *at = argv; *at; at++) {
        if (!only_words && strcmp(*at, "--") == 0) {
            only_words = true;
        } else if (!only_words && (*at)[0] == '-' && (*at)[1]) {
            enum status status = take_flag(args, &at, why);
            if (status != STATUS_OK) return status;
        } else if (args->n_words == ARGS_WORDS_MAX) {
            buffer_printf(why, "too many arguments, from \"%s\"", *at);
            return STATUS_INVALID;
        } else {
            args->words[args->n_words++] = *at;
        }
    }
    return STATUS_OK;
}

const char *args_text(const struct args *args, const char *name) {
    for (size_t i = 0; args->flags && args->flags[i].name; i++)
        if (strcmp(args->flags[i].name, name) == 0) return args->values[i];
    return NULL;
}

bool args_on(const struct args *args, const char *name) {
    const char *text = args_text(args, name);
    return text && strcmp(text, "0") != 0 && strcasecmp(text, "false") != 0;
}

enum status args_number(const struct args *args,
                        const char *name,
                        struct args_bounds bounds,
                        int64_t *out,
                        struct buffer *why) {
    const char *text = args_text(args, name);
    *out = bounds.fallback;
    if (!text) return STATUS_OK;
    struct setting row = {
        .name = name,
        .type = SETTING_INT,
        .fallback = "0",
        .low = (double)bounds.low,
        .high = (double)bounds.high,
    };
    struct setting_value value;
    enum status status = setting_parse(&row, text, &value, why);
    if (status == STATUS_OK) *out = value.number;
    return status;
}

enum status args_real(const struct args *args, const char *name, double *out, struct buffer *why) {
    const char *text = args_text(args, name);
    char *end;
    if (!text) return STATUS_OK;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value)) {
        buffer_printf(why, "--%s: \"%s\" is no number", name, text);
        return STATUS_INVALID;
    }
    *out = value;
    return STATUS_OK;
}

enum { HELP_INDENT = 29, HELP_COLUMNS = 100 };

/* Words from the left margin HELP_INDENT on, broken between words; the first line is at it. */
static void wrap(FILE *out, const char *text) {
    size_t column = HELP_INDENT;
    while (*text) {
        size_t size = strcspn(text, " ");
        bool first = column == HELP_INDENT;
        if (!first && column + 1 + size > HELP_COLUMNS) {
            fprintf(out, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)size, text);
        column += size + !first;
        text += size + (text[size] == ' ');
    }
    fputc('\n', out);
}

static void help_line(FILE *out, const char *name, const char *value, const char *help) {
    char left[64];
    int size =
        snprintf(left, sizeof left, "  --%s%s%s", name, value ? " " : "", value ? value : "");
    if (size >= HELP_INDENT)
        fprintf(out, "%s\n%*s", left, HELP_INDENT, "");
    else
        fprintf(out, "%-*s", HELP_INDENT, left);
    wrap(out, help);
}

static void help_setting(FILE *out, const struct setting *row) {
    char help[1024];
    if (row->kind == SETTING_ACCEPTED)
        snprintf(help, sizeof help, "no effect: %s", row->effect);
    else if (*row->fallback)
        snprintf(help, sizeof help, "%s (%s, default %s)", row->effect, row->name, row->fallback);
    else
        snprintf(help, sizeof help, "%s (%s)", row->effect, row->name);
    help_line(out, row->flag, row->type == SETTING_BOOL ? NULL : setting_type_name(row->type),
              help);
}

static bool helps(const struct setting *row, unsigned role, enum args_way way) {
    if (!(row->roles & role) || !row->flag) return false;
    if (role != ROLE_CLIENT) return true;
    return (strcmp(row->group, "Client") == 0) == (way == ARGS_CALLS);
}

void args_help(FILE *out, const struct args_flag *flags, unsigned role, enum args_way way) {
    if (flags && flags->name) fputs("\nFlags (-x v, --x v, --x=v):\n", out);
    for (const struct args_flag *flag = flags; flag && flag->name; flag++)
        help_line(out, flag->name, flag->value, flag->help);
    bool any = false;
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        if (!helps(row, role, way)) continue;
        if (!any) fputs("\nSettings, also by environment and env files:\n", out);
        any = true;
        help_setting(out, row);
    }
}
