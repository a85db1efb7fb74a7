/* filter_text: recursive descent, a function a rule:
 *
 *     filter     = all { "or" all }
 *     all        = term { "and" term }
 *     term       = "not" term | "(" filter ")" | condition
 *     condition  = key ( comparison value | ["not"] "in" "(" value { "," value } ")"
 *                        | "prefix" text | "exists" | "missing" )
 *     comparison = "=" | "!=" | "<" | "<=" | ">" | ">="
 *     value      = text | number | "true" | "false" | ( "integer" | "datetime" ) "(" … ")"
 *
 * Words in any case. The first thing that is wrong ends it; its place is remembered. */
#include "cli/filter_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/filter.h"
#include "runtime/text.h"

typedef Vectron__V1__Filter Filter;

enum token_type { END, WORD, KEY, TEXT, NUMBER, SIGN, WRONG };

struct token {
    enum token_type type;
    const char *at; /* in the text */
    size_t size;
    char *value; /* of WORD, KEY, TEXT, NUMBER: in the arena, unescaped */
};

struct parser {
    const char *text;
    const char *at; /* behind the token */
    struct arena *arena;
    struct token token; /* the next one */
    unsigned level;
    enum status status;
    const char *expected; /* words for what should have been there; NULL: wrong says it all */
    const char *wrong;
    const char *place;
};

/* Remembers the first failure. */
static void fail_at(struct parser *self, const char *place, const char *wrong) {
    if (self->status != STATUS_OK) return;
    self->status = STATUS_INVALID;
    self->wrong = wrong;
    self->place = place;
}

static void expect_failed(struct parser *self, const char *expected) {
    if (self->status != STATUS_OK) return;
    self->status = STATUS_INVALID;
    self->expected = expected;
    self->place = self->token.at;
}

static void *take_memory(struct parser *self, size_t size) {
    void *memory = arena_zero(self->arena, size);
    if (!memory && self->status == STATUS_OK) self->status = STATUS_NO_MEMORY;
    return memory;
}

/* --- tokens ---------------------------------------------------------------------------------- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool begins_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool in_word(char c) {
    return begins_word(c) || is_digit(c) || c == '.' || c == '-';
}

static bool in_number(char c) {
    return is_digit(c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

static char *keep(struct parser *self, const char *text, size_t size) {
    char *copy = take_memory(self, size + 1);
    if (copy) memcpy(copy, text, size);
    return copy;
}

static char unescaped(char c) {
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '\\':
    case '"':
    case '\'':
    case '`':
        return c;
    default:
        return '\0';
    }
}

/* A text in quotes, or a key in backticks. */
static void read_quoted(struct parser *self, struct token *token) {
    char quote = *self->at++;
    const char *end = self->at;
    while (*end && *end != quote)
        end += *end == '\\' && end[1] ? 2 : 1;
    char *copy = take_memory(self, (size_t)(end - self->at) + 1), *to = copy;
    if (!copy) return;
    while (self->at < end) {
        if (*self->at != '\\') {
            *to++ = *self->at++;
            continue;
        }
        *to = unescaped(self->at[1]);
        if (!*to++) {
            fail_at(self, self->at, "an escape is one of \\\" \\' \\` \\\\ \\n \\t");
            return;
        }
        self->at += 2;
    }
    if (!*end) {
        fail_at(self, token->at, "this quote is never closed");
        return;
    }
    self->at = end + 1;
    token->value = copy;
    token->type = quote == '`' ? KEY : TEXT;
}

static void read_span(struct parser *self, struct token *token, bool (*part)(char)) {
    while (part(*self->at))
        self->at++;
    token->value = keep(self, token->at, (size_t)(self->at - token->at));
}

static void read_sign(struct parser *self, struct token *token) {
    static const char *const signs[] = {"<=", ">=", "!=", "==", "<", ">", "=", "(", ")", ","};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t size = strlen(signs[i]);
        if (strncmp(self->at, signs[i], size) != 0) continue;
        token->type = SIGN;
        self->at += size;
        return;
    }
    self->at += text_character(self->at, strlen(self->at));
    fail_at(self, token->at, "no filter has this character outside quotes");
}

static void advance(struct parser *self) {
    while (*self->at && strchr(" \t\r\n", *self->at))
        self->at++;
    struct token *token = &self->token;
    *token = (struct token){.type = WRONG, .at = self->at};
    char c = *self->at;
    bool number = is_digit(c) || ((c == '-' || c == '+' || c == '.') &&
                                  (is_digit(self->at[1]) || self->at[1] == '.'));
    if (c == '\0') {
        token->type = END;
    } else if (c == '"' || c == '\'' || c == '`') {
        read_quoted(self, token);
    } else if (number) {
        token->type = NUMBER;
        read_span(self, token, in_number);
    } else if (begins_word(c)) {
        token->type = WORD;
        read_span(self, token, in_word);
    } else {
        read_sign(self, token);
    }
    token->size = (size_t)(self->at - token->at);
}

static bool is_word(const struct parser *self, const char *word) {
    return self->status == STATUS_OK && self->token.type == WORD &&
           strcasecmp(self->token.value, word) == 0;
}

static bool take_word(struct parser *self, const char *word) {
    if (!is_word(self, word)) return false;
    advance(self);
    return true;
}

static bool take_sign(struct parser *self, const char *sign) {
    bool there = self->status == STATUS_OK && self->token.type == SIGN &&
                 self->token.size == strlen(sign) &&
                 strncmp(self->token.at, sign, self->token.size) == 0;
    if (there) advance(self);
    return there;
}

static void want_sign(struct parser *self, const char *sign, const char *expected) {
    if (!take_sign(self, sign)) expect_failed(self, expected);
}

/* --- messages -------------------------------------------------------------------------------- */

static Filter *new_filter(struct parser *self) {
    Filter *filter = take_memory(self, sizeof *filter);
    if (filter) vectron__v1__filter__init(filter);
    return filter;
}

static Filter *none_of(struct parser *self, Filter *inner) {
    Filter *filter = new_filter(self);
    Filter **list = take_memory(self, sizeof *list);
    if (!filter || !list || !inner) return NULL;
    *list = inner;
    filter->n_none = 1;
    filter->none = list;
    return filter;
}

/* --- values ---------------------------------------------------------------------------------- */

enum kind { KIND_TEXT, KIND_NUMBER, KIND_INTEGER, KIND_DATETIME, KIND_BOOL };

struct value {
    enum kind kind;
    const char *at;
    char *text;
    double number;
    int64_t integer;
    bool yes;
};

/* Beyond, float64 no longer tells one integer from the next. */
#define EXACT_MAX (INT64_C(1) << 53)

static bool to_integer(const char *text, int64_t *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return errno == 0 && end != text && *end == '\0';
}

static void read_number(struct parser *self, struct value *out) {
    const char *text = self->token.value;
    uint64_t key;
    if (!filter_read(FILTER_NUMBER, text, strlen(text), &key)) {
        fail_at(self, out->at, "this is not a number");
        return;
    }
    out->kind = KIND_NUMBER;
    out->number = strtod(text, NULL);
    bool whole = to_integer(text, &out->integer);
    if (whole && (out->integer > EXACT_MAX || out->integer < -EXACT_MAX)) out->kind = KIND_INTEGER;
}

/* integer(…) and datetime(…) */
static void read_cast(struct parser *self, struct value *out) {
    bool integer = is_word(self, "integer");
    uint64_t key;
    advance(self);
    want_sign(self, "(", integer ? "\"(\" behind integer" : "\"(\" behind datetime");
    if (self->status != STATUS_OK) return;
    out->at = self->token.at;
    out->text = self->token.value;
    out->kind = integer ? KIND_INTEGER : KIND_DATETIME;
    if (self->token.type != (integer ? NUMBER : TEXT))
        expect_failed(self, integer ? "an integer" : "a date-time in quotes");
    else if (integer && !to_integer(out->text, &out->integer))
        fail_at(self, out->at, "this is not an integer of 64 bits");
    else if (!integer && !filter_read(FILTER_DATETIME, out->text, strlen(out->text), &key))
        fail_at(self, out->at, "this is not a date-time of RFC 3339, like 2024-05-01T12:00:00Z");
    if (self->status != STATUS_OK) return;
    advance(self);
    want_sign(self, ")", "\")\"");
}

static void read_value(struct parser *self, struct value *out) {
    *out = (struct value){.at = self->token.at, .text = self->token.value};
    if (self->status != STATUS_OK) return;
    if (is_word(self, "integer") || is_word(self, "datetime")) {
        read_cast(self, out);
        return;
    }
    if (is_word(self, "true") || is_word(self, "false")) {
        out->kind = KIND_BOOL;
        out->yes = is_word(self, "true");
    } else if (self->token.type == NUMBER) {
        read_number(self, out);
    } else if (self->token.type != TEXT) {
        bool word = self->token.type == WORD;
        expect_failed(self, word ? "a value: texts stand in quotes" : "a value");
    }
    if (self->status == STATUS_OK) advance(self);
}

/* --- conditions ------------------------------------------------------------------------------ */

/* The one list of values of a kind, as the condition that it is. */
static void set_any_of(struct parser *self, Filter *filter, const struct value *values, size_t n) {
    enum kind kind = values[0].kind;
    void *list = take_memory(self, n * sizeof(double)); /* no kind is larger */
    if (!list) return;
    if (kind == KIND_TEXT) {
        filter->keyword = take_memory(self, sizeof *filter->keyword);
        if (!filter->keyword) return;
        vectron__v1__keyword_condition__init(filter->keyword);
        filter->condition_case = VECTRON__V1__FILTER__CONDITION_KEYWORD;
        filter->keyword->any_of = list;
        for (; filter->keyword->n_any_of < n; filter->keyword->n_any_of++)
            filter->keyword->any_of[filter->keyword->n_any_of] =
                values[filter->keyword->n_any_of].text;
    } else if (kind == KIND_NUMBER) {
        filter->number = take_memory(self, sizeof *filter->number);
        if (!filter->number) return;
        vectron__v1__number_condition__init(filter->number);
        filter->condition_case = VECTRON__V1__FILTER__CONDITION_NUMBER;
        filter->number->any_of = list;
        for (; filter->number->n_any_of < n; filter->number->n_any_of++)
            filter->number->any_of[filter->number->n_any_of] =
                values[filter->number->n_any_of].number;
    } else if (kind == KIND_INTEGER) {
        filter->integer = take_memory(self, sizeof *filter->integer);
        if (!filter->integer) return;
        vectron__v1__integer_condition__init(filter->integer);
        filter->condition_case = VECTRON__V1__FILTER__CONDITION_INTEGER;
        filter->integer->any_of = list;
        for (; filter->integer->n_any_of < n; filter->integer->n_any_of++)
            filter->integer->any_of[filter->integer->n_any_of] =
                values[filter->integer->n_any_of].integer;
    } else {
        filter->datetime = take_memory(self, sizeof *filter->datetime);
        if (!filter->datetime) return;
        vectron__v1__datetime_condition__init(filter->datetime);
        filter->condition_case = VECTRON__V1__FILTER__CONDITION_DATETIME;
        filter->datetime->any_of = list;
        for (; filter->datetime->n_any_of < n; filter->datetime->n_any_of++)
            filter->datetime->any_of[filter->datetime->n_any_of] =
                values[filter->datetime->n_any_of].text;
    }
}

static void set_equal(struct parser *self, Filter *filter, const struct value *value) {
    if (value->kind != KIND_BOOL) {
        set_any_of(self, filter, value, 1);
        return;
    }
    filter->condition_case = VECTRON__V1__FILTER__CONDITION_BOOLEAN;
    filter->boolean = value->yes;
}

struct order {
    bool less;  /* < and <= */
    bool equal; /* <= and >= */
};

/* A bound on numbers, integers or date-times: the same members in three messages. */
#define SET_BOUND(self, filter, order, member, NAME, Name, value) \
    do { \
        filter->member = take_memory(self, sizeof *filter->member); \
        if (!filter->member) break; \
        vectron__v1__##Name##_condition__init(filter->member); \
        filter->condition_case = VECTRON__V1__FILTER__CONDITION_##NAME; \
        if (order.less) { \
            filter->member->upper_case = order.equal ? VECTRON__V1__##NAME##_CONDITION__UPPER_LTE \
                                                     : VECTRON__V1__##NAME##_CONDITION__UPPER_LT; \
            filter->member->lt = value; /* lte is the same place */ \
        } else { \
            filter->member->lower_case = order.equal ? VECTRON__V1__##NAME##_CONDITION__LOWER_GTE \
                                                     : VECTRON__V1__##NAME##_CONDITION__LOWER_GT; \
            filter->member->gt = value; \
        } \
    } while (0)

static void
set_order(struct parser *self, Filter *filter, struct order order, const struct value *value) {
    uint64_t key;
    switch (value->kind) {
    case KIND_NUMBER:
        SET_BOUND(self, filter, order, number, NUMBER, number, value->number);
        return;
    case KIND_INTEGER:
        SET_BOUND(self, filter, order, integer, INTEGER, integer, value->integer);
        return;
    case KIND_TEXT:
        if (!filter_read(FILTER_DATETIME, value->text, strlen(value->text), &key)) break;
        /* fall through */
    case KIND_DATETIME:
        SET_BOUND(self, filter, order, datetime, DATETIME, datetime, value->text);
        return;
    default:
        break;
    }
    fail_at(self, value->at,
            "only numbers and date-times, like \"2024-05-01T12:00:00Z\", have an order");
}

/* What stands between key and value. */
static Filter *read_comparison(struct parser *self, Filter *filter) {
    static const struct {
        const char *sign;
        bool equality, negated;
        struct order order;
    } signs[] = {
        {"=", true, false, {0}},
        {"==", true, false, {0}},
        {"!=", true, true, {0}},
        {"<", false, false, {.less = true}},
        {"<=", false, false, {.less = true, .equal = true}},
        {">", false, false, {0}},
        {">=", false, false, {.equal = true}},
    };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!take_sign(self, signs[i].sign)) continue;
        struct value value;
        read_value(self, &value);
        if (self->status != STATUS_OK) return NULL;
        if (signs[i].equality)
            set_equal(self, filter, &value);
        else
            set_order(self, filter, signs[i].order, &value);
        return signs[i].negated ? none_of(self, filter) : filter;
    }
    expect_failed(self,
                  "=, !=, <, <=, >, >=, in, not in, prefix, exists or missing behind the key");
    return NULL;
}

/* ( value, … ): of one kind. */
static Filter *read_list(struct parser *self, Filter *filter) {
    struct value *values = take_memory(self, FILTER_VALUES_MAX * sizeof *values);
    size_t n = 0;
    want_sign(self, "(", "\"(\" behind in");
    do {
        if (self->status != STATUS_OK || !values) return NULL;
        if (n == FILTER_VALUES_MAX) {
            fail_at(self, self->token.at, "more than 4096 values in a list");
            return NULL;
        }
        read_value(self, &values[n]);
        if (self->status != STATUS_OK) return NULL;
        if (values[n].kind == KIND_BOOL)
            fail_at(self, values[n].at, "true and false are asked for with =");
        else if (values[n].kind != values[0].kind)
            fail_at(self, values[n].at, "the values of a list are of one kind");
        n++;
    } while (take_sign(self, ","));
    want_sign(self, ")", "\",\" or \")\"");
    if (self->status == STATUS_OK) set_any_of(self, filter, values, n);
    return filter;
}

static Filter *read_prefix(struct parser *self, Filter *filter) {
    if (self->token.type != TEXT || self->status != STATUS_OK) {
        expect_failed(self, "a text in quotes behind prefix");
        return NULL;
    }
    if (!self->token.value[0]) {
        fail_at(self, self->token.at, "every text begins with nothing: use exists");
        return NULL;
    }
    filter->keyword = take_memory(self, sizeof *filter->keyword);
    if (!filter->keyword) return NULL;
    vectron__v1__keyword_condition__init(filter->keyword);
    filter->condition_case = VECTRON__V1__FILTER__CONDITION_KEYWORD;
    filter->keyword->prefix = self->token.value;
    advance(self);
    return filter;
}

static Filter *read_condition(struct parser *self) {
    bool key = self->token.type == WORD || self->token.type == KEY;
    if (!key || self->status != STATUS_OK) {
        expect_failed(self, "a key, \"not\" or \"(\"");
        return NULL;
    }
    Filter *filter = new_filter(self);
    if (!filter) return NULL;
    filter->key = self->token.value;
    if (!filter->key[0]) fail_at(self, self->token.at, "a key has at least one character");
    advance(self);
    if (is_word(self, "exists") || is_word(self, "missing")) {
        filter->condition_case = VECTRON__V1__FILTER__CONDITION_EXISTS;
        filter->exists = is_word(self, "exists");
        advance(self);
        return filter;
    }
    if (take_word(self, "in")) return read_list(self, filter);
    if (take_word(self, "prefix")) return read_prefix(self, filter);
    if (!take_word(self, "not")) return read_comparison(self, filter);
    if (!take_word(self, "in")) {
        expect_failed(self, "\"in\" behind not");
        return NULL;
    }
    return none_of(self, read_list(self, filter));
}

/* --- and, or, not ---------------------------------------------------------------------------- */

static Filter *read_filter(struct parser *self);

static Filter *read_term(struct parser *self) {
    const char *place = self->token.at;
    bool negated = take_word(self, "not");
    if (!negated && !take_sign(self, "(")) return read_condition(self);
    if (++self->level > FILTER_TEXT_LEVELS) {
        fail_at(self, place, "brackets and not are nested more than 7 levels deep");
        return NULL;
    }
    Filter *filter = negated ? none_of(self, read_term(self)) : read_filter(self);
    if (!negated) want_sign(self, ")", "\")\", \"and\" or \"or\"");
    self->level--;
    return filter;
}

/* Terms with a word between them, as a list of the filter that joins them. */
static Filter *
read_joined(struct parser *self, const char *word, Filter *(*part)(struct parser *)) {
    Filter *first = part(self);
    if (!is_word(self, word)) return first;
    Filter **list = take_memory(self, FILTER_TEXT_TERMS * sizeof *list);
    Filter *joined = new_filter(self);
    size_t n = 1;
    if (!list || !joined) return NULL;
    list[0] = first;
    while (take_word(self, word)) {
        if (n == FILTER_TEXT_TERMS) {
            fail_at(self, self->token.at, "more than 256 terms are joined");
            return NULL;
        }
        list[n++] = part(self);
    }
    bool all = strcmp(word, "and") == 0;
    *(all ? &joined->all : &joined->any) = list;
    *(all ? &joined->n_all : &joined->n_any) = n;
    return joined;
}

static Filter *read_all(struct parser *self) {
    return read_joined(self, "and", read_term);
}

static Filter *read_filter(struct parser *self) {
    return read_joined(self, "or", read_all);
}

/* --- the whole ------------------------------------------------------------------------------- */

enum { SHOWN_BYTES = 60, SHOWN_BEFORE = 40 };

static bool continues(char c) {
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The text around the place, and a mark below it. */
static void show_place(const struct parser *self, struct buffer *why) {
    const char *from = self->text;
    if (self->place - from > SHOWN_BEFORE) {
        from = self->place - SHOWN_BEFORE;
        while (continues(*from))
            from++;
    }
    size_t size = strlen(from), columns = 0;
    if (size > SHOWN_BYTES + SHOWN_BEFORE) size = text_cut(from, SHOWN_BYTES + SHOWN_BEFORE);
    buffer_printf(why, "\n  ");
    for (size_t i = 0; i < size; i++)
        buffer_printf(why, "%c", strchr("\t\r\n", from[i]) ? ' ' : from[i]);
    for (const char *at = from; at < self->place; at++)
        columns += !continues(*at);
    buffer_printf(why, "\n  %*s^", (int)columns, "");
}

static void explain(const struct parser *self, struct buffer *why) {
    size_t column = 1;
    for (const char *at = self->text; at < self->place; at++)
        column += !continues(*at);
    if (self->wrong)
        buffer_printf(why, "at character %zu: %s", column, self->wrong);
    else if (self->token.type == END)
        buffer_printf(why, "at its end: expected %s", self->expected);
    else
        buffer_printf(why, "at character %zu: expected %s, not %.*s", column, self->expected,
                      (int)(self->token.size > SHOWN_BYTES ? text_cut(self->token.at, SHOWN_BYTES)
                                                           : self->token.size),
                      self->token.at);
    show_place(self, why);
}

enum status filter_text_read(const char *text,
                             struct arena *arena,
                             Vectron__V1__Filter **out,
                             struct buffer *why) {
    struct parser self = {.text = text, .at = text, .arena = arena, .place = text};
    size_t size = strnlen(text, FILTER_TEXT_MAX + 1);
    if (size > FILTER_TEXT_MAX) {
        buffer_printf(why, "is above the limit of %d bytes", FILTER_TEXT_MAX);
        return STATUS_INVALID;
    }
    if (!text_valid(text, size)) {
        buffer_printf(why, "is not valid UTF-8");
        return STATUS_INVALID;
    }
    advance(&self);
    Filter *filter = read_filter(&self);
    if (self.status == STATUS_OK && self.token.type != END)
        expect_failed(&self, "\"and\", \"or\" or the end");
    if (self.status == STATUS_INVALID) explain(&self, why);
    if (self.status == STATUS_OK) *out = filter;
    return self.status;
}
