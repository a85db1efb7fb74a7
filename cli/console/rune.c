/* rune: the one place where text of other processes becomes something a terminal is shown. */
#include "cli/console/rune.h"

#include <stdbool.h>

struct range {
    uint32_t first, last;
};

/* No width of their own: they would change the cell before them. */
static const struct range combining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a},   {0x064b, 0x065f},
    {0x06d6, 0x06dc}, {0x0900, 0x0902}, {0x093c, 0x093c}, {0x0941, 0x0948},   {0x0e31, 0x0e31},
    {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},   {0x20d0, 0x20ff},
    {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef},
};

/* C0 and C1 controls, format characters that steer direction or hide, noncharacters. */
static const struct range unsafe[] = {
    {0x00, 0x1f},       {0x7f, 0x9f},        {0xad, 0xad},       {0x061c, 0x061c},
    {0x1160, 0x11ff},   {0x180b, 0x180f},    {0x200b, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f},   {0xd7b0, 0xf8ff},    {0xfdd0, 0xfdef},   {0xfeff, 0xfeff},
    {0xfff0, 0xfffb},   {0xfffe, 0xffff},    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0xe0000, 0xe00ff}, {0xe01f0, 0x10ffff},
};

static const struct range wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},
    {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},
    {0xa000, 0xa4cf},   {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x2fffd}, {0x30000, 0x3fffd},
};

static bool within(const struct range *ranges, size_t n, uint32_t rune) {
    for (size_t i = 0; i < n; i++)
        if (rune >= ranges[i].first && rune <= ranges[i].last) return true;
    return false;
}
#define WITHIN(ranges, rune) within(ranges, sizeof(ranges) / sizeof *(ranges), rune)

/* One code point; RUNE_UNSAFE, and one byte taken, where it is malformed. */
static uint32_t decode(const unsigned char **at) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = *at;
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
    uint32_t rune = n == 1 ? s[0] : n ? s[0] & (0x7fu >> n) : 0;
    bool sound = n > 0 && s[0] < 0xf8;
    for (size_t i = 1; sound && i < n; i++) {
        sound = (s[i] & 0xc0) == 0x80; /* a NUL ends it too */
        rune = rune << 6 | (s[i] & 0x3fu);
    }
    sound = sound && rune >= least[n] && rune <= 0x10ffff;
    *at += sound ? n : 1;
    return sound ? rune : RUNE_UNSAFE;
}

uint32_t rune_next(const char **text) {
    const unsigned char *at = (const unsigned char *)*text;
    uint32_t rune = 0;
    while (*at) {
        rune = decode(&at);
        if (rune < 0x7f && rune >= ' ') break;
        if (WITHIN(combining, rune)) {
            rune = 0;
            continue;
        }
        if (WITHIN(unsafe, rune)) rune = RUNE_UNSAFE;
        break;
    }
    *text = (const char *)at;
    return rune;
}

unsigned rune_width(uint32_t rune) {
    return rune >= wide[0].first && WITHIN(wide, rune) ? 2 : 1;
}

size_t rune_encode(uint32_t rune, char out[RUNE_BYTES_MAX]) {
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    size_t n = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, rune >>= 6)
        out[i] = (char)(0x80 | (rune & 0x3f));
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[n] | rune);
    return n;
}

char rune_ascii(uint32_t rune) {
    static const struct {
        uint32_t rune;
        char ascii;
    } table[] = {
        {0xb7, '.'},   {0x2022, '*'}, {0x2026, '~'}, {0x2190, '<'}, {0x2191, '^'}, {0x2192, '>'},
        {0x2193, 'v'}, {0x2500, '-'}, {0x2501, '='}, {0x2502, '|'}, {0x250c, '+'}, {0x2510, '+'},
        {0x2514, '`'}, {0x2518, '+'}, {0x251c, '|'}, {0x2524, '|'}, {0x256d, '+'}, {0x256e, '+'},
        {0x256f, '+'}, {0x2570, '+'}, {0x2581, '_'}, {0x2582, '_'}, {0x2583, '.'}, {0x2584, '-'},
        {0x2585, '-'}, {0x2586, '='}, {0x2587, '#'}, {0x2588, '#'}, {0x2589, '#'}, {0x258a, '#'},
        {0x258b, '='}, {0x258c, '='}, {0x258d, '-'}, {0x258e, '-'}, {0x258f, ' '}, {0x2591, '.'},
        {0x2592, ':'}, {0x2593, '%'}, {0x25b2, '^'}, {0x25b4, '^'}, {0x25b6, '>'}, {0x25b8, '>'},
        {0x25bc, 'v'}, {0x25be, 'v'}, {0x25c6, '*'}, {0x25cb, 'o'}, {0x25cf, '*'}, {0x26a0, '!'},
        {0x2713, '+'}, {0x2717, 'x'}, {0x23f8, '='}, {0x21bb, '@'}, {0x2503, '|'}, {0x2550, '='},
        {0x2013, '-'}, {0x2014, '-'}, {0xd7, 'x'},   {0xb5, 'u'},   {0x2261, '='}, {0x2578, '-'},
        {0x254c, '-'},
    };
    if (rune < 0x7f) return (char)rune;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].rune == rune) return table[i].ascii;
    return '?';
}
