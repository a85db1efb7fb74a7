/* peers: what the catalog knows of the members of the placement drivers' own group beside what the
 * group itself knows: who has taken part, and where those that have led are found by clients. */
#include "actors/pd/catalog_parts.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

void peers_free(struct catalog *catalog) {
    for (uint32_t i = 0; i < catalog->n_peers; i++) {
        mem_free(catalog->peers[i].grpc_address);
        mem_free(catalog->peers[i].link);
    }
    mem_free(catalog->peers);
}

const struct catalog_peer *catalog_peer(const struct catalog *catalog, uint64_t id) {
    for (uint32_t i = 0; i < catalog->n_peers; i++)
        if (catalog->peers[i].id == id) return &catalog->peers[i];
    return NULL;
}

/* The oldest goes where there is no room: it was replaced long ago. */
static enum status make_room(struct catalog *catalog) {
    if (catalog->n_peers == CATALOG_PEERS_MAX) {
        mem_free(catalog->peers[0].grpc_address);
        mem_free(catalog->peers[0].link);
        for (uint32_t i = 1; i < catalog->n_peers; i++)
            catalog->peers[i - 1] = catalog->peers[i];
        catalog->n_peers--;
    }
    struct catalog_peer *peers =
        mem_resize(catalog->peers, (catalog->n_peers + 1) * sizeof *catalog->peers);
    if (!peers) return STATUS_NO_MEMORY;
    catalog->peers = peers;
    return STATUS_OK;
}

enum status peers_put(struct catalog *catalog, const PdPeerRow *row) {
    if (row->member == 0) return STATUS_CORRUPT;
    struct catalog_peer new = {.id = row->member,
                               .started = row->started,
                               .grpc_address = mem_string(row->grpc_address),
                               .link = mem_string(row->link)};
    struct catalog_peer *peer =
        (struct catalog_peer *)(uintptr_t)catalog_peer(catalog, row->member);
    enum status s = new.grpc_address &&new.link ? STATUS_OK : STATUS_NO_MEMORY;
    if (s == STATUS_OK && !peer) s = make_room(catalog);
    if (s != STATUS_OK) {
        mem_free(new.grpc_address);
        mem_free(new.link);
        return s;
    }
    if (peer) {
        new.started = new.started || peer->started;
        mem_free(peer->grpc_address);
        mem_free(peer->link);
        *peer = new;
    } else {
        catalog->peers[catalog->n_peers++] = new;
    }
    return STATUS_OK;
}
