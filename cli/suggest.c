/* suggest: optimal string alignment distance over three rows. */
#include "cli/suggest.h"

#include <ctype.h>
#include <string.h>

static int same(char a, char b) {
    return toupper((unsigned char)a) == toupper((unsigned char)b);
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    if (n > SUGGEST_WORD_MAX || m > SUGGEST_WORD_MAX) return SUGGEST_WORD_MAX;
    size_t rows[3][SUGGEST_WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *freed = before;
        before = last;
        last = now;
        now = freed;
    }
    return last[m];
}

int suggest_near(const char *a, const char *b, size_t distance) {
    size_t n = strlen(a), m = strlen(b);
    return distance * 3 <= (n > m ? n : m);
}
