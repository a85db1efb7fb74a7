/* bench codec: what encoding and decoding one message costs, beside msgpack-c doing the same work:
 * packing the same map into a reused buffer, unpacking it into an object tree.
 *
 *     bench_codec [--quick] [--only CASE]
 */
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/codec.h"
#include "runtime/envelope.h"
#include "runtime/turn.h"
#include "schemas/router.pb-c.h"
#include "schemas/shard.pb-c.h"

enum { DIMENSION = 768, HITS = 100, ROUNDS = 15 };

/* One way to do the work once. */
typedef void (*work_fn)(void);

struct row {
    const char *name;
    const char *metric;
    work_fn ours;
    work_fn peer;
};

static float vector[DIMENSION];
static ShardSearch search = SHARD_SEARCH__INIT;
static RouterHits hits = ROUTER_HITS__INIT;
static struct envelope envelope;
static struct arena arena;
static struct buffer buffer;
static msgpack_sbuffer sbuffer;
static msgpack_unpacked unpacked;
static unsigned char envelope_bytes[ENVELOPE_SIZE_MAX];
static size_t envelope_size;

static void must(enum status status) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "bench_codec: %s\n", status_name(status));
    exit(1);
}

/* --- ours --- */

static void encode(const ProtobufCMessage *message) {
    buffer_clear(&buffer);
    must(codec_encode(message, &buffer));
}

static void decode(const ProtobufCMessageDescriptor *type) {
    ProtobufCMessage *message;
    arena_reset(&arena);
    must(codec_decode(type, buffer.data, buffer.size, &arena, &message, NULL));
}

static void search_both(void) {
    encode(&search.base);
    decode(&shard_search__descriptor);
}

static void hits_encode(void) {
    encode(&hits.base);
}

static void hits_decode(void) {
    decode(&router_hits__descriptor);
}

static void envelope_both(void) {
    envelope_size = envelope_encode(&envelope, 1000, envelope_bytes);
    struct pack_cursor cursor = {envelope_bytes, envelope_bytes + envelope_size};
    must(envelope_decode(&cursor, 1000, &envelope, NULL));
}

/* --- msgpack-c --- */

static void begin(msgpack_packer *packer) {
    msgpack_sbuffer_clear(&sbuffer);
    msgpack_packer_init(packer, &sbuffer, msgpack_sbuffer_write);
}

static void pack_key(msgpack_packer *packer, uint64_t key, uint64_t value) {
    msgpack_pack_uint64(packer, key);
    msgpack_pack_uint64(packer, value);
}

static void unpack(const void *bytes, size_t size) {
    size_t offset = 0;
    if (msgpack_unpack_next(&unpacked, bytes, size, &offset) != MSGPACK_UNPACK_SUCCESS) exit(1);
}

static void search_both_peer(void) {
    msgpack_packer packer;
    begin(&packer);
    msgpack_pack_map(&packer, 6);
    pack_key(&packer, 1, search.shard);
    pack_key(&packer, 2, search.epoch);
    msgpack_pack_uint64(&packer, 3);
    msgpack_pack_bin(&packer, sizeof vector);
    msgpack_pack_bin_body(&packer, vector, sizeof vector);
    pack_key(&packer, 4, search.k);
    pack_key(&packer, 5, search.ef);
    msgpack_pack_uint64(&packer, 8);
    msgpack_pack_true(&packer);
    unpack(sbuffer.data, sbuffer.size);
}

static void hits_encode_peer(void) {
    msgpack_packer packer;
    begin(&packer);
    msgpack_pack_map(&packer, 2);
    msgpack_pack_uint64(&packer, 1);
    msgpack_pack_array(&packer, HITS);
    for (size_t i = 0; i < HITS; i++) {
        const RouterHit *hit = hits.hits[i];
        msgpack_pack_map(&packer, 2);
        msgpack_pack_uint64(&packer, 1);
        msgpack_pack_str(&packer, strlen(hit->id));
        msgpack_pack_str_body(&packer, hit->id, strlen(hit->id));
        msgpack_pack_uint64(&packer, 2);
        msgpack_pack_float(&packer, hit->score);
    }
    msgpack_pack_uint64(&packer, 2);
    msgpack_pack_true(&packer);
}

static void hits_decode_peer(void) {
    unpack(buffer.data, buffer.size);
}

static void envelope_both_peer(void) {
    msgpack_packer packer;
    begin(&packer);
    msgpack_pack_array(&packer, 10);
    msgpack_pack_uint64(&packer, 1);
    msgpack_pack_uint64(&packer, envelope.kind);
    msgpack_pack_uint64(&packer, envelope.band);
    msgpack_pack_uint64(&packer, envelope.to);
    msgpack_pack_uint64(&packer, envelope.from);
    msgpack_pack_uint64(&packer, envelope.correlation);
    msgpack_pack_uint64(&packer, envelope.deadline_us - 1000);
    msgpack_pack_bin(&packer, sizeof envelope.trace);
    msgpack_pack_bin_body(&packer, envelope.trace, sizeof envelope.trace);
    msgpack_pack_uint64(&packer, envelope.span);
    msgpack_pack_uint64(&packer, envelope.op);
    unpack(sbuffer.data, sbuffer.size);
}

/* --- measuring --- */

static void fill(void) {
    static RouterHit rows[HITS];
    static RouterHit *pointers[HITS];
    static char ids[HITS][24];
    for (size_t i = 0; i < DIMENSION; i++)
        vector[i] = (float)i / DIMENSION;
    search.shard = 12;
    search.epoch = 1700;
    search.n_vector = DIMENSION;
    search.vector = vector;
    search.k = 10;
    search.ef = 64;
    search.include_payload = 1;
    for (size_t i = 0; i < HITS; i++) {
        router_hit__init(&rows[i]);
        snprintf(ids[i], sizeof ids[i], "document-%zu", i * 7919);
        rows[i].id = ids[i];
        rows[i].score = (float)i;
        pointers[i] = &rows[i];
    }
    hits.n_hits = HITS;
    hits.hits = pointers;
    hits.page_more = true;
    envelope = (struct envelope){.kind = PARCEL_CALL,
                                 .band = BAND_DATA,
                                 .op = codec_op(&shard_search__descriptor),
                                 .to = 5 << 24 | 1,
                                 .from = 9 << 24 | 1,
                                 .correlation = 1u << 31,
                                 .deadline_us = 5000000,
                                 .trace = {1, 2},
                                 .span = 77};
}

static double measure_ns(work_fn work, unsigned times) {
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (unsigned i = 0; i < times; i++)
        work();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    return ns / times;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* CPU time of this thread; rounds of ours and the peer's alternate, so that a busy machine treats
 * them alike. */
static void run(const struct row *row, unsigned times) {
    double ours[ROUNDS], peer[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = measure_ns(row->ours, times);
        peer[i] = measure_ns(row->peer, times);
    }
    qsort(ours, ROUNDS, sizeof *ours, ascending);
    qsort(peer, ROUNDS, sizeof *peer, ascending);
    printf("{\"suite\":\"codec\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"ns\",\"ours\":%.1f,"
           "\"peer\":%.1f,\"peer_name\":\"msgpack-c\",\"ratio\":%.3f}\n",
           row->name, row->metric, ours[ROUNDS / 2], peer[ROUNDS / 2],
           peer[ROUNDS / 2] / ours[ROUNDS / 2]);
    fflush(stdout);
}

int main(int count, char **arguments) {
    static const struct row rows[] = {
        {"search_768", "encode_decode", search_both, search_both_peer},
        {"hits_100", "encode", hits_encode, hits_encode_peer},
        {"hits_100", "decode", hits_decode, hits_decode_peer},
        {"envelope", "encode_decode", envelope_both, envelope_both_peer},
    };
    unsigned times = 20000;
    const char *only = NULL;
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "--quick")) times = 2000;
        if (!strcmp(arguments[i], "--only") && i + 1 < count) only = arguments[++i];
    }
    arena_init(&arena, 0);
    buffer_init(&buffer);
    msgpack_sbuffer_init(&sbuffer);
    msgpack_unpacked_init(&unpacked);
    fill();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].ours == hits_decode) hits_encode(); /* the input of both */
        if (!only || !strcmp(only, rows[i].name)) run(&rows[i], times);
    }
    msgpack_unpacked_destroy(&unpacked);
    msgpack_sbuffer_destroy(&sbuffer);
    buffer_free(&buffer);
    arena_free(&arena);
    return 0;
}
