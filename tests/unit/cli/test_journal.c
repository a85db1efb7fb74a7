/* The journal of an import: what was acknowledged is known after a kill. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/journal.h"

static char folder[] = "/tmp/vectron-journal-XXXXXX";
static char path[128];

static void set_up(void) {
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/data.import/x", folder);
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(journal, .init = set_up, .fini = tear_down);

static struct journal *open_journal(const char *key, bool fresh) {
    struct journal *journal;
    const char *words;
    struct journal_options options = {path, key, fresh};
    cr_assert_eq(journal_open(&options, &journal, &words), STATUS_OK, "%s", words);
    return journal;
}

Test(journal, goes_on_after_a_kill) {
    struct journal *journal = open_journal("k", false);
    journal_add(journal, (uint64_t[]){10, 11, 12, 20}, 4);
    journal_add(journal, (uint64_t[]){0, 1, 2}, 3);
    journal_close(journal, false);
    FILE *file = fopen(path, "a");
    fputs("13 99", file); /* cut by the kill */
    fclose(file);

    journal = open_journal("k", false);
    cr_expect_eq(journal_count(journal), 7);
    cr_expect(journal_has(journal, 0) && journal_has(journal, 12) && journal_has(journal, 20));
    cr_expect(!journal_has(journal, 3) && !journal_has(journal, 13) && !journal_has(journal, 21));
    journal_add(journal, (uint64_t[]){3, 4, 5, 6, 7, 8, 9}, 7);
    journal_close(journal, false);

    journal = open_journal("k", false);
    cr_expect_eq(journal_count(journal), 14);
    for (uint64_t row = 0; row <= 12; row++)
        cr_expect(journal_has(journal, row));
    journal_close(journal, true);
    cr_expect_neq(access(path, F_OK), 0);
    cr_expect_neq(access(folder, F_OK), -1);
}

Test(journal, another_key_starts_anew) {
    struct journal *journal = open_journal("a", false);
    journal_add(journal, (uint64_t[]){1}, 1);
    journal_close(journal, false);
    journal = open_journal("b", false);
    cr_expect_eq(journal_count(journal), 0);
    journal_add(journal, (uint64_t[]){5}, 1);
    journal_close(journal, false);
    journal = open_journal("b", true);
    cr_expect_eq(journal_count(journal), 0);
    journal_close(journal, false);
}

Test(journal, damaged_ones_are_judged) {
    static const char *const texts[] = {
        "", "vectron-import 1", "junk\nk\n1 5\n",
        "vectron-import 1\nk\nx y\n-1 2\n18446744073709551615 9\n1 2\n"};
    static const uint64_t counts[] = {0, 0, 0, 2};
    char parent[128];
    snprintf(parent, sizeof parent, "%s/data.import", folder);
    for (size_t i = 0; i < 4; i++) {
        journal_close(open_journal("k", true), false);
        FILE *file = fopen(path, "w");
        fputs(texts[i], file);
        fclose(file);
        struct journal *journal = open_journal("k", false);
        cr_expect_eq(journal_count(journal), counts[i], "%zu", i);
        journal_close(journal, false);
    }
}
