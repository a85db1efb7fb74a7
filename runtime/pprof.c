/* pprof: a stopped profile as pprof reads it: every distinct address is a location with one
 * function, every distinct text an entry of the string table. All of it in one arena, packed as
 * protobuf, then put into a gzip file of stored blocks: the format wants gzip, and its size does
 * not matter here, so the runtime stays without a library for it. */
#include <stdio.h>
#include <string.h>

#include "runtime/arena.h"
#include "runtime/memory.h"
#include "runtime/profile_state.h"
#include "runtime/rng.h"
#include "schemas/pprof.pb-c.h"

enum { BUCKETS = 1 << 14, STRINGS_MAX = 1 << 16, STORED_MAX = 65535, GZIP_HEAD = 10 };

/* --- tables
 * --------------------------------------------------------------------------------------- */

struct entry {
    struct entry *next;
    const char *text; /* of strings */
    uintptr_t address;
    uint64_t id;
};

struct writing {
    struct arena arena;
    struct symbols *symbols; /* owned */
    PprofProfile profile;
    struct entry **strings, **locations, **functions;
    bool failed; /* no memory */
};

static void *room(struct writing *writing, size_t size) {
    void *memory = arena_zero(&writing->arena, size);
    if (!memory) writing->failed = true;
    return memory;
}

static uint64_t hash(const char *text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return rng_mix(hash);
}

/* The index of a text in the string table. */
static int64_t string(struct writing *writing, const char *text) {
    PprofProfile *profile = &writing->profile;
    struct entry **at = &writing->strings[hash(text) % BUCKETS];
    while (*at && strcmp((*at)->text, text) != 0)
        at = &(*at)->next;
    if (*at) return (int64_t)(*at)->id;
    char *copy = room(writing, strlen(text) + 1);
    struct entry *entry = room(writing, sizeof *entry);
    if (!copy || !entry || profile->n_string_table == STRINGS_MAX) return 0;
    memcpy(copy, text, strlen(text) + 1);
    *entry = (struct entry){.text = copy, .id = profile->n_string_table};
    profile->string_table[profile->n_string_table++] = copy;
    *at = entry;
    return (int64_t)entry->id;
}

static uint64_t function(struct writing *writing, const char *name) {
    PprofProfile *profile = &writing->profile;
    int64_t text = string(writing, name);
    struct entry **at = &writing->functions[(uint64_t)text % BUCKETS];
    while (*at && (int64_t)(*at)->address != text)
        at = &(*at)->next;
    if (*at) return (*at)->id;
    struct entry *entry = room(writing, sizeof *entry);
    PprofFunction *row = room(writing, sizeof *row);
    if (!entry || !row || profile->n_function == STRINGS_MAX) return 0;
    pprof_function__init(row);
    row->id = profile->n_function + 1;
    row->name = row->system_name = text;
    profile->function[profile->n_function++] = row;
    *entry = (struct entry){.address = (uintptr_t)text, .id = row->id};
    *at = entry;
    return row->id;
}

static PprofLocation *new_location(struct writing *writing, uintptr_t address) {
    PprofLocation *row = room(writing, sizeof *row);
    PprofLine *line = room(writing, sizeof *line);
    PprofLine **lines = room(writing, sizeof *lines);
    char name[SYMBOL_MAX];
    if (!row || !line || !lines) return NULL;
    if (!symbols_name(writing->symbols, address, name))
        snprintf(name, sizeof name, "0x%lx", (unsigned long)address);
    pprof_location__init(row);
    pprof_line__init(line);
    line->function_id = function(writing, name);
    lines[0] = line;
    row->mapping_id = 1;
    row->address = address;
    row->line = lines;
    row->n_line = 1;
    return row;
}

static uint64_t location(struct writing *writing, uintptr_t address) {
    PprofProfile *profile = &writing->profile;
    struct entry **at = &writing->locations[rng_mix(address) % BUCKETS];
    while (*at && (*at)->address != address)
        at = &(*at)->next;
    if (*at) return (*at)->id;
    struct entry *entry = room(writing, sizeof *entry);
    PprofLocation *row = profile->n_location < STRINGS_MAX ? new_location(writing, address) : NULL;
    if (!entry || !row) return 0;
    row->id = profile->n_location + 1;
    profile->location[profile->n_location++] = row;
    *entry = (struct entry){.address = address, .id = row->id};
    *at = entry;
    return row->id;
}

/* --- the profile
 * ---------------------------------------------------------------------------------- */

static void add_sample(struct writing *writing, const struct sample *from) {
    PprofProfile *profile = &writing->profile;
    uint32_t n = atomic_load_explicit(&from->n, memory_order_acquire);
    PprofSample *row = room(writing, sizeof *row);
    uint64_t *ids = room(writing, n * sizeof *ids);
    int64_t *values = room(writing, 2 * sizeof *values);
    if (n == 0 || !row || !ids || !values) return;
    pprof_sample__init(row);
    for (uint32_t i = 0; i < n; i++) {
        ids[row->n_location_id] = location(writing, from->frames[i]);
        row->n_location_id += ids[row->n_location_id] != 0;
    }
    values[0] = 1;
    values[1] = from->value;
    row->location_id = ids;
    row->value = values;
    row->n_value = 2;
    profile->sample[profile->n_sample++] = row;
}

static PprofValueType *value_type(struct writing *writing, const char *type, const char *unit) {
    PprofValueType *row = room(writing, sizeof *row);
    if (!row) return NULL;
    pprof_value_type__init(row);
    row->type = string(writing, type);
    row->unit = string(writing, unit);
    return row;
}

static void describe(struct writing *writing, const struct profile *from) {
    static const char *const texts[PROFILE_KINDS][4] = {
        [PROFILE_CPU] = {"samples", "count", "cpu", "nanoseconds"},
        [PROFILE_ALLOCATION] = {"samples", "count", "alloc_space", "bytes"},
        [PROFILE_STALLS] = {"looks", "count", "stall", "nanoseconds"},
    };
    PprofProfile *profile = &writing->profile;
    const char *const *text = texts[from->kind];
    PprofMapping *mapping = room(writing, sizeof *mapping);
    PprofMapping **mappings = room(writing, sizeof *mappings);
    profile->sample_type = room(writing, 2 * sizeof *profile->sample_type);
    string(writing, ""); /* the table begins with it */
    if (!mapping || !mappings || !profile->sample_type) return;
    pprof_mapping__init(mapping);
    mapping->id = 1;
    mapping->memory_limit = UINT64_MAX;
    mapping->filename = string(writing, "vectron");
    mapping->has_functions = true;
    mappings[0] = mapping;
    profile->mapping = mappings;
    profile->n_mapping = 1;
    profile->sample_type[0] = value_type(writing, text[0], text[1]);
    profile->sample_type[1] = value_type(writing, text[2], text[3]);
    profile->n_sample_type = 2;
    profile->period_type = profile->sample_type[1];
    profile->period = from->kind == PROFILE_CPU          ? 1000000000 / from->hz
                      : from->kind == PROFILE_ALLOCATION ? PROFILE_ALLOCATED
                                                         : 25000000;
    profile->time_nanos = (int64_t)from->began_ns;
    profile->duration_nanos = (int64_t)from->took_us * 1000;
}

static bool make_tables(struct writing *writing, uint32_t samples) {
    PprofProfile *profile = &writing->profile;
    writing->strings = room(writing, BUCKETS * sizeof *writing->strings);
    writing->locations = room(writing, BUCKETS * sizeof *writing->locations);
    writing->functions = room(writing, BUCKETS * sizeof *writing->functions);
    profile->string_table = room(writing, STRINGS_MAX * sizeof *profile->string_table);
    profile->location = room(writing, STRINGS_MAX * sizeof *profile->location);
    profile->function = room(writing, STRINGS_MAX * sizeof *profile->function);
    profile->sample = room(writing, (samples + 1) * sizeof *profile->sample);
    return !writing->failed;
}

/* --- gzip
 * ----------------------------------------------------------------------------------------- */

static uint32_t crc_of(const unsigned char *bytes, size_t size) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void put_number(struct buffer *out, uint32_t number, size_t bytes) {
    unsigned char text[4];
    for (size_t i = 0; i < bytes; i++)
        text[i] = (unsigned char)(number >> 8 * i);
    buffer_append(out, text, bytes);
}

static void put_gzip(struct buffer *out, const unsigned char *bytes, size_t size) {
    static const unsigned char head[GZIP_HEAD] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    buffer_append(out, head, sizeof head);
    size_t at = 0;
    do {
        size_t n = size - at < STORED_MAX ? size - at : STORED_MAX;
        put_number(out, at + n == size, 1);
        put_number(out, (uint32_t)n, 2);
        put_number(out, ~(uint32_t)n, 2);
        buffer_append(out, bytes + at, n);
        at += n;
    } while (at < size);
    put_number(out, crc_of(bytes, size), 4);
    put_number(out, (uint32_t)size, 4);
}

static void pack(struct writing *writing, struct buffer *out) {
    size_t size = protobuf_c_message_get_packed_size(&writing->profile.base);
    unsigned char *bytes = mem_alloc(size);
    if (!bytes) {
        writing->failed = true;
        return;
    }
    protobuf_c_message_pack(&writing->profile.base, bytes);
    put_gzip(out, bytes, size);
    mem_free(bytes);
}

enum status profile_write(struct profile *from, struct buffer *out) {
    uint32_t n = atomic_load(&from->count);
    if (n > PROFILE_SAMPLES_MAX) n = PROFILE_SAMPLES_MAX;
    struct writing writing = {.failed = false};
    arena_init(&writing.arena, 0);
    pprof_profile__init(&writing.profile);
    writing.symbols = symbols_open();
    if (make_tables(&writing, n)) {
        describe(&writing, from);
        for (uint32_t i = 0; i < n; i++)
            add_sample(&writing, &from->samples[i]);
    }
    if (!writing.failed) pack(&writing, out);
    symbols_close(writing.symbols);
    arena_free(&writing.arena);
    return writing.failed || out->failed ? STATUS_NO_MEMORY : STATUS_OK;
}
