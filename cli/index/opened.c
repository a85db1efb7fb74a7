/* opened: finds out from the head of a file how to open it. */
#include "cli/index/opened.h"

#include <time.h>

#include "runtime/text.h"

double opened_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int opened_info(const char *path, struct index_file_info *out) {
    enum status s = index_file_info(path, out);
    switch (s) {
    case STATUS_OK:
        return EXIT_OK;
    case STATUS_NOT_FOUND:
        return command_fail("%s: no such file", path);
    case STATUS_CORRUPT:
        return command_fail("%s: no index file, or a damaged one", path);
    case STATUS_UNIMPLEMENTED:
        return command_fail("%s: an index file of version %u, which this vectron does not read: "
                            "build it again from the data",
                            path, out->version);
    default:
        return command_fail("%s: %s", path, status_text(s));
    }
}

int opened_open(const char *path, struct opened *out) {
    *out = (struct opened){.path = path};
    int code = opened_info(path, &out->info);
    if (code != EXIT_OK) return code;
    double start = opened_clock();
    uint64_t applied;
    enum status s = index_open(&out->info.options, path, &out->index, &applied);
    out->seconds = opened_clock() - start;
    if (s == STATUS_OK) s = index_verify(out->index);
    if (s == STATUS_CORRUPT)
        return command_fail("%s: damaged: a checksum or what it protects is wrong; build it again "
                            "from the data",
                            path);
    if (s != STATUS_OK) return command_fail("%s: %s", path, status_text(s));
    out->view = index_view_hold(out->index);
    return EXIT_OK;
}

void opened_close(struct opened *opened) {
    if (opened->view) index_view_drop(opened->view);
    index_close(opened->index);
    opened->view = NULL;
    opened->index = NULL;
}

const char *opened_bytes(double bytes) {
    enum { TEXTS = 8 };
    static char texts[TEXTS][32];
    static unsigned next;
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    char *text = texts[next++ % TEXTS];
    size_t unit = 0;
    while (bytes >= 1000 && unit < sizeof units / sizeof *units - 1) {
        bytes /= 1000;
        unit++;
    }
    snprintf(text, sizeof texts[0], unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

void opened_json(const char *text, size_t size) {
    putchar('"');
    while (size > 0) {
        unsigned char c = (unsigned char)*text;
        size_t n = text_character(text, size);
        if (n == 0)
            fputs("\xef\xbf\xbd", stdout);
        else if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < ' ')
            printf("\\u%04x", c);
        else
            fwrite(text, 1, n, stdout);
        if (n == 0) n = 1;
        text += n;
        size -= n;
    }
    putchar('"');
}
