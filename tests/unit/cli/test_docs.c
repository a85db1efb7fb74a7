/* What is generated from the table and committed is up to date. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config_print.h"

static char *file_text(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s is missing", path);
    char *text = calloc(1, 1 << 20);
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    cr_assert_gt(size, 0);
    fclose(file);
    return text;
}

static void expect_same(const char *name, const char *made, const char *how) {
    char *kept = file_text(name);
    cr_expect(strcmp(kept, made) == 0, "%s is out of date: build/release/vectron config %s > %s",
              name, how, name);
    free(kept);
}

Test(docs, tuning_md_is_up_to_date) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    config_print_markdown(out);
    fclose(out);
    expect_same("docs/tuning.md", text, "--markdown");
    free(text);
}

Test(docs, env_samples_are_up_to_date) {
    static const unsigned roles[] = {ROLE_UP, ROLE_PD, ROLE_WORKER, ROLE_GATEWAY};
    for (size_t i = 0; i < 4; i++) {
        const struct role_name *role = role_by_bit(roles[i]);
        char *text = NULL, name[64], how[64];
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        config_print_sample(roles[i], out);
        fclose(out);
        snprintf(name, sizeof name, "deploy/env/%s.env", role->stem);
        snprintf(how, sizeof how, "%s --sample", role->name);
        expect_same(name, text, how);
        free(text);
    }
}
