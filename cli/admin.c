/* admin: a tool's node and one call at a time. Several placement drivers are one group: who does
 * not lead says so, and the next one is asked. */
#include "cli/admin.h"

#include <string.h>
#include <sys/stat.h>

#include "cli/address.h"
#include "cli/keys.h"
#include "runtime/memory.h"
#include "runtime/node.h"

#define PD_LINK "tcp://127.0.0.1:7001"
enum { ASK_MS = 10 * 1000 };

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
           status == STATUS_NOT_FOUND;
}

ProtobufCMessage *admin_ask(struct admin *admin, const ProtobufCMessage *question) {
    char list[sizeof admin->addresses], text[512] = "";
    enum status s = STATUS_LOST_PEER;
    ProtobufCMessage *reply = NULL;
    char *rest = list;
    memcpy(list, admin->addresses, sizeof list);
    for (const char *address; (address = strtok_r(rest, ",", &rest));) {
        bool last = *rest == '\0';
        text[0] = '\0';
        s = node_call(admin->node,
                      &(struct node_call){.address = address,
                                          .name = "pd",
                                          .message = question,
                                          .timeout_ms = ASK_MS,
                                          .text = text,
                                          .text_size = sizeof text},
                      &reply);
        if (s == STATUS_OK) return reply;
        if (last || !is_elsewhere(s)) break;
    }
    if (s == STATUS_LOST_PEER || s == STATUS_EXPIRED)
        command_fail("no placement driver answers at %s: --pd-addrs names its link address (its "
                     "--raft-addr), or --data-dir the folder of a `vectron up`",
                     admin->addresses);
    else if (s == STATUS_NOT_FOUND && (!text[0] || !strcmp(text, status_text(s))))
        command_fail("the process at %s has no placement driver: --pd-addrs names one that has",
                     admin->addresses);
    else
        command_fail("%s: %s", status_name(s), text[0] ? text : status_text(s));
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
