/* Numbers as people read them. */
#include <criterion/criterion.h>
#include <math.h>

#include "cli/console/units.h"

typedef char *(*write_fn)(char *out, double value);
static const struct {
    write_fn write;
    double value;
    const char *want;
} rows[] = {
    {units_count, 0, "0"},
    {units_count, 0.26, "0.3"},
    {units_count, 7, "7"},
    {units_count, 9.96, "10"},
    {units_count, 999, "999"},
    {units_count, 1234, "1,234"},
    {units_count, 9999, "9,999"},
    {units_count, 12345, "12.3k"},
    {units_count, 999600, "1.00M"},
    {units_count, 4.56e9, "4.56G"},
    {units_count, 1e30, "1000000000000E"},
    {units_count, NAN, "0"},
    {units_count, -5, "0"},
    {units_bytes, 17, "17 B"},
    {units_bytes, 4300, "4.20 KB"},
    {units_bytes, 190e6, "181 MB"},
    {units_bytes, 1020 * 1024, "1.00 MB"},
    {units_us, 85, "85us"},
    {units_us, 1200, "1.20ms"},
    {units_us, 999.7e3, "1.00s"},
    {units_us, 130e6, "2m"},
    {units_us, 3 * 3600e6, "3h"},
    {units_us, 72 * 3600e6, "3d"},
    {units_share, 0.43, "43%"},
    {units_share, 0.004, "0.4%"},
    {units_share, 0, "0%"},
    {units_share, 1e9, "9999%"},
};

Test(units, three_digits) {
    char out[UNITS_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(rows[i].write(out, rows[i].value), rows[i].want, "row %zu", i);
}

Test(units, uptime) {
    char out[UNITS_MAX];
    cr_expect_str_eq(units_uptime(out, 45000), "45s");
    cr_expect_str_eq(units_uptime(out, 192000), "3m12s");
    cr_expect_str_eq(units_uptime(out, 3 * 3600000 + 5 * 60000), "3h05m");
    cr_expect_str_eq(units_uptime(out, 50 * 3600000), "2d2h");
}
