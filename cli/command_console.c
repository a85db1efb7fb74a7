/* vectron console: the cluster at work, actor by actor: in a terminal, or once as text or JSON. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/address.h"
#include "cli/command.h"
#include "cli/console/live.h"
#include "cli/keys.h"

enum { ADDRESSES_MAX = 32, TEXT_WIDTH = 120, TEXT_ROWS = 2000, ONCE_MS = 8000 };

static const struct args_flag flags[] = {
    {"once", NULL, "print the view as text and end"},
    {"json", NULL, "print the view as JSON and end"},
    {"record", "FILE", "write everything that is seen to this file"},
    {"replay", "FILE", "show such a file; space plays, arrows step"},
    {"refresh", "MS", "between questions, 1000 or more; grows by itself when it costs too much"},
    {"memory", "MB", "of the last minutes, for stepping back (default 64)"},
    {"width", "COLUMNS", "of --once (default: the terminal's, else 120)"},
    {"ascii", NULL, "no other characters"},
    {"color", NULL, "-color=false: none (so does NO_COLOR)"},
    {"mouse", NULL, "-mouse=false: leave it to the terminal"},
    {0},
};

struct addresses {
    char room[ADDRESSES_MAX][ADDRESS_MAX];
    const char *list[ADDRESSES_MAX];
    size_t n;
};

static void add_address(struct addresses *addresses, const char *address) {
    if (addresses->n == ADDRESSES_MAX || !*address) return;
    snprintf(addresses->room[addresses->n], ADDRESS_MAX, "%.500s", address);
    addresses->list[addresses->n] = addresses->room[addresses->n];
    addresses->n++;
}

static void add_links(struct addresses *addresses, const char *list) {
    char each[ADDRESS_MAX];
    address_links(list, each);
    char *rest = NULL;
    for (char *address = strtok_r(each, ",", &rest); address; address = strtok_r(NULL, ",", &rest))
        add_address(addresses, address);
}

static void add_found(struct addresses *addresses, const char *folder, const char *pattern) {
    char path[ADDRESS_MAX], address[ADDRESS_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, pattern);
    glob_t found;
    if (glob(path, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            snprintf(address, sizeof address, "ipc://%.480s", found.gl_pathv[i]);
            add_address(addresses, address);
        }
        globfree(&found);
    }
}

/* --link; else sockets in the data folder, that of `up` first, or of a Procfile's processes; else
 * where a placement driver is by default. */
static void find_addresses(struct addresses *addresses, const struct config *config) {
    const char *link = config_text(config, "VECTRON_LINK");
    const char *folder = config_text(config, "VECTRON_DATA_DIR");
    if (*link) {
        add_links(addresses, link);
        return;
    }
    add_found(addresses, folder, "link.ipc");
    if (addresses->n == 0) {
        add_found(addresses, folder, "*/link.ipc");
        add_address(addresses, "tcp://127.0.0.1:7001");
    }
}

static bool find_view(const char *name, enum view_name *out) {
    for (unsigned i = 0; i < VIEW_HELP; i++)
        if (strcmp(view_of(i)->name, name) == 0) {
            *out = (enum view_name)i;
            return true;
        }
    return false;
}

/* --- once --- */

static int text_width(const struct args *args) {
    struct winsize size;
    const char *told = args_text(args, "width") ? args_text(args, "width") : getenv("COLUMNS");
    int width = told ? atoi(told) : 0;
    if (width < 20 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) width = size.ws_col;
    return width < 20 ? TEXT_WIDTH : width;
}

/* Runs of empty lines become one: views place things at the bottom of what they are given. */
static void print_text(const struct buffer *text) {
    const char *at = (const char *)text->data, *end = at + text->size;
    for (bool empty = true; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = stop ? (size_t)(stop - at) + 1 : (size_t)(end - at);
        if (size > 1 || !empty) fwrite(at, 1, size, stdout);
        empty = size <= 1;
        at += size;
    }
}

static int print_once(struct live *live, const struct args *args, bool ascii) {
    struct console *console = live_console(live);
    enum status s = live_gather(live, ONCE_MS);
    if (s != STATUS_OK) {
        const struct process *process = console_process(console, 0);
        return command_fail("%s: no answer%s%s; --link names the link address of a process",
                            process ? process->address : "nobody", process ? ": " : "",
                            process ? process->text : "");
    }
    struct buffer text;
    buffer_init(&text);
    if (args_on(args, "json")) {
        console_json(console, &text);
        fwrite(text.data, 1, text.size, stdout);
    } else {
        struct screen screen;
        if (screen_init(&screen, text_width(args), TEXT_ROWS) != STATUS_OK) return EXIT_FAILED;
        screen.ascii = ascii;
        console_draw_view(console, &screen, screen_area(&screen));
        screen_text(&screen, &text);
        print_text(&text);
        screen_free(&screen);
    }
    buffer_free(&text);
    return EXIT_OK;
}

/* --- run --- */

static bool
read_number(const struct args *args, const char *name, struct args_bounds bounds, int64_t *out) {
    struct buffer why;
    buffer_init(&why);
    bool sound = args_number(args, name, bounds, out, &why) == STATUS_OK;
    if (!sound) command_misuse("console", "%s", (char *)why.data);
    buffer_free(&why);
    return sound;
}

static bool unless_off(const struct args *args, const char *name) {
    return !args_text(args, name) || args_on(args, name);
}

static int show(const struct args *args, struct live_options *options) {
    bool once = args_on(args, "once") || args_on(args, "json");
    struct live *live;
    enum status s = live_open(options, &live);
    if (s != STATUS_OK) return EXIT_FAILED;
    int code = EXIT_OK;
    if (once) {
        code = print_once(live, args, options->ascii);
    } else {
        s = live_run(live);
        if (s == STATUS_INVALID)
            code = command_misuse(
                "console",
                "this is no terminal (or TERM is not known); --once and --json do without");
        else if (s != STATUS_OK)
            code = command_fail("%s", status_text(s));
    }
    live_close(live);
    return code;
}

static int run(const struct args *args) {
    struct live_options options = {
        .record = args_text(args, "record"),
        .replay = args_text(args, "replay"),
        .view = VIEW_CLUSTER,
        .about = args->n_words > 1 ? args->words[1] : NULL,
        .color = unless_off(args, "color") && !getenv("NO_COLOR"),
        .mouse = unless_off(args, "mouse"),
        .ascii = args_on(args, "ascii"),
    };
    int64_t refresh, memory;
    if (!read_number(args, "refresh", (struct args_bounds){1000, 1000, 3600000}, &refresh) ||
        !read_number(args, "memory", (struct args_bounds){64, 1, 4096}, &memory))
        return EXIT_USAGE;
    options.refresh_ms = (uint32_t)refresh;
    options.history_bytes = (size_t)memory << 20;
    if (args->n_words && !find_view(args->words[0], &options.view))
        return command_misuse("console", "unknown view \"%s\"", args->words[0]);
    bool about = options.view == VIEW_ACTOR || options.view == VIEW_TRACE;
    if (args->n_words > (about ? 2u : 1u)) return command_misuse("console", "too many arguments");
    if (about && !options.about) return command_misuse("console", "which %s?", args->words[0]);
    struct config *config = config_load_process(ROLE_CLIENT, args);
    if (!config) return EXIT_USAGE;
    static struct addresses addresses;
    find_addresses(&addresses, config);
    int code = keys_load(config, &options.keyring);
    if (code != EXIT_OK) {
        config_free(config);
        return code;
    }
    options.addresses = addresses.list;
    options.n_addresses = addresses.n;
    code = show(args, &options);
    config_free(config);
    return code;
}

const struct command command_console = {
    .name = "console",
    .arguments = "[VIEW [NAME]]",
    .summary = "a cluster at work, actor by actor, in the terminal",
    .help =
        "  vectron console                              the cluster of the process with this data folder\n"
        "  vectron console --link 127.0.0.1:7001        any process of it will do: the others are found\n"
        "  vectron console actors --once                one view as text; --json for scripts\n"
        "  vectron console actor shard/3 --json\n"
        "  vectron console --record FILE                … and --replay FILE to step through it later\n\n"
        "Views: cluster actors links waits letters traces shards alarms, actor NAME, trace ID.\n"
        "In the terminal ? tells the keys.\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
