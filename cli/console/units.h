/* units: numbers as people read them, in at most UNITS_MAX - 1 bytes and seven columns. Any thread.
 */
#ifndef CONSOLE_UNITS_H
#define CONSOLE_UNITS_H

#include <stdint.h>

enum { UNITS_MAX = 24 };

/* All write to `out` and return it. */
char *units_count(char out[UNITS_MAX], double count);     /* 7, 1,234, 12.3k, 4.56M */
char *units_bytes(char out[UNITS_MAX], double bytes);     /* 17 B, 4.2 KB, 181 MB */
char *units_us(char out[UNITS_MAX], double us);           /* 85us, 1.2ms, 3.4s, 12m, 3h, 4d */
char *units_share(char out[UNITS_MAX], double share);     /* 0.43 → 43% */
char *units_uptime(char out[UNITS_MAX], uint64_t ms);     /* 3h12m, 45s, 2d4h */
char *units_clock(char out[UNITS_MAX], uint64_t wall_ms); /* 12:03:44, local time */

#endif
