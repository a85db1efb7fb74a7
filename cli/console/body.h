/* body: what a message holds, as text: by its type's field names, or as hex when the type is not
 * known here. Bodies come from outside. */
#ifndef CONSOLE_BODY_H
#define CONSOLE_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "cli/console/screen.h"

enum { BODY_TEXT_MAX = 2048 };

/* "vectron.v1.VectronService/Search" → "Search"; others as they are. Borrowed. */
const char *body_short(const char *message);
void body_text(const char *type, const uint8_t *data, size_t size, char *out, size_t room);
/* Over as many rows as the area has. Returns those used. */
int body_wrap(struct screen *screen, struct area area, const char *text);

#endif
