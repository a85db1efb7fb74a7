/* The text embedder: the same everywhere, and near what it should be near. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/demo_text.h"
#include "cli/embed.h"
#include "cli/package.h"
#include "cli/words.h"
#include "runtime/memory.h"

static struct package_list list;
static struct embed_weights weights;
static float (*vectors)[EMBED_DIMENSION];

static void set_up(void) {
    package_list_init(&list);
    for (size_t i = 0; demo_text[i]; i++) {
        FILE *file = fmemopen((char *)demo_text[i], strlen(demo_text[i]), "r");
        cr_assert_eq(package_list_read(&list, file), STATUS_OK);
        fclose(file);
    }
    struct embed_counts *counts = embed_counts_new();
    struct embed_part parts[PACKAGE_PARTS];
    for (size_t i = 0; i < list.n; i++) {
        package_parts(&list.packages[i], parts);
        embed_counts_add(counts, parts, PACKAGE_PARTS);
    }
    embed_weights_learn(counts, &weights);
    embed_counts_free(counts);
    vectors = malloc(list.n * sizeof *vectors);
    for (size_t i = 0; i < list.n; i++) {
        package_parts(&list.packages[i], parts);
        cr_assert_eq(embed_text(&weights, parts, PACKAGE_PARTS, vectors[i]), STATUS_OK);
    }
}

static void tear_down(void) {
    free(vectors);
    package_list_reset(&list);
}

TestSuite(embed, .init = set_up, .fini = tear_down);

static float cosine(const float *a, const float *b) {
    float sum = 0;
    for (int i = 0; i < EMBED_DIMENSION; i++)
        sum += a[i] * b[i];
    return sum;
}

static const char *best(const char *text) {
    float query[EMBED_DIMENSION];
    struct embed_part part = {text, 1};
    cr_assert_eq(embed_text(&weights, &part, 1, query), STATUS_OK);
    size_t found = 0;
    for (size_t i = 1; i < list.n; i++)
        if (cosine(query, vectors[i]) > cosine(query, vectors[found])) found = i;
    return list.packages[found].name;
}

Test(embed, finds_what_was_asked_for) {
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"play music in a terminal", "music-box"},
        {"compress files", "zip-it"},
        {"edit photos", "photo-touch"},
        {"password manager", "password-safe"},
        {"chess engine", "chess-think"},
        {"learning vocabulary", "word-list"},
        {"convert videos", "film-turn"},
        {"C compiler", "c-compile"},
        {"night sky with stars", "star-map"},
        {"find memory leaks", "leak-find"},
        {"browse the web as text", "web-text"},
        {"duplicated files", "twin-finder"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(best(rows[i].text), rows[i].wanted, "%s → %s", rows[i].text,
                         best(rows[i].text));
}

Test(embed, is_the_same_every_time_and_of_unit_length) {
    float a[EMBED_DIMENSION], b[EMBED_DIMENSION];
    struct embed_part part = {"Fast nearest neighbours, in C", 1},
                      loud = {"FAST  nearest NEIGHBOUR!  (in C)", 1};
    cr_assert_eq(embed_text(&weights, &part, 1, a), STATUS_OK);
    cr_assert_eq(embed_text(&weights, &loud, 1, b), STATUS_OK);
    cr_expect_float_eq(cosine(a, a), 1, 1e-5);
    cr_expect_arr_eq(a, b, sizeof a, "case, marks and plurals do not count");
    struct embed_weights flat;
    embed_weights_flat(&flat);
    cr_assert_eq(embed_text(&flat, &part, 1, a), STATUS_OK);
    /* Fixed for all machines and versions: stored vectors must stay comparable. */
    uint64_t hash = 0;
    for (int i = 0; i < EMBED_DIMENSION; i++)
        if (fabsf(a[i]) > 0.02f) hash = hash * 31 + (uint64_t)(2 * i + (a[i] > 0));
    cr_expect_eq(hash, 0xaf090b573160feaeu, "%llx", (unsigned long long)hash);
}

Test(embed, needs_a_word) {
    float out[EMBED_DIMENSION];
    static const char *const empty[] = {"", "   ", "the of and", "!?-"};
    for (size_t i = 0; i < 4; i++) {
        struct embed_part part = {empty[i], 1};
        cr_expect_eq(embed_text(&weights, &part, 1, out), STATUS_INVALID, "%s", empty[i]);
    }
}

Test(embed, weights_survive_as_text) {
    struct embed_weights copy;
    cr_assert_eq(embed_weights_read(weights.cells, sizeof weights.cells, &copy), STATUS_OK);
    cr_expect_arr_eq(copy.cells, weights.cells, sizeof copy.cells);
    for (size_t i = 0; i < sizeof weights.cells; i++)
        cr_assert(weights.cells[i] > ' ' && weights.cells[i] < 127 &&
                  !strchr("\"\\", weights.cells[i]));
    cr_expect_eq(embed_weights_read(weights.cells, 10, &copy), STATUS_INVALID);
    copy.cells[5] = 1;
    cr_expect_eq(embed_weights_read(copy.cells, sizeof copy.cells, &copy), STATUS_INVALID);
}

Test(words, stems_and_stop_words) {
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"Players playing played play", "play play play play "},
        {"libraries class status", "library class status "},
        {"the compiler, compile & compiling", "compil compil compil "},
        {"running runner", "run run "},
        {"C++ and R2-D2", "c r2 d2 "},
        {"\xc3\x84pfel", "\xc3\x84pfel "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char got[256] = "";
        const char *at = rows[i].text;
        struct word word;
        while (words_next(&at, &word))
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s ", word.text);
        cr_expect_str_eq(got, rows[i].wanted, "%s → %s", rows[i].text, got);
    }
}

Test(words, very_long_texts_are_bounded) {
    size_t size = 200000;
    char *text = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        text[i] = i % 7 == 6 ? ' ' : (char)('a' + (i * i + i / 7) % 26);
    text[size] = 0;
    struct embed_weights flat;
    embed_weights_flat(&flat);
    float out[EMBED_DIMENSION];
    struct embed_part part = {text, 1};
    cr_expect_eq(embed_text(&flat, &part, 1, out), STATUS_OK);
    free(text);
}
