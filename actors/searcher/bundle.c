/* bundle:   todo ─▶ under way (RUNNING_MAX) ─▶ done ─▶ sent, SEND_BYTES at a time
 *
 * Exact searches that can be scanned together are in todo as one, their leader (scan.h). */
#include "actors/searcher/bundle.h"

#include "actors/searcher/scan.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    RUNNING_MAX = 2, /* who else searches here does not wait for all of a bundle */
    SEND_BYTES = 256 * 1024,
};

struct bundle {
    struct promise promise;
    struct search *todo; /* owned, as the next */
    struct search *done; /* over and not sent, newest first */
    uint32_t n_done;
    size_t done_bytes;
    uint32_t n_running;
    bool settled; /* the promise is */
};

static void free_list(struct search **list) {
    while (*list) {
        struct search *search = *list;
        *list = search->next;
        for (struct search *other; search->scan && (other = scan_pop(search->scan));)
            search_free(other);
        search_free(search);
    }
}

static void bundle_free(struct bundle *bundle) {
    free_list(&bundle->todo);
    free_list(&bundle->done);
    mem_free(bundle);
}

/* Lets the search be scanned with the leader of before, or makes it one. *joined: it is the
 * leader's now. */
static enum status
scan_with(struct search **leader, struct search *search, uint32_t *room, bool *joined) {
    uint32_t own = scan_room(search->holding->dimension, search->k);
    if (own < *room) *room = own;
    *joined = *leader && scan_size((*leader)->scan) < *room;
    if (*joined) {
        scan_join((*leader)->scan, search);
        return STATUS_OK;
    }
    *leader = search;
    *room = own;
    return scan_lead(search);
}

enum status bundle_open(const ShardSearches *query,
                        struct holding *holding,
                        struct point_store *points,
                        struct bundle **out) {
    struct bundle *bundle = mem_zero(1, sizeof *bundle);
    struct search **end, *leader = NULL;
    uint32_t room = 0;
    if (!bundle) return STATUS_NO_MEMORY;
    end = &bundle->todo;
    for (uint32_t i = 0; i < query->n_searches; i++) {
        const ShardSearch *wanted = query->searches[i];
        struct search *search;
        struct holding *hold = holding_again(holding);
        bool joined = false;
        enum status s = STATUS_INVALID;
        if (wanted->n_vector == holding->dimension && wanted->k > 0 && wanted->k <= INDEX_K_MAX)
            s = search_new(wanted, hold, points, &search);
        if (s != STATUS_OK) {
            holding_drop(hold);
            bundle_free(bundle);
            return s;
        }
        search->bundle = bundle;
        search->place = i;
        if (scan_takes(holding, wanted)) s = scan_with(&leader, search, &room, &joined);
        if (!joined) {
            *end = search;
            end = &search->next;
        }
        if (s != STATUS_OK) {
            bundle_free(bundle);
            return s;
        }
    }
    *out = bundle;
    return STATUS_OK;
}

void bundle_owe(struct bundle *bundle, const struct promise *promise) {
    bundle->promise = *promise;
    for (struct search *search = bundle->todo; search; search = search->next) {
        search->promise = *promise;
        if (search->scan) scan_owe(search->scan, promise);
    }
}

struct search *bundle_next(struct bundle *bundle) {
    struct search *search = bundle->todo;
    if (!search || bundle->n_running >= RUNNING_MAX || bundle->settled) return NULL;
    bundle->todo = search->next;
    search->next = NULL;
    bundle->n_running++;
    return search;
}

void bundle_joined(struct bundle *bundle) {
    bundle->n_running++;
}

/* --- answering ------------------------------------------------------------------------------- */

static void set_find(ShardFind *find, ShardHits *hits, struct search *search, bool last) {
    shard_find__init(find);
    find->search = search->place;
    find->status = search->status;
    if (search->words) find->text = (char *)(uintptr_t)search->words;
    if (search->status != STATUS_OK) return;
    search_page(search, last, hits);
    find->hits = hits;
}

/* What is done, or a page of one that is not. */
static void send(struct bundle *bundle, struct search *page, bool last, struct turn *turn) {
    ShardFinds finds = SHARD_FINDS__INIT;
    size_t n = page ? 1 : bundle->n_done;
    ShardFind *rows = turn_alloc(turn, (n + 1) * sizeof *rows);
    ShardHits *hits = turn_alloc(turn, (n + 1) * sizeof *hits);
    finds.finds = turn_alloc(turn, (n + 1) * sizeof *finds.finds);
    if (!rows || !hits || !finds.finds) {
        bundle_reject(bundle, STATUS_NO_MEMORY, turn);
        return;
    }
    for (struct search *search = page ? page : bundle->done; finds.n_finds < n;
         search = search->next) {
        set_find(&rows[finds.n_finds], &hits[finds.n_finds], search, !page);
        finds.finds[finds.n_finds] = &rows[finds.n_finds];
        finds.n_finds++;
    }
    if (last)
        turn_resolve(turn, &bundle->promise, &finds.base);
    else
        turn_resolve_part(turn, &bundle->promise, &finds.base);
    bundle->settled = last;
    if (page) return;
    free_list(&bundle->done);
    bundle->n_done = 0;
    bundle->done_bytes = 0;
}

void bundle_done(struct bundle *bundle, struct search *search, struct turn *turn) {
    bundle->n_running--;
    search->next = bundle->done;
    bundle->done = search;
    bundle->n_done++;
    bundle->done_bytes += search->page.bytes;
    bool all = !bundle->todo && bundle->n_running == 0;
    if (!bundle->settled && !all && bundle->done_bytes >= SEND_BYTES)
        send(bundle, NULL, false, turn);
}

void bundle_page(struct bundle *bundle, struct search *search, struct turn *turn) {
    if (!bundle->settled) send(bundle, search, false, turn);
    search_page_sent(search);
}

void bundle_reject(struct bundle *bundle, enum status status, struct turn *turn) {
    if (bundle->settled) return;
    bundle->settled = true;
    turn_reject(turn, &bundle->promise, status, "searches on a shard");
}

void bundle_leave(struct search *search) {
    struct bundle *bundle = search->bundle;
    search->next = NULL;
    free_list(&search);
    bundle->n_running--;
}

bool bundle_ended(struct bundle *bundle, struct turn *turn) {
    if (bundle->n_running > 0) return false;
    if (bundle->todo && !bundle->settled) return false;
    if (!bundle->settled) send(bundle, NULL, true, turn);
    bundle_free(bundle);
    return true;
}

void bundle_drop(struct bundle *bundle) {
    if (bundle->n_running == 0) bundle_free(bundle);
}
