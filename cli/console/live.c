/* live: the loop. Events come from the source's lane through a list under a lock; a descriptor
 * wakes the loop. It draws after events and keys, at most FRAME_MS apart, so a fast cluster costs
 * no more than a slow one.
 *
 * Cost: the time of all threads of the process, once a second. Above COST_HIGH questions are asked
 * less often, below COST_LOW again as often as the person wants. */
#include "cli/console/live.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cli/console/source.h"
#include "cli/console/terminal.h"
#include "runtime/keyring.h"
#include "runtime/log.h"
#include "runtime/memory.h"
#include "runtime/node.h"

#define COST_HIGH 0.008
#define COST_LOW  0.005
enum {
    FRAME_MS = 80,
    COST_MS = 2000,
    EVERY_MS_MAX = 10000,
    QUEUE_MAX = 65536, /* events that wait for the loop; beyond it they are dropped */
    REPLAY_BYTES_MAX = 1024 * 1024 * 1024,
    RECORD_BYTES_MAX = 2000 * 1000 * 1000,
    PLAY_MS = 200,
};

struct queued {
    struct queued *next;
    struct event *event;
};

struct live {
    struct live_options options;
    struct console console;
    struct orders orders;
    struct node *node;
    struct source_options source;
    pthread_mutex_t lock;
    struct queued *first, **last; /* under the lock */
    size_t n_queued;
    int queue_fd;
    FILE *record;
    uint64_t recorded;
    uint64_t cost_us, cost_at_us; /* as last measured */
    double bytes, bytes_before;
    struct screen screen;
    uint64_t frame_ms, played_ms;
    bool dirty;
};

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- the queue --- */

static void take_event(void *context, struct event *event) {
    struct live *live = context;
    struct queued *queued = mem_alloc(sizeof *queued);
    pthread_mutex_lock(&live->lock);
    bool room = queued && live->n_queued < QUEUE_MAX;
    if (room) {
        *queued = (struct queued){NULL, event};
        *live->last = queued;
        live->last = &queued->next;
        live->n_queued++;
    }
    pthread_mutex_unlock(&live->lock);
    if (!room) {
        mem_free(queued);
        mem_free(event);
        return;
    }
    uint64_t one = 1;
    ssize_t ignored = write(live->queue_fd, &one, sizeof one);
    (void)ignored;
}

static void record(struct live *live, const struct event *event) {
    if (!live->record) return;
    live->recorded += event_bytes(event);
    bool full = live->recorded > RECORD_BYTES_MAX;
    if (!full && history_append(live->record, event) == STATUS_OK) return;
    console_notice(&live->console, full ? "the recording is full" : "the recording stopped: %s",
                   strerror(errno));
    fclose(live->record);
    live->record = NULL;
}

static bool drain(struct live *live) {
    uint64_t count;
    ssize_t ignored = read(live->queue_fd, &count, sizeof count);
    (void)ignored;
    pthread_mutex_lock(&live->lock);
    struct queued *queued = live->first;
    live->first = NULL;
    live->last = &live->first;
    live->n_queued = 0;
    pthread_mutex_unlock(&live->lock);
    bool some = queued;
    while (queued) {
        struct queued *next = queued->next;
        live->bytes += (double)queued->event->size;
        record(live, queued->event);
        console_take(&live->console, queued->event);
        mem_free(queued);
        queued = next;
    }
    return some;
}

/* --- cost --- */

static void measure(struct live *live) {
    struct rusage usage;
    uint64_t at = now_us(), passed = at - live->cost_at_us;
    if (passed < COST_MS * 1000) return;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                  (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    struct cost *cost = &live->console.cost;
    if (live->cost_at_us && live->cost_us) {
        double share = (double)(us - live->cost_us) / (double)passed;
        cost->cpu = cost->cpu > 0 ? (cost->cpu + share) / 2 : share;
        cost->bytes = (live->bytes - live->bytes_before) * 1e6 / (double)passed;
        if (cost->cpu > COST_HIGH && cost->every_ms < EVERY_MS_MAX)
            cost->every_ms += cost->every_ms / 4;
        if (cost->cpu < COST_LOW && cost->every_ms > cost->least_ms) {
            cost->every_ms -= cost->every_ms / 5;
            if (cost->every_ms < cost->least_ms) cost->every_ms = cost->least_ms;
        }
    }
    live->cost_us = us;
    live->cost_at_us = at;
    live->bytes_before = live->bytes;
}

/* --- life --- */

static bool give(void *context, const struct once *once) {
    return orders_once(&((struct live *)context)->orders, once);
}

static enum status complain(enum status status, const char *words, const char *name) {
    fprintf(stderr, "vectron: %s%s%s\n", name ? name : "", name ? ": " : "", words);
    return status;
}

static enum status open_node(struct live *live) {
    struct node_options options = {.name = SOURCE_NODE_NAME,
                                   .io_lanes = 1,
                                   .compute_lanes = 1,
                                   .blocking = 1,
                                   .keyring = live->options.keyring};
    live->options.keyring = NULL; /* taken */
    enum status s = node_open(&options, &live->node);
    if (s != STATUS_OK) return complain(s, node_error(), NULL);
    live->source = (struct source_options){live->options.addresses, live->options.n_addresses,
                                           &live->orders, take_event, live};
    live->console.order_context = live;
    actor_handle handle;
    struct spawn spawn = {.type = &source_type,
                          .name = "console",
                          .options = &live->source,
                          .lane = 1,
                          .intensity = 10};
    s = node_spawn(live->node, &spawn, &handle);
    return s == STATUS_OK ? s : complain(s, node_error(), NULL);
}

static enum status open_replay(struct live *live) {
    struct console *console = &live->console;
    size_t read = 0;
    enum status s = history_load(&console->timeline.history, live->options.replay, &read);
    if (s == STATUS_IO) return complain(s, strerror(errno), live->options.replay);
    if (s != STATUS_OK && read == 0)
        return complain(s, "this is no recording of vectron console", live->options.replay);
    if (read == 0) return complain(STATUS_INVALID, "the recording is empty", live->options.replay);
    console->replay = true;
    timeline_seek(&console->timeline, timeline_first_ms(&console->timeline) + PLAY_MS);
    console->playing = true;
    return STATUS_OK;
}

static void show_first(struct live *live) {
    struct console *console = &live->console;
    if (live->options.view == VIEW_ACTOR && live->options.about)
        console_show_actor(console, NULL, live->options.about);
    else if (live->options.view == VIEW_TRACE && live->options.about)
        console_show_trace(console, live->options.about);
    else
        console_go(console, live->options.view);
}

/* An actor named on the command line: its process is known only once rosters came. */
static void find_actor(struct live *live) {
    struct console *console = &live->console;
    const struct process *process;
    if (console->view != VIEW_ACTOR || *console->actor_address) return;
    for (size_t i = 0; (process = console_process(console, i)); i++)
        if (model_actor(process, console->actor))
            snprintf(console->actor_address, sizeof console->actor_address, "%s", process->address);
}

enum status live_open(const struct live_options *options, struct live **out) {
    struct live *live = mem_zero(1, sizeof *live);
    if (!live) return STATUS_NO_MEMORY;
    live->options = *options;
    live->last = &live->first;
    pthread_mutex_init(&live->lock, NULL);
    live->queue_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    enum status s = orders_init(&live->orders);
    size_t bytes = options->replay ? REPLAY_BYTES_MAX : options->history_bytes;
    if (s == STATUS_OK) s = console_init(&live->console, bytes);
    live->console.cost =
        (struct cost){.every_ms = options->refresh_ms, .least_ms = options->refresh_ms};
    show_first(live);
    if (s == STATUS_OK && options->record && !(live->record = history_open_file(options->record)))
        s = complain(STATUS_IO, strerror(errno), options->record);
    log_set(LOG_ERROR, false);
    if (s == STATUS_OK) s = options->replay ? open_replay(live) : open_node(live);
    if (s != STATUS_OK) {
        live_close(live);
        return s;
    }
    *out = live;
    return STATUS_OK;
}

void live_close(struct live *live) {
    if (!live) return;
    node_close(live->node);
    while (live->first) {
        struct queued *queued = live->first;
        live->first = queued->next;
        mem_free(queued->event);
        mem_free(queued);
    }
    keyring_free(live->options.keyring);
    if (live->record) fclose(live->record);
    if (live->queue_fd >= 0) close(live->queue_fd);
    orders_free(&live->orders);
    console_free(&live->console);
    screen_free(&live->screen);
    pthread_mutex_destroy(&live->lock);
    mem_free(live);
}

struct console *live_console(struct live *live) {
    return &live->console;
}

static void want(struct live *live) {
    struct wanted wanted;
    find_actor(live);
    console_wanted(&live->console, &wanted);
    if (!live->console.replay) orders_want(&live->orders, &wanted);
}

/* --- in the terminal --- */

static enum status resize(struct live *live) {
    int width, height;
    terminal_size(&width, &height);
    screen_free(&live->screen);
    enum status s = screen_init(&live->screen, width, height);
    live->screen.ascii = live->options.ascii || !terminal_unicode();
    live->dirty = true;
    return s;
}

static enum status take_inputs(struct live *live) {
    for (struct input input; (input = terminal_read()).kind != INPUT_NONE; live->dirty = true) {
        enum status s = STATUS_OK;
        if (input.kind == INPUT_KEY) console_key(&live->console, input.key);
        if (input.kind == INPUT_CLICK)
            console_click(&live->console, &live->screen, input.row, input.column);
        if (input.kind == INPUT_WHEEL) console_wheel(&live->console, input.rows);
        if (input.kind == INPUT_RESIZE) s = resize(live);
        if (s != STATUS_OK) return s;
        /* The next key means what is seen after this one. */
        if (input.kind != INPUT_RESIZE) console_draw(&live->console, &live->screen);
    }
    return STATUS_OK;
}

static void save(struct live *live) {
    char path[64];
    time_t seconds = time(NULL);
    struct tm local;
    live->console.save = false;
    if (!localtime_r(&seconds, &local)) return;
    strftime(path, sizeof path, "vectron-%Y%m%d-%H%M%S.console", &local);
    enum status s = history_save(&live->console.timeline.history, path);
    if (s == STATUS_OK)
        console_notice(&live->console, "written: %s, %zu answers", path,
                       live->console.timeline.history.n);
    else
        console_notice(&live->console, "%s: %s", path,
                       s == STATUS_EXISTS ? "is there already" : strerror(errno));
}

static void play(struct live *live) {
    uint64_t at = now_us() / 1000;
    if (live->console.playing && live->played_ms) {
        console_play(&live->console, at - live->played_ms);
        live->dirty = true;
    }
    live->played_ms = at;
}

static int wait_ms(const struct live *live) {
    uint64_t at = now_us() / 1000;
    if (live->dirty)
        return at < live->frame_ms + FRAME_MS ? (int)(live->frame_ms + FRAME_MS - at) : 0;
    return live->console.playing ? PLAY_MS : 1000;
}

static void draw_when_due(struct live *live) {
    uint64_t at = now_us() / 1000;
    if (!live->dirty || at < live->frame_ms + FRAME_MS) return;
    console_draw(&live->console, &live->screen);
    terminal_show(&live->screen);
    live->frame_ms = at;
    live->dirty = false;
}

static enum status loop(struct live *live) {
    enum status s = resize(live);
    while (s == STATUS_OK && !live->console.quit) {
        want(live);
        draw_when_due(live);
        struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {live->queue_fd, POLLIN, 0}};
        int ready = poll(fds, 2, wait_ms(live));
        if (ready < 0 && errno != EINTR) return STATUS_IO;
        if (fds[0].revents & (POLLHUP | POLLERR)) return STATUS_OK; /* the terminal is gone */
        s = take_inputs(live);
        if (drain(live)) live->dirty = true;
        play(live);
        measure(live);
        if (live->console.save) save(live);
    }
    return s;
}

enum status live_run(struct live *live) {
    struct terminal_options options = {live->options.color, live->options.mouse};
    enum status s = terminal_open(&options);
    if (s != STATUS_OK) return s;
    live->console.order = live->console.replay ? NULL : give;
    s = loop(live);
    terminal_close();
    return s;
}

/* --- once --- */

/* Two reports of everybody who answers, and an answer to every other question. */
static bool complete(struct live *live) {
    const struct process *process;
    uint32_t questions = view_of(live->console.view)->questions;
    size_t n = 0;
    for (size_t i = 0; (process = console_process(&live->console, i)); i++) {
        if (process->status == STATUS_NOT_READY) return false;
        if (process->status != STATUS_OK) continue;
        n++;
        if (!process->rated || (questions & 1u << QUESTION_ACTORS && !process->n_actors))
            return false;
        if (questions & 1u << QUESTION_WAITS && !model_answer(process, QUESTION_WAITS, NULL))
            return false;
        if (questions & 1u << QUESTION_LETTERS && !model_answer(process, QUESTION_LETTERS, NULL))
            return false;
        if (questions & 1u << QUESTION_TRACES && !model_answer(process, QUESTION_TRACES, NULL))
            return false;
        if (questions & 1u << QUESTION_TRACE && !model_answer(process, QUESTION_TRACE, NULL))
            return false;
    }
    return n > 0;
}

enum status live_gather(struct live *live, uint64_t ms) {
    struct console *console = &live->console;
    if (console->replay) {
        timeline_seek(&console->timeline, timeline_last_ms(&console->timeline));
        find_actor(live);
        return STATUS_OK;
    }
    uint64_t begun = now_us() / 1000, settle = 0;
    for (uint64_t at = begun; at < begun + ms; at = now_us() / 1000) {
        want(live);
        struct pollfd fd = {live->queue_fd, POLLIN, 0};
        poll(&fd, 1, 100);
        drain(live);
        if (!complete(live))
            settle = 0;
        else if (!settle)
            settle = at;
        /* Once more around: links of the last that answered may lead to others. */
        if (settle && at >= settle + live->options.refresh_ms) break;
    }
    const struct process *process;
    for (size_t i = 0; (process = console_process(console, i)); i++)
        if (process->report) return STATUS_OK;
    return STATUS_LOST_PEER;
}
