/* vectron index verify: is an index file whole? */
#include <inttypes.h>

#include "cli/index/opened.h"
#include "cli/index/parts.h"

static const struct args_flag flags[] = {
    {"json", NULL, "print the outcome as JSON"},
    {0},
};

static int say_sound(const struct opened *opened, bool json, double seconds) {
    struct index_stats stats = index_stats(opened->view);
    if (json)
        printf("{\"sound\":true,\"points\":%" PRIu64 ",\"fileBytes\":%" PRIu64
               ",\"seconds\":%.3f}\n",
               stats.points, opened->info.bytes, seconds);
    else
        printf("%s: sound: checksums of %s, and the graph of %" PRIu64 " points\n", opened->path,
               opened_bytes((double)opened->info.bytes), stats.points);
    return EXIT_OK;
}

static int run(const struct args *args) {
    if (args->n_words != 1) return command_misuse("index verify", "give one index FILE");
    struct opened opened;
    bool json = args_on(args, "json");
    char words[200] = "";
    double start = opened_clock();
    int code = opened_open(args->words[0], &opened);
    if (code == EXIT_OK) {
        enum status s = index_validate(opened.view, words, sizeof words);
        if (s == STATUS_OK)
            code = say_sound(&opened, json, opened_clock() - start);
        else
            code = command_fail("%s: the graph is damaged: %s", opened.path,
                                *words ? words : status_text(s));
    }
    opened_close(&opened);
    if (code != EXIT_OK && json) printf("{\"sound\":false}\n");
    return code;
}

const struct command command_index_verify = {
    .of = "index",
    .name = "verify",
    .arguments = "FILE",
    .summary = "check an index file: every checksum, every edge, everything reachable",
    .help =
        "Exit code 0: the file is sound; 1: it is damaged, cut, no index, or of another version, and\n"
        "stderr says which.\n",
    .flags = flags,
    .run = run,
};
