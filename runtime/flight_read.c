/* flight_read: bytes of a file, judged as any from outside. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/flight.h"

struct section {
    uint32_t tag, index;
    uint64_t size, first, head;
    const unsigned char *payload;
};

static uint32_t get_32(const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static uint64_t get_64(const unsigned char *at) {
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

/* The section at *at, which moves behind it; false: there is no whole, sound one. */
static bool next_section(const unsigned char **at, const unsigned char *end, struct section *out) {
    const unsigned char *head = *at;
    if (end - head < FLIGHT_SECTION + FLIGHT_TAIL) return false;
    if (flight_crc(0, head, FLIGHT_SECTION - 4) != get_32(head + FLIGHT_SECTION - 4)) return false;
    *out = (struct section){.tag = get_32(head),
                            .index = get_32(head + 4),
                            .size = get_64(head + 8),
                            .first = get_64(head + 16),
                            .payload = head + FLIGHT_SECTION};
    if (out->size > (uint64_t)(end - out->payload) - FLIGHT_TAIL) return false;
    const unsigned char *tail = out->payload + out->size;
    uint32_t crc = flight_crc(0, out->payload, out->size + FLIGHT_TAIL - 4);
    if (crc != get_32(tail + FLIGHT_TAIL - 4)) return false;
    out->head = get_64(tail);
    *at = tail + FLIGHT_TAIL;
    return true;
}

/* What was overwritten while it was copied is left out. */
static void take_records(struct flight *flight, const struct section *section) {
    if (section->index >= FLIGHT_LANES || section->index >= flight->header.n_lanes) return;
    uint64_t n = section->size / RING_RECORD, skip = 0;
    uint64_t oldest = section->head >= flight->header.ring_records
                          ? section->head - flight->header.ring_records + 1
                          : 0;
    if (oldest > section->first) skip = oldest - section->first;
    if (skip > n) skip = n;
    flight->lanes[section->index] = (struct flight_lane){
        .records = section->payload + skip * RING_RECORD,
        .n = n - skip,
        .first = section->first + skip,
    };
}

static void take_doing(struct flight *flight, const struct section *section) {
    const unsigned char *at = section->payload, *end = at + section->size;
    flight->n_doing = 0;
    while (end - at > 25 && get_32(at) != 0 && flight->n_doing < FLIGHT_LANES) {
        struct flight_doing *doing = &flight->doing[flight->n_doing];
        size_t size = at[24];
        if (size >= sizeof doing->kind || (size_t)(end - at) < 25 + size) return;
        doing->lane = get_32(at);
        doing->op = get_32(at + 4);
        doing->actor = get_64(at + 8);
        doing->since_us = get_64(at + 16);
        memcpy(doing->kind, at + 25, size);
        doing->kind[size] = '\0';
        at += 25 + size;
        flight->n_doing++;
    }
}

static void take_stack(struct flight *flight, const struct section *section) {
    if (section->size < 8) return;
    flight->base = get_64(section->payload);
    flight->n_stack = 0;
    for (uint64_t at = 8; at + 8 <= section->size && flight->n_stack < FLIGHT_STACK; at += 8)
        flight->stack[flight->n_stack++] = get_64(section->payload + at);
}

static void take_section(struct flight *flight, const struct section *section) {
    switch (section->tag) {
    case FLIGHT_OPS:
        if (section->index == 0) {
            flight->ops = section->payload;
            flight->ops_size = section->size;
        } else {
            flight->more_ops = section->payload;
            flight->more_ops_size = section->size;
        }
        break;
    case FLIGHT_NAMES:
        flight->actors = section->payload;
        flight->actors_size = section->size;
        break;
    case FLIGHT_DOING:
        take_doing(flight, section);
        break;
    case FLIGHT_RECORDS:
        take_records(flight, section);
        break;
    case FLIGHT_TRACE:
        take_stack(flight, section);
        break;
    default: /* of a newer one */
        break;
    }
}

static const char *judge(const struct flight_header *header) {
    if (memcmp(header->magic, "VECTFLIT", 8) != 0) return "it is not a flight recorder's file";
    if (header->version != FLIGHT_VERSION) return "its version is unknown";
    if (header->header_size != FLIGHT_HEADER || header->record_size != RING_RECORD)
        return "its header or records have another size";
    if (flight_crc(0, header, FLIGHT_HEADER - 4) != header->crc) return "its header is damaged";
    if (header->n_lanes > FLIGHT_LANES) return "it has too many lanes";
    return NULL;
}

enum status flight_read(const void *data, size_t size, struct flight *out, const char **why) {
    const unsigned char *at = data, *end = at + size;
    memset(out, 0, sizeof *out);
    if (size < FLIGHT_HEADER) {
        *why = "it is shorter than its header";
        return STATUS_INVALID;
    }
    memcpy(&out->header, data, FLIGHT_HEADER);
    *why = judge(&out->header);
    if (*why) return STATUS_INVALID;
    out->header.node[sizeof out->header.node - 1] = '\0';
    out->header.software[sizeof out->header.software - 1] = '\0';
    if (out->header.build_id_size > sizeof out->header.build_id)
        out->header.build_id_size = sizeof out->header.build_id;
    struct section section = {0};
    at += FLIGHT_HEADER;
    out->truncated = true;
    while (out->truncated && next_section(&at, end, &section)) {
        take_section(out, &section);
        out->truncated = section.tag != FLIGHT_END;
    }
    return STATUS_OK;
}

bool flight_record(const struct flight *flight,
                   uint32_t lane,
                   uint64_t nth,
                   struct span_record *out) {
    if (lane >= FLIGHT_LANES || nth >= flight->lanes[lane].n) return false;
    uint64_t words[RING_WORDS];
    memcpy(words, flight->lanes[lane].records + nth * RING_RECORD, sizeof words);
    span_unpack(words, out);
    return out->kind < SPAN_KINDS;
}

/* Entries of number 4 | skipped | length 1 | name; the text of the one with this number. */
struct entries {
    const unsigned char *at;
    size_t size;
    size_t skipped;
};

static bool find_entry(struct entries entries, uint32_t number, char *text, size_t room) {
    const unsigned char *at = entries.at, *end = at + entries.size;
    size_t head = 5 + entries.skipped;
    while (at && (size_t)(end - at) >= head && get_32(at) != 0) {
        size_t size = at[head - 1];
        if ((size_t)(end - at) < head + size) return false;
        if (get_32(at) == number) {
            snprintf(text, room, "%.*s", (int)size, (const char *)at + head);
            return true;
        }
        at += head + size;
    }
    return false;
}

void flight_op_name(const struct flight *flight, uint32_t op, char *text, size_t size) {
    text[0] = '\0';
    if (op == 0 || find_entry((struct entries){flight->ops, flight->ops_size, 0}, op, text, size) ||
        find_entry((struct entries){flight->more_ops, flight->more_ops_size, 0}, op, text, size))
        return;
    snprintf(text, size, "%08" PRIx32, op);
}

void flight_actor_name(const struct flight *flight, uint32_t slot, char *text, size_t size) {
    if (slot == 0)
        snprintf(text, size, "elsewhere");
    else if (!find_entry((struct entries){flight->actors, flight->actors_size, 1}, slot, text,
                         size))
        snprintf(text, size, "actor/%" PRIu32, slot);
}
