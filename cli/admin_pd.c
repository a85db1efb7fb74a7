/* admin_pd: the group of placement drivers: who is in it, and one step of changing that.
 *
 * A step is decided by the leader and done a moment later; this waits until it is. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/address.h"
#include "cli/admin.h"
#include "runtime/node.h"

enum { STEP_ADD, STEP_REMOVE, STEP_LEAD, LOOKS = 150, LOOK_US = 200 * 1000 };

/* NULL: it failed and said why. Of the leader, while there is one. */
static ProtobufCMessage *ask(struct admin *admin) {
    PdAskLeader question = PD_ASK_LEADER__INIT;
    ProtobufCMessage *reply = admin_ask(admin, &question.base);
    if (!reply) return NULL;
    const PdLeader *said = (const void *)reply;
    if (said->leader == said->member || !*said->link) return reply;
    struct admin leader = *admin;
    snprintf(leader.addresses, sizeof leader.addresses, "%s", said->link);
    ProtobufCMessage *better = admin_ask(&leader, &question.base);
    if (better) node_reply_free(reply);
    return better ? better : reply;
}

static const PdMember *find(const PdLeader *leader, uint64_t id) {
    for (size_t i = 0; i < leader->n_members; i++)
        if (leader->members[i]->id == id) return leader->members[i];
    return NULL;
}

static bool is_done(const PdLeader *leader, const PdChangeMember *change) {
    const PdMember *member = find(leader, change->member);
    if (change->step == STEP_LEAD) return leader->leader == change->member;
    if (leader->changing) return false; /* a new leader may not know of it */
    if (change->step == STEP_REMOVE) return !member;
    return member && strcmp(member->role, "learner") != 0;
}

static int wait_for(struct admin *admin, const PdChangeMember *change) {
    static const char *const words[] = {"has joined: it votes", "is removed: stop it for good",
                                        "leads"};
    for (int i = 0; i < LOOKS; i++) {
        ProtobufCMessage *reply = ask(admin);
        if (!reply) return EXIT_FAILED;
        bool done = is_done((const void *)reply, change);
        node_reply_free(reply);
        if (done) {
            printf("member %" PRIu64 " %s\n", change->member, words[change->step]);
            return EXIT_OK;
        }
        usleep(LOOK_US);
    }
    return command_fail("member %" PRIu64 " is not there yet: is it started with --node-id %" PRIu64
                        ", and with an empty data folder? vectron admin pd tells how far it is",
                        change->member, change->member);
}

static int change(struct admin *admin, const struct args *args, uint32_t step) {
    PdChangeMember question = PD_CHANGE_MEMBER__INIT;
    char link[ADDRESS_MAX] = "", *end;
    errno = 0;
    question.step = step;
    question.member = strtoull(args->words[2], &end, 10);
    if (errno != 0 || *end != '\0' || question.member == 0 || *args->words[2] == '-')
        return command_misuse("admin", "\"%s\" is no id of a member: they are whole numbers from 1",
                              args->words[2]);
    if (step == STEP_ADD) address_link(args->words[3], false, link);
    question.link = link;
    ProtobufCMessage *reply = admin_ask(admin, &question.base);
    if (!reply) return EXIT_FAILED;
    node_reply_free(reply);
    return wait_for(admin, &question);
}

static int show(struct admin *admin, const struct args *args) {
    ProtobufCMessage *reply = ask(admin);
    if (!reply) return EXIT_FAILED;
    const PdLeader *leader = (const void *)reply;
    if (args_on(args, "json")) {
        command_print_json(reply);
    } else {
        if (leader->leader == leader->member)
            admin_print_leader(leader);
        else
            puts("no placement driver leads now: a majority of these has to be up");
        admin_print_members(leader);
    }
    node_reply_free(reply);
    return EXIT_OK;
}

int admin_pd(struct admin *admin, const struct args *args) {
    static const char *const steps[] = {"add", "remove", "lead"};
    if (args->n_words == 1) return show(admin, args);
    for (uint32_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (strcmp(args->words[1], steps[i]) != 0) continue;
        if (args->n_words != (i == STEP_ADD ? 4 : 3)) break;
        return change(admin, args, i);
    }
    return command_misuse("admin", "it is: admin pd [add ID LINK | remove ID | lead ID]");
}
