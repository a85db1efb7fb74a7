/* env_file: line by line, in place. */
#include "cli/env_file.h"

#include <ctype.h>
#include <string.h>

static char *skip_blanks(char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\r')
        at++;
    return at;
}

static void cut_blanks_behind(char *text) {
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        text[--n] = 0;
}

/* value begins with a quote: takes what is between, allows only a comment behind. */
static bool unquote(char **value, bool *comment_cut) {
    char quote = **value;
    char *end = strchr(*value + 1, quote);
    if (!end) return false;
    char *rest = skip_blanks(end + 1);
    if (*rest && *rest != '#') return false;
    *comment_cut = *rest == '#';
    *end = 0;
    ++*value;
    return true;
}

static void cut_comment(char *value, bool *comment_cut) {
    for (char *at = value; *at; at++) {
        if (*at != '#' || (at != value && at[-1] != ' ' && at[-1] != '\t')) continue;
        *at = 0;
        *comment_cut = true;
        break;
    }
    cut_blanks_behind(value);
}

static bool name_fits(const char *name) {
    if (!isalpha((unsigned char)*name) && *name != '_') return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_') return false;
    return true;
}

/* NULL: the line has an entry or nothing at all; else what is wrong with it. */
static const char *read_line(char *line, struct env_entry *entry) {
    line = skip_blanks(line);
    entry->name = NULL;
    if (*line == 0 || *line == '#') return NULL;
    if (strncmp(line, "export", 6) == 0 && (line[6] == ' ' || line[6] == '\t'))
        line = skip_blanks(line + 6);
    char *equals = strchr(line, '=');
    if (!equals) return "no '=' in the line";
    *equals = 0;
    cut_blanks_behind(line);
    if (!name_fits(line)) return "the name has other characters than letters, digits and _";
    char *value = skip_blanks(equals + 1);
    entry->comment_cut = false;
    if (*value == '"' || *value == '\'') {
        if (!unquote(&value, &entry->comment_cut)) return "the quote has no end, or text behind it";
    } else {
        cut_comment(value, &entry->comment_cut);
    }
    entry->name = line;
    entry->value = value;
    return NULL;
}

enum status env_file_parse(char *text, env_entry_take take, void *context, struct buffer *why) {
    unsigned number = 0;
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        if (end) *end = 0;
        struct env_entry entry = {.line = ++number};
        const char *wrong = read_line(line, &entry);
        if (wrong) {
            buffer_printf(why, "line %u: %s", number, wrong);
            return STATUS_INVALID;
        }
        if (entry.name) {
            enum status status = take(context, &entry);
            if (status != STATUS_OK) return status;
        }
        line = end ? end + 1 : NULL;
    }
    return STATUS_OK;
}
