/* replay: runs a fuzzer's entry point without libFuzzer, so that every build tries it: the seed
 * files of the folders (or single files) given, every truncation of the small ones, and seeded
 * mutations of all; without a seed, random bytes.
 *
 *     fuzz_NAME [SEEDS…]           VECTRON_SEED=N another sequence, VECTRON_ROUNDS=N mutations
 * (default 20,000)
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    SEEDS_MAX = 256,
    SEED_BYTES_MAX = 1 << 16,
    TRUNCATED_MAX = 2048,
    EDITS_MAX = 8,
    ROUNDS = 20000
};

struct seed {
    uint8_t *bytes; /* owned */
    size_t size;
};
static struct seed seeds[SEEDS_MAX];
static size_t n_seeds;

static void read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || n_seeds == SEEDS_MAX) {
        if (file) fclose(file);
        return;
    }
    struct seed *seed = &seeds[n_seeds];
    seed->bytes = mem_alloc(SEED_BYTES_MAX);
    if (seed->bytes) {
        seed->size = fread(seed->bytes, 1, SEED_BYTES_MAX, file);
        n_seeds++;
    }
    fclose(file);
}

static void read_path(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) {
        read_file(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        read_file(name);
    }
    closedir(folder);
}

/* From a heap copy of exactly the size, so that a sanitizer sees a step beyond it. */
static void run(const uint8_t *bytes, size_t size) {
    uint8_t *copy = mem_copy(bytes, size);
    if (!copy) return;
    LLVMFuzzerTestOneInput(copy, size);
    mem_free(copy);
}

/* One edit: a byte changed, a range removed or repeated, the tail cut, or a piece of another seed
 * put in. */
static size_t edit(struct rng *rng, uint8_t *bytes, size_t size) {
    size_t at = size ? rng_below(rng, size) : 0;
    size_t length = 1 + rng_below(rng, 16);
    switch (rng_below(rng, 6)) {
    case 0:
        if (size) bytes[at] = (uint8_t)rng_next(rng);
        return size;
    case 1:
        if (size) bytes[at] ^= (uint8_t)(1u << rng_below(rng, 8));
        return size;
    case 2:
        if (length > size - at) length = size - at;
        memmove(bytes + at, bytes + at + length, size - at - length);
        return size - length;
    case 3:
        if (length > size - at) length = size - at;
        if (size + length > SEED_BYTES_MAX) return size;
        memmove(bytes + at + length, bytes + at, size - at);
        return size + length;
    case 4:
        return at;
    default:
        break;
    }
    if (!n_seeds) return size;
    const struct seed *other = &seeds[rng_below(rng, n_seeds)];
    if (other->size < length || size + length > SEED_BYTES_MAX) return size;
    memmove(bytes + at + length, bytes + at, size - at);
    memcpy(bytes + at, other->bytes + rng_below(rng, other->size - length + 1), length);
    return size + length;
}

static void mutate(struct rng *rng, uint8_t *bytes) {
    size_t size = 0;
    if (n_seeds) {
        const struct seed *seed = &seeds[rng_below(rng, n_seeds)];
        size = seed->size;
        memcpy(bytes, seed->bytes, size);
    } else
        for (size = 0; size < 64 && rng_below(rng, 40); size++)
            bytes[size] = (uint8_t)rng_next(rng);
    for (uint64_t edits = 1 + rng_below(rng, EDITS_MAX); edits > 0; edits--)
        size = edit(rng, bytes, size);
    run(bytes, size);
}

int main(int count, char **paths) {
    static uint8_t bytes[SEED_BYTES_MAX];
    const char *seed = getenv("VECTRON_SEED"), *wanted = getenv("VECTRON_ROUNDS");
    long rounds = wanted ? strtol(wanted, NULL, 10) : ROUNDS;
    struct rng rng;
    rng_init(&rng, seed ? strtoull(seed, NULL, 10) : 1);
    for (int i = 1; i < count; i++)
        read_path(paths[i]);
    run(bytes, 0);
    for (size_t i = 0; i < n_seeds; i++) {
        run(seeds[i].bytes, seeds[i].size);
        for (size_t cut = 0; seeds[i].size <= TRUNCATED_MAX && cut < seeds[i].size; cut++)
            run(seeds[i].bytes, cut);
    }
    for (long i = 0; i < rounds; i++)
        mutate(&rng, bytes);
    printf("%zu seeds, %ld mutations\n", n_seeds, rounds);
    for (size_t i = 0; i < n_seeds; i++)
        mem_free(seeds[i].bytes);
    return 0;
}
