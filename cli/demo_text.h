/* demo_text: a small corpus for machines without apt's lists: descriptions of everyday software, in
 * the form of package paragraphs (package.h). */
#ifndef CLI_DEMO_TEXT_H
#define CLI_DEMO_TEXT_H

/* Paragraphs, ended by NULL. */
extern const char *const demo_text[];

#endif
