/* fuzz_sys: questions of anybody to sys, in a world with an actor to ask about. The first byte
 * chooses the message, the rest is its body: the decoder lets through what is a message, so sys
 * meets every combination of fields. */
#include <stdint.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/raw.h"
#include "runtime/sim/sim.h"
#include "schemas/sys.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SECOND_US = 1000 * 1000, QUESTIONS_A_WORLD = 16 /* opening one takes longest */ };

struct bystander {
    char unused;
};
static const struct handler nothing[] = {{NULL, NULL}};
static const struct actor_type bystander_type = {
    .kind = "bystander", .size = sizeof(struct bystander), .handlers = nothing};

/* What sys answers at once; taps and recordings end with their time. */
static const ProtobufCMessageDescriptor *const questions[] = {
    &sys_ask__descriptor,         &sys_ask_actor__descriptor, &sys_ask_waits__descriptor,
    &sys_ask_letters__descriptor, &sys_resend__descriptor,    &sys_tap__descriptor,
    &sys_do__descriptor,          &sys_lint__descriptor,      &sys_ask_trace__descriptor,
};

static struct sim *world(void) {
    struct sim *sim = sim_open(&(struct sim_options){.seed = 1,
                                                     .lanes = 2,
                                                     .quiet = true,
                                                     .bodies = SYS_BODIES_WHOLE,
                                                     .actions = SYS_ACTIONS_TEST});
    sim_spawn(sim, "a", &bystander_type, NULL);
    return sim;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct raw raw;
    const ProtobufCMessage *reply = NULL;
    static struct sim *sim;
    static unsigned asked;
    if (size == 0) return 0;
    if (!sim) sim = world();
    const ProtobufCMessageDescriptor *type =
        questions[data[0] % (sizeof questions / sizeof *questions)];
    raw_init(&raw, codec_op(type), data + 1, size - 1);
    enum status s = sim_call(sim, "sys", &raw.base, 2 * SECOND_US, &reply);
    assert(s < STATUS_COUNT && (s != STATUS_OK || reply));
    /* It is still there. */
    s = sim_call(sim, "sys", MESSAGE(SysAsk, sys_ask, .actors = 1), 2 * SECOND_US, &reply);
    assert(s == STATUS_OK && ((const SysReport *)reply)->n_lanes == 2);
    if (++asked % QUESTIONS_A_WORLD == 0) sim_close(&sim);
    return 0;
}
