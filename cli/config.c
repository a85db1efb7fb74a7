/* config: the environment as a list of (name, value, from) to which files are added in the
 * contract's order (11.1), then one value per row of the role. */
#include "cli/config.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli/address.h"
#include "cli/environment.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

struct config_value {
    const struct setting *setting;
    char *text; /* owned */
    char *from; /* owned */
    struct setting_value value;
};

struct config {
    unsigned role;
    size_t n;
    struct config_value values[]; /* rows of the role, in table order */
};

/* While loading: what goes where. */
struct loading {
    const struct config_source *source;
    struct environment *environment;
    struct config *config;
    struct buffer *warnings;
    struct buffer *errors;
    bool failed;
};

static struct config_value *value_of(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->n; i++)
        if (strcmp(config->values[i].setting->name, name) == 0)
            return (struct config_value *)&config->values[i];
    return NULL;
}

static void set_text(struct config_value *value, const char *text, const char *from) {
    mem_free(value->text);
    mem_free(value->from);
    value->text = mem_string(text);
    value->from = mem_string(from);
}

/* What was given for this row, NULL: nothing. */
static const char *
given(const struct loading *loading, const struct setting *row, const char **from) {
    const struct args *args = loading->source->args;
    for (size_t i = args ? args->n_settings : 0; i-- > 0;) {
        if (args->settings[i].setting != row) continue;
        *from = "flag";
        return args->settings[i].text;
    }
    return environment_get(loading->environment, row->name, from);
}

static void fill_row(struct loading *loading, struct config_value *value) {
    const struct setting *row = value->setting;
    const char *from = "default";
    const char *text = given(loading, row, &from);
    if (row->kind == SETTING_ACCEPTED) {
        if (text)
            buffer_printf(loading->warnings, "%s has no effect: %s\n", row->name, row->effect);
        set_text(value, text ? text : row->fallback, from);
        return;
    }
    set_text(value, text ? text : row->fallback, from);
    if (value->text &&
        setting_parse(row, value->text, &value->value, loading->errors) != STATUS_OK) {
        buffer_printf(loading->errors, ", from %s\n", from);
        loading->failed = true;
    }
}

/* Mapped rows hand their value to the target unless that one was set itself. */
static void apply_mapped(struct config *config) {
    for (size_t i = 0; i < config->n; i++) {
        const struct config_value *value = &config->values[i];
        if (value->setting->kind != SETTING_MAPPED) continue;
        if (!value->from || strcmp(value->from, "default") == 0) continue;
        struct config_value *target = value_of(config, value->setting->target);
        assert(target);
        if (!target->from || strcmp(target->from, "default") != 0) continue;
        char from[256];
        snprintf(from, sizeof from, "%s, %s", value->setting->name, value->from);
        set_text(target, value->text, from);
        target->value = value->value;
    }
}

/* Where other processes' links are, as this role is told. */
static bool is_link_list(const struct setting *row) {
    return strcmp(row->name, "PD_ADDRS") == 0 || strcmp(row->name, "PLACEMENT_DRIVER") == 0;
}

static bool is_open_list(const struct config_value *value) {
    char members[ADDRESS_MAX];
    const char *list = value->text;
    if (strcmp(value->setting->name, "VECTRON_INITIAL_MEMBERS") == 0) {
        address_members(list, members);
        list = members;
    } else if (!is_link_list(value->setting)) {
        return false;
    }
    return address_open_link(list);
}

static void judge_link(struct loading *loading, const struct config_value *value, bool insecure) {
    const char *name = value->setting->name;
    if (insecure) {
        buffer_printf(
            loading->warnings,
            "%s=%s is a link without keys: anyone on the network can read it and take part "
            "(VECTRON_INSECURE=1)\n",
            name, value->text);
        return;
    }
    buffer_printf(
        loading->errors,
        "%s: \"%s\" is not loopback and has no keys; `vectron admin keygen` makes them for "
        "VECTRON_KEY_FILE and VECTRON_ALLOWED_KEYS%s, or set VECTRON_INSECURE=1\n",
        name, value->text, is_link_list(value->setting) ? ", then write NAME@HOST:PORT" : "");
    loading->failed = true;
}

/* Links that leave this machine have keys: those of this process, or one named in the address. */
static void judge_links(struct loading *loading, bool insecure) {
    struct config *config = loading->config;
    const struct config_value *own = value_of(config, "VECTRON_KEY_FILE");
    const struct config_value *allowed = value_of(config, "VECTRON_ALLOWED_KEYS");
    bool keys = own && own->text && *own->text;
    bool list = allowed && allowed->text && *allowed->text;
    /* A tool's environment may well have the list; most tools need no link. */
    if (own && allowed && keys != list && (keys || config->role != ROLE_CLIENT)) {
        buffer_printf(loading->errors, "%s is set, but not %s\n",
                      keys ? own->setting->name : allowed->setting->name,
                      keys ? allowed->setting->name : own->setting->name);
        loading->failed = true;
    }
    for (size_t i = 0; i < config->n && config->role != ROLE_CLIENT; i++) {
        const struct config_value *value = &config->values[i];
        const struct setting *row = value->setting;
        if (row->kind != SETTING_EFFECTIVE || !value->text) continue;
        bool open = row->type == SETTING_LINK ? !keys && !address_loopback(value->text)
                                              : is_open_list(value);
        if (open) judge_link(loading, value, insecure);
    }
}

static bool malformed(const struct setting *row, const char *text) {
    struct setting_value value;
    struct buffer words;
    buffer_init(&words);
    bool bad = setting_parse(row, text, &value, &words) != STATUS_OK;
    buffer_free(&words);
    return bad;
}

static void judge_listeners(struct loading *loading) {
    struct config *config = loading->config;
    const struct config_value *switched = value_of(config, "VECTRON_INSECURE");
    bool insecure = switched && switched->value.on;
    for (size_t i = 0; i < config->n; i++) {
        const struct config_value *value = &config->values[i];
        const struct setting *row = value->setting;
        bool listens = row->type == SETTING_LISTEN;
        if (config->role == ROLE_CLIENT || !listens || row->kind != SETTING_EFFECTIVE) continue;
        if (!value->text || address_loopback(value->text)) continue;
        if (malformed(row, value->text)) continue; /* said already */
        if (insecure) {
            buffer_printf(
                loading->warnings,
                "%s=%s is open to the network without authentication (VECTRON_INSECURE=1)\n",
                row->name, value->text);
            continue;
        }
        buffer_printf(loading->errors,
                      "%s: \"%s\" is not loopback and authentication is not there yet; listen on "
                      "127.0.0.1, or set VECTRON_INSECURE=1 to open it to everyone\n",
                      row->name, value->text);
        loading->failed = true;
    }
    judge_links(loading, insecure);
}

/* Kubernetes gives every pod VECTRON_…_SERVICE_HOST, _PORT, _PORT_80_TCP … of its services. */
static bool injected(const char *name) {
    return strstr(name, "_SERVICE_") || strstr(name, "_PORT");
}

static void judge_name(void *context, const char *name, const char *from) {
    struct loading *loading = context;
    if (strncmp(name, "VECTRON_", 8) != 0 || setting_known(name) || injected(name)) return;
    const struct config_value *strict = value_of(loading->config, "VECTRON_STRICT_CONFIG");
    bool is_error = strict && strict->value.on;
    struct buffer *out = is_error ? loading->errors : loading->warnings;
    const char *near = setting_nearest(name);
    buffer_printf(out, "%s is unknown (from %s)", name, from);
    if (near) buffer_printf(out, "; did you mean %s?", near);
    buffer_printf(out, "\n");
    if (is_error) loading->failed = true;
}

static struct config *new_config(unsigned role) {
    size_t n = 0;
    for (size_t i = 0; i < setting_count; i++)
        n += (setting_table[i].roles & role) != 0;
    struct config *config = mem_zero(1, sizeof *config + n * sizeof config->values[0]);
    if (!config) return NULL;
    config->role = role;
    for (size_t i = 0; i < setting_count; i++)
        if (setting_table[i].roles & role) config->values[config->n++].setting = &setting_table[i];
    return config;
}

static bool complete(const struct config *config) {
    for (size_t i = 0; i < config->n; i++)
        if (!config->values[i].text || !config->values[i].from) return false;
    return true;
}

enum status config_load(const struct config_source *source,
                        struct config **out,
                        struct buffer *warnings,
                        struct buffer *errors) {
    struct loading loading = {
        .source = source,
        .config = new_config(source->role),
        .warnings = warnings,
        .errors = errors,
    };
    struct environment_options options = {
        .process = source->environment,
        .roots = source->roots,
        .stem = role_by_bit(source->role)->stem,
    };
    enum status status = STATUS_NO_MEMORY;
    if (!loading.config) goto fail;
    status = environment_open(&options, &loading.environment, warnings, errors);
    if (status != STATUS_OK) goto fail;
    for (size_t i = 0; i < loading.config->n; i++)
        fill_row(&loading, &loading.config->values[i]);
    status = STATUS_NO_MEMORY;
    if (!complete(loading.config)) goto fail;
    environment_each(loading.environment, judge_name, &loading);
    apply_mapped(loading.config);
    judge_listeners(&loading);
    status = STATUS_INVALID;
    if (loading.failed) goto fail;
    environment_close(loading.environment);
    *out = loading.config;
    return STATUS_OK;
fail:
    environment_close(loading.environment);
    config_free(loading.config);
    return status;
}

static void print_lines(const char *kind, const struct buffer *lines) {
    const char *at = (const char *)lines->data, *end = at + lines->size;
    while (at < end) {
        size_t size = strcspn(at, "\n");
        fprintf(stderr, "vectron: %s: %.*s\n", kind, (int)size, at);
        at += size + 1;
    }
}

struct config *config_load_process(unsigned role, const struct args *args) {
    char folder[PATH_MAX] = "";
    ssize_t size = readlink("/proc/self/exe", folder, sizeof folder - 1);
    char *slash = size > 0 ? strrchr(folder, '/') : NULL;
    if (slash) *slash = 0;
    const char *const roots[] = {".", slash ? folder : NULL, NULL};
    struct config_source source = {
        .role = role,
        .environment = environ,
        .roots = roots,
        .args = args,
    };
    struct buffer warnings, errors;
    buffer_init(&warnings);
    buffer_init(&errors);
    struct config *config = NULL;
    enum status status = config_load(&source, &config, &warnings, &errors);
    print_lines("warning", &warnings);
    print_lines("error", &errors);
    if (status == STATUS_NO_MEMORY) fputs("vectron: error: out of memory\n", stderr);
    buffer_free(&warnings);
    buffer_free(&errors);
    return config;
}

void config_free(struct config *config) {
    if (!config) return;
    for (size_t i = 0; i < config->n; i++) {
        mem_free(config->values[i].text);
        mem_free(config->values[i].from);
    }
    mem_free(config);
}

static const struct config_value *effective(const struct config *config, const char *name) {
    const struct config_value *value = value_of(config, name);
    assert(value && value->setting->kind == SETTING_EFFECTIVE);
    return value;
}

const char *config_text(const struct config *config, const char *name) {
    return effective(config, name)->text;
}

bool config_on(const struct config *config, const char *name) {
    return effective(config, name)->value.on;
}

double config_real(const struct config *config, const char *name) {
    return effective(config, name)->value.real;
}

int64_t config_number(const struct config *config, const char *name) {
    return effective(config, name)->value.number;
}

unsigned config_role(const struct config *config) {
    return config->role;
}

size_t config_rows(const struct config *config) {
    return config->n;
}

struct config_row config_row(const struct config *config, size_t i) {
    const struct config_value *value = &config->values[i];
    return (struct config_row){value->setting, value->text, value->from};
}
