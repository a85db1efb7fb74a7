/* preset: the table. A preset travels inside as what it stands for. */
#include "adapters/edge/preset.h"

#include <string.h>

#include "runtime/poison.h"

static const struct {
    const char *name;
    struct preset preset;
} presets[] = {
    {"fast", {.target_recall = 0.9f}},
    {"balanced", {.target_recall = 0.95f}},
    {"accurate", {.target_recall = 0.99f}},
    {"exact", {.exact = true}},
};

enum { N_PRESETS = sizeof presets / sizeof *presets };

enum status preset_read(const char *name, struct preset *out, struct check *check) {
    *out = (struct preset){0};
    if (!name[0]) return STATUS_OK;
    for (int i = 0; i < N_PRESETS; i++) {
        if (strcmp(name, presets[i].name) != 0) continue;
        *out = presets[i].preset;
        return STATUS_OK;
    }
    return check_preset(check, name);
}

const char *preset_name(float target_recall, bool exact) {
    for (int i = 0; i < N_PRESETS; i++)
        if (presets[i].preset.exact ? exact
                                    : !exact && target_recall == presets[i].preset.target_recall)
            return presets[i].name;
    return "";
}
