/* toml: the one place where toml++ is known. No exception leaves it. */
#include "cli/supervise/toml.h"

#include <cstdio>
#include <exception>
#include <string_view>
#include <toml++/toml.h>

struct toml_document {
    toml::table table;
};

static const toml::node *in(const struct toml_node *node) {
    return reinterpret_cast<const toml::node *>(node);
}

static const struct toml_node *out(const toml::node *node) {
    return reinterpret_cast<const struct toml_node *>(node);
}

struct toml_document *toml_open(const char *text, size_t size, char *why, size_t why_size) {
    try {
        return new toml_document{toml::parse(std::string_view(text, size))};
    } catch (const toml::parse_error &error) {
        const auto &at = error.source().begin;
        const auto words = error.description();
        std::snprintf(why, why_size, "line %u: %.*s", at.line, static_cast<int>(words.size()),
                      words.data());
    } catch (const std::exception &error) {
        std::snprintf(why, why_size, "%s", error.what());
    }
    return nullptr;
}

void toml_close(struct toml_document *document) {
    delete document;
}

const struct toml_node *toml_root(const struct toml_document *document) {
    return out(&document->table);
}

enum toml_type toml_type_of(const struct toml_node *node) {
    switch (in(node)->type()) {
    case toml::node_type::string:
        return TOML_STRING;
    case toml::node_type::integer:
        return TOML_INTEGER;
    case toml::node_type::boolean:
        return TOML_BOOLEAN;
    case toml::node_type::array:
        return TOML_ARRAY;
    case toml::node_type::table:
        return TOML_TABLE;
    default:
        return TOML_OTHER;
    }
}

unsigned toml_line(const struct toml_node *node) {
    return in(node)->source().begin.line;
}

size_t toml_count(const struct toml_node *node) {
    if (const toml::table *table = in(node)->as_table()) return table->size();
    const toml::array *array = in(node)->as_array();
    return array ? array->size() : 0;
}

const struct toml_node *toml_at(const struct toml_node *node, size_t nth, const char **key) {
    if (key) *key = nullptr;
    const toml::table *table = in(node)->as_table();
    if (!table) return out(in(node)->as_array()->get(nth));
    auto at = table->begin();
    while (nth-- > 0)
        ++at;
    if (key) *key = at->first.str().data(); /* of a std::string: ends in NUL */
    return out(&at->second);
}

const struct toml_node *toml_get(const struct toml_node *node, const char *key) {
    const toml::table *table = in(node)->as_table();
    return table ? out(table->get(key)) : nullptr;
}

const char *toml_text(const struct toml_node *node) {
    return in(node)->as_string()->get().c_str();
}

int64_t toml_integer(const struct toml_node *node) {
    return in(node)->as_integer()->get();
}
