/* package: descriptions of Debian packages, out of the paragraphs that `apt-cache dumpavail` prints
 * (Debian policy 5.1) or a file of that form. */
#ifndef CLI_PACKAGE_H
#define CLI_PACKAGE_H

#include <stdio.h>

#include "cli/embed.h"
#include "runtime/arena.h"

/* Texts live in the list's arena; "" when the paragraph has no such field. */
struct package {
    const char *name;
    const char *section;
    const char *summary; /* first line of the description */
    const char *text;    /* the others; often absent: apt keeps them elsewhere */
    const char *tags;    /* debtags: "works-with::audio, interface::commandline" */
};

struct package_list {
    struct package *packages; /* owned; by name, each name once */
    size_t n;
    struct arena arena;
};

void package_list_init(struct package_list *list);
void package_list_reset(struct package_list *list);
/* Adds all paragraphs up to the end. The first of two packages of one name is kept. IO, NO_MEMORY.
 */
MUST_USE enum status package_list_read(struct package_list *list, FILE *file);
/* Sorts by name and drops what came twice. */
void package_list_sort(struct package_list *list);

enum { PACKAGE_PARTS = 5 };
/* The parts of a package for the embedder: name and summary count most. */
void package_parts(const struct package *package, struct embed_part out[PACKAGE_PARTS]);

#endif
