/* setting: looking up rows and judging values. Numbers are read without regard to the locale. */
#include "cli/setting.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/suggest.h"

const struct role_name role_names[] = {
    {ROLE_UP, "up", "vectron", "all roles in one process"},
    {ROLE_PD, "pd", "placementdriver", "placement driver: owns metadata and placement"},
    {ROLE_WORKER, "worker", "worker", "keeps shards and searches them"},
    {ROLE_GATEWAY, "gateway", "apigateway", "gRPC and HTTP from outside, routing"},
    {ROLE_AUTH, "auth", "auth", "users, keys, tokens (a later version)"},
    {ROLE_RERANKER, "reranker", "reranker", "reorders results (a later version)"},
    {ROLE_CLIENT, "client", "vectron", "the commands that talk to a server"},
    {0, NULL, NULL, NULL},
};

const struct role_name *role_by_name(const char *name) {
    for (const struct role_name *role = role_names; role->role; role++) {
        if (strcmp(role->name, name) == 0) return role;
        if (role->role != ROLE_CLIENT && role->role != ROLE_UP && strcmp(role->stem, name) == 0)
            return role;
    }
    return NULL;
}

const struct role_name *role_by_bit(unsigned bit) {
    for (const struct role_name *role = role_names; role->role; role++)
        if (role->role == bit) return role;
    return NULL;
}

const struct setting *setting_find(const char *name, unsigned role) {
    for (size_t i = 0; i < setting_count; i++)
        if ((setting_table[i].roles & role) && strcmp(setting_table[i].name, name) == 0)
            return &setting_table[i];
    return NULL;
}

const struct setting *setting_by_flag(const char *flag, unsigned role) {
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        if ((row->roles & role) && row->flag && strcmp(row->flag, flag) == 0) return row;
    }
    return NULL;
}

bool setting_known(const char *name) {
    return setting_find(name, ~0u) != NULL;
}

const char *setting_nearest(const char *name) {
    const char *best = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < setting_count; i++) {
        size_t distance = suggest_distance(name, setting_table[i].name);
        if (distance >= least) continue;
        least = distance;
        best = setting_table[i].name;
    }
    return best && suggest_near(name, best, least) ? best : NULL;
}

const char *setting_type_name(enum setting_type type) {
    static const char *const names[] = {
        [SETTING_BOOL] = "bool",         [SETTING_INT] = "integer",     [SETTING_REAL] = "number",
        [SETTING_DURATION] = "duration", [SETTING_SIZE] = "size",       [SETTING_STRING] = "text",
        [SETTING_LISTEN] = "listener",   [SETTING_ADDRESS] = "address", [SETTING_LINK] = "link",
        [SETTING_LIST] = "list",         [SETTING_ENUM] = "choice",
    };
    return names[type];
}

struct unit {
    const char *name;
    double factor;
};
static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60e3}, {"h", 3600e3}, {NULL, 0},
};
static const struct unit size_units[] = {
    {"B", 1},        {"KB", 0x1p10},  {"KiB", 0x1p10}, {"K", 0x1p10},   {"MB", 0x1p20},
    {"MiB", 0x1p20}, {"M", 0x1p20},   {"GB", 0x1p30},  {"GiB", 0x1p30}, {"G", 0x1p30},
    {"TB", 0x1p40},  {"TiB", 0x1p40}, {NULL, 0},
};

static double unit_factor(const struct unit *units, const char *name) {
    for (; units->name; units++)
        if (strcasecmp(units->name, name) == 0) return units->factor;
    return 0;
}

static void print_bound(const struct setting *row, double value, struct buffer *out) {
    if (row->type == SETTING_DURATION) {
        if (value >= 1000 && fmod(value, 1000) == 0)
            buffer_printf(out, "%.0fs", value / 1000);
        else
            buffer_printf(out, "%.0fms", value);
    } else if (row->type == SETTING_SIZE) {
        if (value >= 0x1p30)
            buffer_printf(out, "%.0fGB", value / 0x1p30);
        else if (value >= 0x1p20)
            buffer_printf(out, "%.0fMB", value / 0x1p20);
        else
            buffer_printf(out, "%.0f", value);
    } else if (row->type == SETTING_REAL) {
        buffer_printf(out, "%g", value);
    } else {
        buffer_printf(out, "%.0f", value);
    }
}

void setting_range(const struct setting *row, struct buffer *out) {
    if (row->type == SETTING_BOOL) {
        buffer_printf(out, "0 or 1");
    } else if (row->choices) {
        buffer_printf(out, "one of %s", row->choices);
    } else if (row->low != 0 || row->high != 0) {
        print_bound(row, row->low, out);
        buffer_printf(out, " to ");
        print_bound(row, row->high, out);
    }
}

/* Digits, at most one dot and a sign: strtod with a C-locale decimal point by construction, since
 * the program never calls setlocale. */
static bool read_number(const char *text, double *out, const char **rest) {
    const char *at = text;
    if (*at == '-' || *at == '+') at++;
    if (!isdigit((unsigned char)*at)) return false;
    while (isdigit((unsigned char)*at) || *at == '.')
        at++;
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    if (errno == ERANGE || !isfinite(*out)) return false;
    *rest = end;
    return end == at;
}

static bool parse_bool(const char *text, bool *out) {
    static const char *const words[] = {"0",   "1",   "false", "true", "no",
                                        "yes", "off", "on",    "f",    "t"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i]) != 0) continue;
        *out = i % 2 == 1;
        return true;
    }
    return false;
}

static bool parse_quantity(const struct setting *row, const char *text, double *out) {
    const char *rest;
    double value;
    if (!read_number(text, &value, &rest)) return false;
    while (*rest == ' ')
        rest++;
    if (row->type == SETTING_INT) {
        *out = value;
        return *rest == 0 && fabs(value) < 0x1p53 && value == floor(value);
    }
    if (row->type == SETTING_REAL) {
        *out = value;
        return *rest == 0;
    }
    const struct unit *units = row->type == SETTING_DURATION ? time_units : size_units;
    const char *unit = *rest ? rest : row->unit ? row->unit : units->name;
    double factor = unit_factor(units, unit);
    *out = value * factor;
    return factor > 0 && *out < 0x1p53;
}

static bool in_choices(const char *choices, const char *text) {
    size_t n = strlen(text);
    for (const char *at = choices; *at;) {
        size_t size = strcspn(at, " ");
        if (size == n && strncasecmp(at, text, n) == 0) return true;
        at += size + (at[size] == ' ');
    }
    return false;
}

/* host:port, [v6]:port, :port; the host is judged by the resolver later. */
static bool address_fits(const char *text) {
    const char *colon = strrchr(text, ':');
    if (!colon || strpbrk(text, " \t/\"'")) return false;
    if (text[0] == '[' && colon[-1] != ']') return false;
    if (text[0] != '[' && memchr(text, ':', (size_t)(colon - text))) return false;
    const char *port = colon + 1;
    size_t digits = strspn(port, "0123456789");
    return digits >= 1 && digits <= 5 && port[digits] == 0 && strtoul(port, NULL, 10) <= 65535;
}

static bool link_fits(const char *text) {
    if (strcmp(text, "none") == 0) return true;
    if (strncmp(text, "ipc://", 6) == 0) return text[6] != 0;
    return address_fits(strncmp(text, "tcp://", 6) == 0 ? text + 6 : text);
}

static bool client_address_fits(const char *text) {
    if (strncmp(text, "https://", 8) == 0) return address_fits(text + 8);
    return address_fits(strncmp(text, "http://", 7) == 0 ? text + 7 : text);
}

static bool text_fits(const struct setting *row, const char *text, struct setting_value *value) {
    switch (row->type) {
    case SETTING_BOOL:
        return parse_bool(text, &value->on);
    case SETTING_INT:
    case SETTING_REAL:
    case SETTING_DURATION:
    case SETTING_SIZE:
        if (!parse_quantity(row, text, &value->real)) return false;
        value->number = (int64_t)value->real;
        return (row->low == 0 && row->high == 0) ||
               (value->real >= row->low && value->real <= row->high);
    case SETTING_ENUM:
        return in_choices(row->choices, text);
    case SETTING_LISTEN:
        return address_fits(text);
    case SETTING_ADDRESS:
        return client_address_fits(text);
    case SETTING_LINK:
        return link_fits(text);
    default:
        return true;
    }
}

static const char *form(enum setting_type type) {
    switch (type) {
    case SETTING_BOOL:
        return "0, 1, true or false";
    case SETTING_INT:
        return "a whole number";
    case SETTING_REAL:
        return "a number";
    case SETTING_DURATION:
        return "a duration such as 250ms, 5s or 2m";
    case SETTING_SIZE:
        return "a size such as 64MB or 1GB";
    case SETTING_LISTEN:
    case SETTING_ADDRESS:
        return "host:port";
    case SETTING_LINK:
        return "host:port, tcp://host:port, ipc://path or none";
    default:
        return "one of the choices";
    }
}

enum status setting_parse(const struct setting *row,
                          const char *text,
                          struct setting_value *out,
                          struct buffer *why) {
    struct setting_value value = {0};
    bool empty_fits = row->type >= SETTING_STRING && row->type != SETTING_ENUM;
    if ((*text == 0 && (empty_fits || *row->fallback == 0)) || text_fits(row, text, &value)) {
        *out = value;
        return STATUS_OK;
    }
    buffer_printf(why, "%s: \"%s\" is not %s", row->name, row->secret ? "***" : text,
                  form(row->type));
    if (row->choices || row->low != 0 || row->high != 0) {
        buffer_printf(why, " (");
        setting_range(row, why);
        buffer_printf(why, ")");
    }
    return STATUS_INVALID;
}
