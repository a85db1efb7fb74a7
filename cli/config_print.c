/* config_print: the table in four forms. docs/tuning.md and deploy/env are made by it, and a test
 * compares. */
#include "cli/config_print.h"

#include <string.h>

#include "adapters/edge/json.h"
#include "cli/table.h"

static const char *shown(const struct config_row *row) {
    return row->setting->secret && *row->text ? "***" : row->text;
}

void config_print_table(const struct config *config, bool accepted, FILE *out) {
    static const char *const heads[] = {"SETTING", "VALUE", "FROM", NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < config_rows(config); i++) {
        struct config_row row = config_row(config, i);
        bool given = strcmp(row.from, "default") != 0;
        if (row.setting->kind != SETTING_EFFECTIVE && !given && !accepted) continue;
        table_row(&table);
        table_cell(&table, 0, "%s", row.setting->name);
        table_cell(&table, 1, "%s", shown(&row));
        const char *note = row.setting->kind == SETTING_ACCEPTED ? " (no effect)"
                           : row.setting->kind == SETTING_MAPPED ? " (see target)"
                                                                 : "";
        table_cell(&table, 2, "%s%s", row.from, note);
    }
    table_print(&table, out);
    table_reset(&table);
}

static const char *const kind_names[] = {
    [SETTING_EFFECTIVE] = "effective",
    [SETTING_MAPPED] = "mapped",
    [SETTING_ACCEPTED] = "accepted",
};

void config_print_json(const struct config *config, FILE *out) {
    struct buffer text;
    buffer_init(&text);
    buffer_printf(&text, "{\"role\":\"%s\",\"settings\":[", role_by_bit(config_role(config))->name);
    for (size_t i = 0; i < config_rows(config); i++) {
        struct config_row row = config_row(config, i);
        buffer_printf(&text, "%s{\"name\":\"%s\",\"value\":", i ? "," : "", row.setting->name);
        json_write_string(&text, shown(&row), strlen(shown(&row)));
        buffer_printf(&text, ",\"from\":");
        json_write_string(&text, row.from, strlen(row.from));
        buffer_printf(&text, ",\"kind\":\"%s\"}", kind_names[row.setting->kind]);
    }
    buffer_printf(&text, "]}\n");
    if (!text.failed) fwrite(text.data, 1, text.size, out);
    buffer_free(&text);
}

static void
print_range(const struct setting *row, const char *before, const char *behind, FILE *out) {
    struct buffer text;
    buffer_init(&text);
    setting_range(row, &text);
    if (text.size) fprintf(out, "%s%s%s", before, (char *)text.data, behind);
    buffer_free(&text);
}

void config_print_sample(unsigned bit, FILE *out) {
    const struct role_name *role = role_by_bit(bit);
    fprintf(
        out,
        "# %s.env: settings of `vectron %s` (%s).\n"
        "# Made by `vectron config %s --sample`. Read from .env.%s, %s.env or env/%s.env in the current folder;\n"
        "# a value of the environment wins unless VECTRON_ENV_OVERRIDE=1. Take the # away to set a line.\n",
        role->stem, role->name, role->about, role->name, role->stem, role->stem, role->stem);
    const char *group = "";
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        if (!(row->roles & bit) || row->kind != SETTING_EFFECTIVE) continue;
        if (strcmp(group, row->group) != 0) fprintf(out, "\n# --- %s\n", row->group);
        group = row->group;
        fprintf(out, "# %s", row->effect);
        print_range(row, " (", ")", out);
        fprintf(out, "\n#%s=%s\n", row->name, row->fallback);
    }
}

static void print_roles(unsigned roles, FILE *out) {
    const char *comma = "";
    for (const struct role_name *role = role_names; role->role; role++) {
        if (!(roles & role->role)) continue;
        fprintf(out, "%s%s", comma, role->name);
        comma = ", ";
    }
}

/* Texts stand in table cells: a bar would end one. */
static void print_cell(const char *text, FILE *out) {
    for (; *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_effective(FILE *out) {
    fputs("## Settings with effect\n\n"
          "| setting | flag | type, range | default | roles | effect |\n"
          "| --- | --- | --- | --- | --- | --- |\n",
          out);
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        if (row->kind != SETTING_EFFECTIVE) continue;
        fprintf(out, "| %s | %s%s | %s", row->name, row->flag ? "--" : "",
                row->flag ? row->flag : "", setting_type_name(row->type));
        if (row->unit) fprintf(out, ", in %s", row->unit);
        print_range(row, ", ", "", out);
        fprintf(out, " | %s | ", row->fallback);
        print_roles(row->roles, out);
        fputs(" | ", out);
        print_cell(row->effect, out);
        fputs(" |\n", out);
    }
}

static void print_others(enum setting_kind kind, FILE *out) {
    fprintf(out, "| setting | flag | roles | %s |\n| --- | --- | --- | --- |\n",
            kind == SETTING_MAPPED ? "counts as" : "why it has no effect");
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        if (row->kind != kind) continue;
        fprintf(out, "| %s | %s%s | ", row->name, row->flag ? "--" : "",
                row->flag ? row->flag : "");
        print_roles(row->roles, out);
        fputs(" | ", out);
        if (kind == SETTING_MAPPED) fprintf(out, "%s: ", row->target);
        print_cell(row->effect, out);
        fputs(" |\n", out);
    }
}

void config_print_markdown(FILE *out) {
    fputs(
        "# Settings\n\n"
        "Made by `vectron config --markdown`; a test compares it with the table in cli/setting_table.c.\n\n"
        "Strongest first: flags; the environment; the role's file (the first that exists of `.env.STEM`, `STEM.env`,\n"
        "`env/STEM.env` in the current folder, then in that of the binary); the file that `STEM_ENV_FILE` names; the one that\n"
        "`VECTRON_ENV_FILE` names; the default. With `VECTRON_ENV_OVERRIDE=1` files win over the environment, and later files over\n"
        "earlier ones. `vectron config ROLE` shows each value and where it came from.\n\n"
        "A line of a file is `KEY=value`, `export KEY=value`, or a comment. White space and `#` behind an unquoted value begin a\n"
        "comment (the original kept it as part of the value, so that its own sample could not be used); quote a value that has\n"
        "` #` in it. An unknown `VECTRON_*` name is warned about with the nearest known one, and is an error with\n"
        "`VECTRON_STRICT_CONFIG=1`; names that Kubernetes injects (`VECTRON_*_SERVICE_*`, `*_PORT*`) are ignored. Durations are\n"
        "written 250ms, 5s, 2m, 1h, sizes 64MB, 1GB (powers of 1024); a bare number counts in the unit of the row.\n\n"
        "| role | file stem | what it is |\n| --- | --- | --- |\n",
        out);
    for (const struct role_name *role = role_names; role->role; role++)
        fprintf(out, "| %s | %s | %s |\n", role->name, role->stem, role->about);
    fputc('\n', out);
    print_effective(out);
    fputs("\n## Other names of the same\n\n", out);
    print_others(SETTING_MAPPED, out);
    fputs(
        "\n## Accepted without effect\n\nNames of the original whose machinery does not exist here, or comes in a later version. "
        "Setting one prints one warning\nline with the reason.\n\n",
        out);
    print_others(SETTING_ACCEPTED, out);
}
