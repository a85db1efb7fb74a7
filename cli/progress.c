/* progress: a rate over the whole run, and from it the time that is left. */
#include "cli/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { REDRAW_MS = 100, LINE_MS = 5000, BAR = 30 };

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_start(struct progress *progress, const char *what, bool quiet) {
    *progress = (struct progress){
        .what = what,
        .terminal = isatty(STDERR_FILENO) == 1,
        .quiet = quiet,
        .started_ms = now_ms(),
        .shown_ms = now_ms(),
    };
}

static void print_time(double seconds) {
    unsigned long all = (unsigned long)(seconds + 0.5);
    if (all >= 3600)
        fprintf(stderr, "%lu:%02lu:%02lu", all / 3600, all / 60 % 60, all % 60);
    else
        fprintf(stderr, "%lu:%02lu", all / 60, all % 60);
}

static void print_bar(double share) {
    int full = (int)(share * BAR);
    fputc('[', stderr);
    for (int i = 0; i < BAR; i++)
        fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %3.0f%%  ", share * 100);
}

void progress_show(struct progress *progress, uint64_t done, double share) {
    uint64_t now = now_ms();
    uint64_t every = progress->terminal ? REDRAW_MS : LINE_MS;
    if (progress->quiet || now - progress->shown_ms < every) return;
    progress->shown_ms = now;
    double seconds = (double)(now - progress->started_ms) / 1000;
    double fresh = done > progress->base ? (double)(done - progress->base) : 0;
    if (progress->terminal) fputs("\r\x1b[K", stderr);
    if (share > 1) share = 1;
    if (progress->terminal && share >= 0) print_bar(share);
    fprintf(stderr, "%llu %s, %.0f/s", (unsigned long long)done, progress->what, fresh / seconds);
    double before = done ? share * (double)progress->base / (double)done : 0;
    if (share > before && share < 1) {
        fputs(", left ", stderr);
        print_time(seconds * (1 - share) / (share - before));
    }
    if (!progress->terminal) fputc('\n', stderr);
    progress->drawn = progress->terminal;
    fflush(stderr);
}

double progress_stop(struct progress *progress) {
    if (progress->drawn) fputs("\r\x1b[K", stderr);
    progress->drawn = false;
    return (double)(now_ms() - progress->started_ms) / 1000;
}
