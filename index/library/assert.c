/* assert: of libvectron-index, which has no actors and no log: the last words go to stderr. */
#include "runtime/assert.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/poison.h"

void assert_failed(const char *expression, const char *file, int line) {
    (void)fprintf(stderr, "libvectron-index: %s:%d: assertion failed: %s\n", file, line,
                  expression);
    abort();
}
