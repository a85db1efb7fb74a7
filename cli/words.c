/* words: bytes above 127 count as letters, so that other scripts keep their words whole. */
#include "cli/words.h"

#include <string.h>

#include "runtime/rng.h"

static bool is_letter(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Sorted by nothing: the list is short and a word is compared with it by length first. */
static bool is_stop_word(const struct word *word) {
    static const char *const stop[] = {
        "a",   "an",    "and",   "another", "any",   "are",  "as",   "at",   "be",   "but",
        "by",  "can",   "do",    "for",     "from",  "has",  "have", "how",  "i",    "if",
        "in",  "into",  "is",    "it",      "its",   "me",   "my",   "no",   "not",  "of",
        "on",  "or",    "other", "our",     "s",     "so",   "some", "such", "t",    "that",
        "the", "their", "then",  "there",   "these", "they", "this", "to",   "via",  "was",
        "we",  "what",  "when",  "which",   "while", "will", "with", "you",  "your",
    };
    for (size_t i = 0; i < sizeof stop / sizeof *stop; i++)
        if (strlen(stop[i]) == word->size && memcmp(stop[i], word->text, word->size) == 0)
            return true;
    return false;
}

static bool ends(const struct word *word, const char *suffix) {
    size_t n = strlen(suffix);
    return word->size > n && memcmp(word->text + word->size - n, suffix, n) == 0;
}

static void cut(struct word *word, size_t n) {
    word->size -= n;
    word->text[word->size] = 0;
}

/* Harman's s-stemmer (1991). */
static void stem_plural(struct word *word) {
    if (word->size <= 3) return;
    if (ends(word, "ies") && !ends(word, "eies") && !ends(word, "aies")) {
        cut(word, 2);
        word->text[word->size - 1] = 'y';
    } else if (ends(word, "es") && !ends(word, "aes") && !ends(word, "ees") && !ends(word, "oes")) {
        cut(word, 1);
    } else if (ends(word, "s") && !ends(word, "us") && !ends(word, "ss")) {
        cut(word, 1);
    }
}

static bool has_vowel(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strchr("aeiouy", text[i])) return true;
    return false;
}

/* player, playing, played → play; editor → edit; running → run; compiler, compile → compil. What is
 * left need not be a word, only the same for all forms. */
static void stem_verb(struct word *word) {
    static const char *const suffixes[] = {"ing", "ed", "er", "or"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t n = strlen(suffixes[i]);
        if (!ends(word, suffixes[i]) || word->size < n + 3) continue;
        if (!has_vowel(word->text, word->size - n)) continue;
        cut(word, n);
        char last = word->text[word->size - 1];
        bool twice = word->size > 3 && last == word->text[word->size - 2] && !strchr("lsz", last);
        if (twice) cut(word, 1);
        break;
    }
    if (word->size > 3 && ends(word, "e")) cut(word, 1);
}

bool words_next(const char **at, struct word *out) {
    const char *from = *at;
    for (;;) {
        while (*from && !is_letter((unsigned char)*from))
            from++;
        if (!*from) break;
        out->size = 0;
        for (; is_letter((unsigned char)*from); from++)
            if (out->size < WORD_MAX) out->text[out->size++] = lower(*from);
        out->text[out->size] = 0;
        if (is_stop_word(out)) continue;
        stem_plural(out);
        stem_verb(out);
        *at = from;
        return true;
    }
    *at = from;
    return false;
}

uint64_t words_hash(const char *text, size_t size, uint64_t seed) {
    uint64_t hash = 0xcbf29ce484222325u ^ seed;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return rng_mix(hash);
}
