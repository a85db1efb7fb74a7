/* Flags in Go's syntax. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"

static const struct args_flag flags[] = {
    {"k", "N", ""},
    {"exact", NULL, ""},
    {"vector", "JSON", ""},
    {0},
};

static enum status parse(struct args *args, struct buffer *why, char *const *argv) {
    buffer_init(why);
    return args_parse(args, flags, ROLE_CLIENT, argv, why);
}
#define PARSE(...) parse(&args, &why, (char *const[]){__VA_ARGS__, NULL})

/* --target 0.95 */
Test(args, reads_real_numbers) {
    static const struct args_flag real[] = {{"r", "N", ""}, {0}};
    static const struct {
        char *text;
        bool good;
        double value;
    } rows[] = {{"0.95", true, 0.95}, {"-2e3", true, -2000}, {"", false, 7},
                {"x", false, 7},      {"1x", false, 7},      {"nan", false, 7},
                {"inf", false, 7},    {"1e999", false, 7}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct args args;
        struct buffer why;
        char *argv[] = {"-r", rows[i].text, NULL};
        double value = 7;
        buffer_init(&why);
        cr_assert_eq(args_parse(&args, real, 0, argv, &why), STATUS_OK);
        cr_expect_eq(args_real(&args, "r", &value, &why) == STATUS_OK, rows[i].good);
        cr_expect_eq(value, rows[i].value, "%s", rows[i].text);
        cr_expect_eq(why.size > 0, !rows[i].good);
        buffer_free(&why);
    }
}

Test(args, all_four_forms) {
    struct args args;
    struct buffer why;
    cr_assert_eq(PARSE("-k", "5", "words"), STATUS_OK);
    cr_expect_str_eq(args_text(&args, "k"), "5");
    cr_expect_str_eq(args.words[0], "words");
    cr_assert_eq(PARSE("--k", "5"), STATUS_OK);
    cr_expect_str_eq(args_text(&args, "k"), "5");
    cr_assert_eq(PARSE("-k=5", "--vector=[1,2]"), STATUS_OK);
    cr_expect_str_eq(args_text(&args, "k"), "5");
    cr_expect_str_eq(args_text(&args, "vector"), "[1,2]");
    cr_assert_eq(PARSE("--k=1", "-k", "2"), STATUS_OK);
    cr_expect_str_eq(args_text(&args, "k"), "2");
    cr_assert_eq(PARSE("--k=", "a", "b"), STATUS_OK);
    cr_expect_str_eq(args_text(&args, "k"), "");
    cr_expect_eq(args.n_words, 2);
}

Test(args, switches_take_no_word) {
    struct args args;
    struct buffer why;
    cr_assert_eq(PARSE("--exact", "true"), STATUS_OK);
    cr_expect(args_on(&args, "exact"));
    cr_expect_eq(args.n_words, 1);
    cr_assert_eq(PARSE("-exact=false"), STATUS_OK);
    cr_expect_not(args_on(&args, "exact"));
    cr_assert_eq(PARSE("x"), STATUS_OK);
    cr_expect_not(args_on(&args, "exact"));
}

Test(args, settings_are_flags_too) {
    struct args args;
    struct buffer why;
    cr_assert_eq(PARSE("--address", "h:1", "--", "--exact"), STATUS_OK);
    cr_expect_eq(args.n_settings, 1);
    cr_expect_str_eq(args.settings[0].setting->name, "VECTRON_ADDRESS");
    cr_expect_str_eq(args.settings[0].text, "h:1");
    cr_expect_str_eq(args.words[0], "--exact");
}

Test(args, what_is_wrong_is_said) {
    struct args args;
    struct buffer why;
    cr_assert_eq(PARSE("--exakt"), STATUS_INVALID);
    cr_expect_str_eq((char *)why.data, "unknown flag --exakt; did you mean --exact?");
    buffer_free(&why);
    cr_assert_eq(PARSE("--k"), STATUS_INVALID);
    cr_expect_str_eq((char *)why.data, "flag --k needs a value");
    buffer_free(&why);
    cr_assert_eq(PARSE("-=3"), STATUS_INVALID);
    buffer_free(&why);
    cr_assert_eq(PARSE("--raft-addr", "x"), STATUS_INVALID, "a flag of another role");
    buffer_free(&why);
    cr_assert_eq(PARSE("-h"), STATUS_OK);
    cr_expect(args.help);
    cr_assert_eq(PARSE("-k", "99999"), STATUS_OK);
    int64_t k;
    cr_assert_eq(args_number(&args, "k", (struct args_bounds){10, 1, 10000}, &k, &why),
                 STATUS_INVALID);
    cr_expect_str_eq((char *)why.data, "k: \"99999\" is not a whole number (1 to 10000)");
    buffer_free(&why);
}

/* Bytes of the longest line; *lines counts them. */
static size_t longest_line(FILE *file, size_t *lines) {
    char line[512];
    size_t most = 0;
    *lines = 0;
    rewind(file);
    while (fgets(line, sizeof line, file)) {
        size_t size = strcspn(line, "\n");
        if (size > most) most = size;
        ++*lines;
    }
    return most;
}

Test(args, help_fits_a_terminal) {
    for (unsigned role = 1; role && role <= ROLE_CLIENT; role <<= 1) {
        FILE *file = tmpfile();
        size_t lines = 0;
        cr_assert(file);
        args_help(file, flags, role, ARGS_LINKS);
        cr_expect_leq(longest_line(file, &lines), 100, "role %u", role);
        cr_expect_gt(lines, sizeof flags / sizeof *flags, "role %u", role);
        fclose(file);
    }
}

static void help_text(enum args_way way, char *text, size_t size) {
    FILE *file = fmemopen(text, size, "w");
    cr_assert(file);
    args_help(file, flags, ROLE_CLIENT, way);
    fclose(file);
}

Test(args, help_tells_of_what_a_command_uses) {
    char calls[16384], links[16384];
    help_text(ARGS_CALLS, calls, sizeof calls);
    help_text(ARGS_LINKS, links, sizeof links);
    cr_expect(strstr(calls, "--address") && strstr(calls, "--token"));
    cr_expect_not(strstr(calls, "--pd-addrs") || strstr(calls, "--key-file"));
    cr_expect(strstr(links, "--pd-addrs") && strstr(links, "--key-file"));
    cr_expect_not(strstr(links, "--token"));
}
