/* print_openapi: the document, for check_openapi.py. */
#include <stdio.h>

#include "adapters/edge/openapi.h"

int main(void) {
    return puts(edge_openapi()) < 0;
}
