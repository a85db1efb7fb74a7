/* preset: names for how widely a search looks. */
#ifndef EDGE_PRESET_H
#define EDGE_PRESET_H

#include <stdbool.h>

#include "adapters/edge/check.h"

/* What a preset stands for: a recall at 10, or everything. */
struct preset {
    float target_recall; /* 0: none was given, or it is exact */
    bool exact;
};
/* "" is none. INVALID: words for a name that is no preset. */
MUST_USE enum status preset_read(const char *name, struct preset *out, struct check *check);
/* The name of what a collection keeps; "": none. */
const char *preset_name(float target_recall, bool exact);

#endif
