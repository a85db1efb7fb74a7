/* fuzz_flight: a flight recorder's file of anybody. Checksums are made right first, so that what is
 * behind them is reached; and the bytes as they came, where they are judged. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/flight.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct flight flight;

static void put_crc(unsigned char *at, uint32_t crc) {
    memcpy(at, &crc, 4);
}

/* Walks the sections as a reader would, with what they say about their sizes. */
static void mend(unsigned char *data, size_t size) {
    size_t at = FLIGHT_HEADER;
    if (size < FLIGHT_HEADER) return;
    put_crc(data + FLIGHT_HEADER - 4, flight_crc(0, data, FLIGHT_HEADER - 4));
    while (size - at >= FLIGHT_SECTION + FLIGHT_TAIL) {
        uint64_t payload;
        put_crc(data + at + FLIGHT_SECTION - 4, flight_crc(0, data + at, FLIGHT_SECTION - 4));
        memcpy(&payload, data + at + 8, 8);
        at += FLIGHT_SECTION;
        if (payload > size - at - FLIGHT_TAIL) return;
        uint32_t crc = flight_crc(0, data + at, payload + FLIGHT_TAIL - 4);
        at += payload + FLIGHT_TAIL;
        put_crc(data + at - 4, crc);
    }
}

static void look(const unsigned char *data, size_t size) {
    const char *why = NULL;
    char name[256];
    struct span_record record;
    enum status s = flight_read(data, size, &flight, &why);
    assert((s == STATUS_OK) == (why == NULL));
    if (s != STATUS_OK) return;
    assert(flight.n_doing <= FLIGHT_LANES && flight.n_stack <= FLIGHT_STACK);
    for (uint32_t lane = 0; lane < FLIGHT_LANES; lane++)
        for (uint64_t i = 0; i < flight.lanes[lane].n; i++) {
            if (!flight_record(&flight, lane, i, &record)) continue;
            assert(record.kind < SPAN_KINDS);
            assert(span_outcome_name(record.outcome) && span_kind_name(record.kind));
            if (i > 100) continue;
            flight_op_name(&flight, record.op, name, sizeof name);
            flight_actor_name(&flight, record.slot, name, sizeof name);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    unsigned char *copy = calloc(1, size + 1);
    assert(copy);
    if (size) memcpy(copy, data, size);
    look(copy, size);
    mend(copy, size);
    look(copy, size);
    free(copy);
    return 0;
}
