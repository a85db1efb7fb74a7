/* sim: the runtime's simulator for a program's own actors. */
#include "runtime/sim/sim.h"

#include "adapters/embed/embed.h"
#include "runtime/assert.h"
#include "runtime/codec.h"

static struct sim *sim_of(struct vectron_sim *sim) {
    return (struct sim *)sim;
}

struct vectron_sim *vectron_sim_open(const struct vectron_sim_options *options) {
    struct vectron_sim_options taken;
    bool known = embed_take(&taken, sizeof taken, options);
    assert(known);
    return (struct vectron_sim *)sim_open(&(struct sim_options){
        .seed = taken.seed,
        .nodes = taken.nodes,
        .lanes = taken.io_lanes,
        .shuffle = taken.shuffle,
        .delay_us_min = taken.delay_us_min,
        .delay_us_max = taken.delay_us_max,
        .drop_ppm = taken.drop_ppm,
    });
}

void vectron_sim_close(struct vectron_sim *sim) {
    struct sim *open = sim_of(sim);
    if (open) sim_close(&open);
}

vectron_handle
vectron_sim_spawn(struct vectron_sim *sim, uint32_t node, const struct vectron_spawn *spawn) {
    struct spawn taken;
    bool known = embed_spawn(spawn, &taken);
    assert(known);
    return sim_spawn_as(sim_of(sim), node, &taken);
}

void vectron_sim_stop(struct vectron_sim *sim, uint32_t node, const char *name) {
    sim_stop_on(sim_of(sim), node, name);
}

void vectron_sim_tell(struct vectron_sim *sim, const char *name, const ProtobufCMessage *message) {
    sim_tell(sim_of(sim), name, message);
}

enum vectron_status vectron_sim_call(struct vectron_sim *sim,
                                     const char *name,
                                     const struct vectron_sim_call *call,
                                     const ProtobufCMessage **reply) {
    struct vectron_sim_call taken;
    bool known = embed_take(&taken, sizeof taken, call);
    assert(known);
    enum status s = STATUS_OK;
    if (taken.reply && codec_find(codec_op(taken.reply)) != taken.reply) s = codec_add(taken.reply);
    if (s == STATUS_OK)
        s = sim_call(sim_of(sim), name, taken.message,
                     taken.timeout_us ? taken.timeout_us : 60000000, reply);
    return (enum vectron_status)s;
}

const char *vectron_sim_words(const struct vectron_sim *sim) {
    return sim_words((const struct sim *)sim);
}

void vectron_sim_run(struct vectron_sim *sim, uint64_t us) {
    sim_run(sim_of(sim), us);
}

uint64_t vectron_sim_now_us(const struct vectron_sim *sim) {
    return sim_now_us((const struct sim *)sim);
}

void vectron_sim_cut(struct vectron_sim *sim, uint32_t a, uint32_t b, bool cut) {
    if (cut)
        sim_cut(sim_of(sim), a, b);
    else
        sim_heal(sim_of(sim), a, b);
}

const char *vectron_sim_trace(struct vectron_sim *sim) {
    return sim_trace(sim_of(sim));
}

void vectron_sim_trace_clear(struct vectron_sim *sim) {
    sim_trace_clear(sim_of(sim));
}
