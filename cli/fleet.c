/* fleet: asks sys of each process for its links until nobody names a new one; questions run from
 * one turn of the root, so their answers never race. */
#include "cli/fleet.h"

#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/keys.h"
#include "runtime/node.h"
#include "schemas/sys.pb-c.h"

enum { SYS_MS = 3000, LOOK_NS = 100 * 1000 * 1000 };

static bool known(const struct fleet *fleet, const char *address) {
    for (size_t i = 0; i < fleet->n; i++)
        if (strcmp(fleet->processes[i].address, address) == 0) return true;
    return false;
}

/* One process may be told by a short path and know itself by the whole one. */
static void add(struct fleet *fleet, const char *told) {
    static const char ipc[] = "ipc://";
    char address[ADDRESS_MAX], whole[PATH_MAX];
    snprintf(address, sizeof address, "%s", told);
    if (strncmp(told, ipc, sizeof ipc - 1) == 0 && realpath(told + sizeof ipc - 1, whole))
        snprintf(address, sizeof address, "%s%.*s", ipc, (int)(ADDRESS_MAX - sizeof ipc), whole);
    if (!*address || fleet->n == FLEET_MAX || known(fleet, address)) return;
    struct fleet_process *process = &fleet->processes[fleet->n++];
    snprintf(process->address, sizeof process->address, "%s", address);
    process->name[0] = '\0';
}

static void add_list(struct fleet *fleet, const char *list) {
    char one[ADDRESS_MAX], address[ADDRESS_MAX];
    while (*list) {
        size_t size = strcspn(list, ",");
        snprintf(one, sizeof one, "%.*s", (int)size, list);
        address_link(one, false, address);
        add(fleet, address);
        list += size + (list[size] == ',');
    }
}

/* NULL: it does not answer; its status is in *status. */
static SysReport *report_of(struct fleet *fleet, size_t i, enum status *status) {
    SysAsk ask = SYS_ASK__INIT;
    ProtobufCMessage *reply = NULL;
    struct node_call call = {.address = fleet->processes[i].address,
                             .name = "sys",
                             .message = &ask.base,
                             .timeout_ms = SYS_MS};
    *status = node_call(fleet->node, &call, &reply);
    return *status == STATUS_OK ? (SysReport *)reply : NULL;
}

/* Asks the ones that were added meanwhile, too. Those that do not answer leave the list: a peer of
 * a peer may be a tool that has gone. */
static enum status discover(struct fleet *fleet) {
    enum status first = STATUS_OK;
    for (size_t i = 0; i < fleet->n;) {
        enum status status = STATUS_OK;
        SysReport *report = report_of(fleet, i, &status);
        if (!report) {
            if (first == STATUS_OK) first = status;
            memmove(&fleet->processes[i], &fleet->processes[i + 1],
                    (fleet->n - i - 1) * sizeof *fleet->processes);
            fleet->n--;
            continue;
        }
        snprintf(fleet->processes[i].name, sizeof fleet->processes[i].name, "%s", report->node);
        for (size_t j = 0; j < report->n_links; j++)
            if (strcmp(report->links[j]->name, "tool") != 0) add(fleet, report->links[j]->address);
        node_reply_free(&report->base);
        i++;
    }
    return fleet->n ? STATUS_OK : first;
}

/* worker, worker → worker:9191, worker:9192. */
static void tell_apart(struct fleet *fleet) {
    bool shared[FLEET_MAX] = {false};
    for (size_t i = 0; i < fleet->n; i++)
        for (size_t j = 0; j < fleet->n; j++)
            if (i != j && strcmp(fleet->processes[i].name, fleet->processes[j].name) == 0)
                shared[i] = true;
    for (size_t i = 0; i < fleet->n; i++) {
        struct fleet_process *process = &fleet->processes[i];
        const char *port = strrchr(process->address, ':') + 1;
        bool tcp = strncmp(process->address, "tcp://", 6) == 0;
        size_t size = strlen(process->name), room = sizeof process->name - size;
        if (shared[i] && tcp) snprintf(process->name + size, room, ":%.5s", port);
        if (shared[i] && !tcp) snprintf(process->name + size, room, "#%zu", i + 1);
    }
}

static int start(struct fleet *fleet, const struct args *args) {
    memset(fleet, 0, sizeof *fleet);
    fleet->config = config_load_process(ROLE_CLIENT, args);
    if (!fleet->config) return EXIT_USAGE;
    for (size_t i = 0; i < args->n_settings; i++)
        if (strcmp(args->settings[i].setting->name, "VECTRON_LINK") == 0)
            add_list(fleet, args->settings[i].text);
    if (fleet->n == 0) add_list(fleet, config_text(fleet->config, "VECTRON_LINK"));
    if (fleet->n == 0) {
        char address[ADDRESS_MAX];
        snprintf(address, sizeof address, "ipc://%s/link.ipc",
                 config_text(fleet->config, "VECTRON_DATA_DIR"));
        add(fleet, address);
    }
    return keys_open_tool(fleet->config, &fleet->node);
}

int fleet_open_one(struct fleet *fleet, const struct args *args) {
    int code = start(fleet, args);
    fleet->n = fleet->n > 0;
    return code;
}

int fleet_open(struct fleet *fleet, const struct args *args) {
    int code = start(fleet, args);
    if (code != EXIT_OK) return code;
    char first[ADDRESS_MAX];
    snprintf(first, sizeof first, "%s", fleet->processes[0].address);
    enum status status = discover(fleet);
    tell_apart(fleet);
    if (status == STATUS_OK) return EXIT_OK;
    code = command_fail("%s: %s", first, status_name(status));
    fputs("is the process running? --link names its link address, --data-dir its folder\n", stderr);
    return code;
}

void fleet_close(struct fleet *fleet) {
    node_close(fleet->node);
    if (fleet->config) config_free(fleet->config);
    memset(fleet, 0, sizeof *fleet);
}

/* --- asking all
 * ----------------------------------------------------------------------------------- */

struct asking {
    struct fleet *fleet;
    const struct fleet_call *call;
    struct question {
        struct asking *asking;
        size_t process;
        uint64_t asked; /* the open call; 0: none */
    } questions[FLEET_MAX];
    size_t open;
    size_t answered;
    enum status first;
    sem_t over;
};

static void end_question(struct asking *asking, const struct outcome *outcome) {
    struct fleet *fleet = asking->fleet;
    if (outcome->status == STATUS_OK) {
        asking->answered++;
    } else if (asking->first == STATUS_OK) {
        asking->first = outcome->status;
        snprintf(fleet->words, sizeof fleet->words, "%s", outcome->text);
    }
    if (--asking->open == 0) sem_post(&asking->over);
}

static void answered(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)turn;
    struct question *question = context;
    const struct fleet_call *call = question->asking->call;
    const char *name = question->asking->fleet->processes[question->process].name;
    if (outcome->message) call->take(call->context, name, outcome->message);
    if (outcome->more) return;
    question->asked = 0;
    end_question(question->asking, outcome);
}

static void found(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self;
    struct question *question = context;
    const struct fleet_call *call = question->asking->call;
    if (outcome->status != STATUS_OK) {
        end_question(question->asking, outcome);
        return;
    }
    question->asked =
        turn_call(turn, &(struct call){.to = outcome->handle,
                                       .message = call->message,
                                       .done = answered,
                                       .context = question,
                                       .deadline_us = turn_now_us(turn) + call->timeout_ms * 1000});
}

static void cancel_all(void *self, void *context, struct turn *turn) {
    (void)self;
    struct asking *asking = context;
    for (size_t i = 0; i < asking->fleet->n; i++)
        if (asking->questions[i].asked) turn_cancel(turn, asking->questions[i].asked);
}

static void ask_all(void *self, void *context, struct turn *turn) {
    (void)self;
    struct asking *asking = context;
    for (size_t i = 0; i < asking->fleet->n; i++)
        turn_lookup(turn, &(struct lookup){
                              .address = asking->fleet->processes[i].address,
                              .name = asking->call->actor ? asking->call->actor : "traces",
                              .done = found,
                              .context = &asking->questions[i],
                              .deadline_us = turn_now_us(turn) + (uint64_t)SYS_MS * 1000,
                          });
}

/* The signal may be another thread's: who can be told that it is enough looks now and then. */
static bool is_over(sem_t *over, bool looks) {
    struct timespec until;
    if (!looks) return sem_wait(over) == 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return sem_timedwait(over, &until) == 0;
}

enum status fleet_ask(struct fleet *fleet, const struct fleet_call *call) {
    struct asking asking = {.fleet = fleet, .call = call, .open = fleet->n};
    fleet->words[0] = '\0';
    for (size_t i = 0; i < fleet->n; i++)
        asking.questions[i] = (struct question){&asking, i, 0};
    sem_init(&asking.over, 0, 0);
    node_run(fleet->node, ask_all, &asking);
    while (!is_over(&asking.over, call->enough != NULL))
        if (call->enough && *call->enough) node_run(fleet->node, cancel_all, &asking);
    sem_destroy(&asking.over);
    return asking.answered ? STATUS_OK : asking.first;
}
