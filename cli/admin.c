/* admin: a tool's node and one call at a time. Several placement drivers are one group: who does
 * not lead says so, and the leader or the next one is asked. While they elect one, all are asked
 * again. */
#include "cli/admin.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/address.h"
#include "cli/keys.h"
#include "runtime/memory.h"
#include "runtime/node.h"

#define PD_LINK "tcp://127.0.0.1:7001"
enum { ASK_MS = 10 * 1000, ROUNDS = 20, PAUSE_US = 200 * 1000 };

/* Named; else the `vectron up` of this folder; else where `vectron pd` listens by default. */
static void find_addresses(struct admin *admin) {
    struct stat socket;
    char path[sizeof admin->addresses - 8];
    const char *link = config_text(admin->config, "PD_ADDRS");
    if (!*link) link = config_text(admin->config, "VECTRON_LINK");
    int n =
        snprintf(path, sizeof path, "%s/link.ipc", config_text(admin->config, "VECTRON_DATA_DIR"));
    if (*link)
        address_links(link, admin->addresses);
    else if (n < (int)sizeof path && stat(path, &socket) == 0)
        snprintf(admin->addresses, sizeof admin->addresses, "ipc://%s", path);
    else
        snprintf(admin->addresses, sizeof admin->addresses, PD_LINK);
}

int admin_open(const struct args *args, struct admin *out) {
    *out = (struct admin){0};
    out->config = config_load_process(ROLE_CLIENT, args);
    if (!out->config) return EXIT_USAGE;
    find_addresses(out);
    return keys_open_tool(out->config, &out->node);
}

void admin_close(struct admin *admin) {
    if (admin->node) node_close(admin->node);
    if (admin->config) config_free(admin->config);
}

static bool is_elsewhere(enum status status) {
    return status == STATUS_NOT_LEADER || status == STATUS_LOST_PEER || status == STATUS_EXPIRED ||
           status == STATUS_NOT_FOUND || status == STATUS_NOT_READY;
}

/* A moment later the same question may be answered. */
static bool is_passing(enum status status) {
    return status == STATUS_NOT_LEADER || status == STATUS_NOT_READY || status == STATUS_BUSY;
}

struct answer {
    bool passing; /* one of them said so: they may be electing */
    enum status status;
    char text[512];
    ProtobufCMessage *reply;
};

static void ask_at(struct admin *admin,
                   const char *address,
                   const ProtobufCMessage *question,
                   struct answer *out) {
    out->text[0] = '\0';
    out->status = node_call(admin->node,
                            &(struct node_call){.address = address,
                                                .name = "pd",
                                                .message = question,
                                                .timeout_ms = ASK_MS,
                                                .text = out->text,
                                                .text_size = sizeof out->text},
                            &out->reply);
}

/* One that does not lead may know a leader that is not in the list. */
static void ask_leader_of(struct admin *admin,
                          const char *address,
                          const ProtobufCMessage *question,
                          struct answer *out) {
    PdAskLeader where = PD_ASK_LEADER__INIT;
    struct answer told;
    ask_at(admin, address, &where.base, &told);
    if (told.status != STATUS_OK) return;
    const PdLeader *leader = (const void *)told.reply;
    if (leader->leader != leader->member && *leader->link)
        ask_at(admin, leader->link, question, out);
    node_reply_free(told.reply);
}

static void ask_each(struct admin *admin, const ProtobufCMessage *question, struct answer *out) {
    char list[sizeof admin->addresses], *rest = list;
    memcpy(list, admin->addresses, sizeof list);
    for (const char *address; (address = strtok_r(rest, ",", &rest));) {
        ask_at(admin, address, question, out);
        if (out->status == STATUS_NOT_LEADER) ask_leader_of(admin, address, question, out);
        out->passing |= is_passing(out->status);
        if (out->status == STATUS_OK || !is_elsewhere(out->status)) return;
    }
}

ProtobufCMessage *admin_ask(struct admin *admin, const ProtobufCMessage *question) {
    struct answer answer = {.status = STATUS_LOST_PEER};
    for (int i = 0; i < ROUNDS; i++) {
        if (i > 0) usleep(PAUSE_US);
        answer.passing = false;
        ask_each(admin, question, &answer);
        if (answer.status == STATUS_OK || !answer.passing) break;
    }
    enum status s = answer.status;
    admin->unanswered =
        s == STATUS_LOST_PEER || s == STATUS_EXPIRED || (admin->patient && is_elsewhere(s));
    if (s == STATUS_OK) return answer.reply;
    if (admin->unanswered && admin->patient) return NULL;
    if (admin->unanswered)
        command_fail("no placement driver answers at %s: --pd-addrs names its link address (its "
                     "--raft-addr), or --data-dir the folder of a `vectron up`",
                     admin->addresses);
    else if (s == STATUS_NOT_FOUND && (!answer.text[0] || !strcmp(answer.text, status_text(s))))
        command_fail("the process at %s has no placement driver: --pd-addrs names one that has",
                     admin->addresses);
    else
        command_fail("%s: %s", status_name(s), answer.text[0] ? answer.text : status_text(s));
    return NULL;
}

int admin_shards(struct admin *admin, const char *collection, struct admin_shards *list) {
    *list = (struct admin_shards){0};
    pd_shards__init(&list->all);
    size_t room = 0;
    PdListShards question = PD_LIST_SHARDS__INIT;
    question.collection = (char *)(uintptr_t)collection;
    do {
        ProtobufCMessage *page = admin_ask(admin, &question.base);
        if (!page) return EXIT_FAILED;
        const PdShards *shards = (const void *)page;
        ProtobufCMessage **pages =
            mem_resize(list->pages, (list->n_pages + 1) * sizeof(ProtobufCMessage *));
        PdShardState **rows =
            mem_resize(list->all.shards, (room + shards->n_shards + 1) * sizeof(PdShardState *));
        if (pages) list->pages = pages;
        if (rows) list->all.shards = rows;
        if (!pages || !rows) {
            node_reply_free(page);
            return command_fail("out of memory");
        }
        list->pages[list->n_pages++] = page;
        for (size_t i = 0; i < shards->n_shards; i++)
            list->all.shards[room++] = shards->shards[i];
        list->all.n_shards = room;
        question.after = shards->next;
    } while (question.after != 0);
    return EXIT_OK;
}

void admin_shards_close(struct admin_shards *list) {
    for (size_t i = 0; i < list->n_pages; i++)
        node_reply_free(list->pages[i]);
    mem_free(list->pages);
    mem_free(list->all.shards);
}
