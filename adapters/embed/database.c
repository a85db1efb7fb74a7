/* database: the roles of actors/role.h in a program. */
#include <stdatomic.h>

#include "actors/role.h"
#include "adapters/embed/embed.h"
#include "runtime/watermark.h"

/* Roles keep some of their options for the process. */
static atomic_flag taken_already = ATOMIC_FLAG_INIT;

static enum vectron_status role_failed(enum status status) {
    return embed_fail(status, "%s", role_error());
}

static enum status start_roles(struct vectron_node *node,
                               const struct vectron_database_options *options) {
    uint32_t roles = options->roles;
    const char *pd = roles & VECTRON_PD ? "" : options->pd;
    uint32_t shards = roles == VECTRON_ALL ? ROLE_SHARDS_UP : ROLE_SHARDS_CLUSTER;
    enum status s = STATUS_OK;
    if (roles & VECTRON_PD)
        s = role_pd_start(node->node,
                          &(struct role_pd_options){
                              .storage = node->storage,
                              .default_shards = options->shards ? options->shards : shards,
                          });
    if (s == STATUS_OK && (roles & VECTRON_WORKER))
        s = role_worker_start(node->node,
                              &(struct role_worker_options){
                                  .storage = node->storage,
                                  .pd = pd,
                                  .link = roles & VECTRON_PD ? "" : node_link(node->node),
                                  .searchers = options->searchers,
                              });
    if (s == STATUS_OK && (roles & VECTRON_GATEWAY))
        s = role_gateway_start(node->node, &(struct role_gateway_options){
                                               .pd = pd, .hedge_percent = ROLE_HEDGE_PERCENT});
    return s;
}

/* Words of what cannot be; NULL: it can. */
static const char *contradiction(const struct vectron_node *node,
                                 const struct vectron_database_options *options) {
    uint32_t roles = options->roles;
    if (roles & ~(uint32_t)VECTRON_ALL) return "roles: unknown bits";
    if (!(roles & VECTRON_PD) && (!options->pd || !*options->pd))
        return "pd: without VECTRON_PD the placement driver's link is needed";
    if (roles != VECTRON_GATEWAY && (!options->data_dir || !*options->data_dir))
        return "data_dir: all but a gateway need a folder";
    if (roles != VECTRON_ALL && (roles & VECTRON_WORKER) && !*node_link(node->node))
        return "link: routers of other processes must reach a worker; give its node one";
    return NULL;
}

enum vectron_status vectron_database_start(struct vectron_node *node,
                                           const struct vectron_database_options *options) {
    struct vectron_database_options taken;
    if (!embed_take(&taken, sizeof taken, options))
        return embed_fail(STATUS_INVALID, "struct vectron_database_options: size is not sizeof");
    if (taken.roles == 0) taken.roles = VECTRON_ALL;
    const char *words = contradiction(node, &taken);
    if (words) return embed_fail(STATUS_INVALID, "%s", words);
    if (atomic_flag_test_and_set(&taken_already))
        return embed_fail(STATUS_EXISTS, "there is a database in this process");
    node->database = true;
    if (taken.memory_limit) watermark_set(taken.memory_limit);
    sigset_t before;
    embed_block_signals(&before);
    enum status s = STATUS_OK;
    if (taken.roles != VECTRON_GATEWAY)
        s = role_storage_open(
            &(struct role_storage_options){
                .data_dir = taken.data_dir,
                .cache_bytes = taken.cache_bytes,
                .write_bytes = taken.write_bytes,
                .log_only = taken.roles == VECTRON_PD,
            },
            &node->storage);
    if (s == STATUS_OK) s = start_roles(node, &taken);
    embed_restore_signals(&before);
    return s == STATUS_OK ? VECTRON_OK : role_failed(s);
}

void embed_database_close(struct vectron_node *node) {
    if (!node->database) return;
    role_storage_close(node->storage);
    atomic_flag_clear(&taken_already);
}
