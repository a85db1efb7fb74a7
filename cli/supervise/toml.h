/* toml: a TOML file read by toml++, as C sees it: a tree of nodes that know their line. All
 * borrowed from the document; any thread, as it does not change. */
#ifndef CLI_SUPERVISE_TOML_H
#define CLI_SUPERVISE_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct toml_document;
struct toml_node;

enum toml_type { TOML_STRING, TOML_INTEGER, TOML_BOOLEAN, TOML_ARRAY, TOML_TABLE, TOML_OTHER };

/* NULL: why has words, with the line where it is known. */
struct toml_document *toml_open(const char *text, size_t size, char *why, size_t why_size);
void toml_close(struct toml_document *document); /* NULL is fine */
const struct toml_node *toml_root(const struct toml_document *document);

enum toml_type toml_type_of(const struct toml_node *node);
unsigned toml_line(const struct toml_node *node);
/* Of a table or array. */
size_t toml_count(const struct toml_node *node);
/* The nth value; key: of a table's, else NULL. */
const struct toml_node *toml_at(const struct toml_node *node, size_t nth, const char **key);
/* Of a table; NULL: no such key. */
const struct toml_node *toml_get(const struct toml_node *node, const char *key);
/* Of a node of that type. */
const char *toml_text(const struct toml_node *node);
int64_t toml_integer(const struct toml_node *node);

#ifdef __cplusplus
}
#endif
#endif
