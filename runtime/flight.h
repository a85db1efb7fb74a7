/* flight: the flight recorder on paper: what all lanes did last, in a file, when the process
 * crashes (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, so asserts too) or is asked (SIGUSR2). Written
 * by the signal's handler with calls that are safe there; then the signal takes its course.
 *
 * The file, DIR/flight-PID-SECONDS.bin, little-endian, so that it can be read without the process:
 *
 *   header, FLIGHT_HEADER bytes (struct flight_header), its CRC last
 *   sections: head, 32 bytes   tag 4 | index 4 | size 8 | first 8 | 0 4 | CRC of the 28 before 4
 *             payload, size bytes
 *             tail, 16 bytes   ring head after the copy 8 | 0 4 | CRC of payload and the 12 before
 * 4
 *
 *   tag 1 OPS      op 4 | length 1 | name …                        names of messages
 *   tag 2 ACTORS   slot 4 | lane 1 | length 1 | name …             who was in which slot
 *   tag 3 DOING    lane 4 | op 4 | handle 8 | since 8 | length 1 | kind …   turns under way
 *   tag 4 RECORDS  64 bytes each (runtime/span.h), number `first` first; index: the lane
 *   tag 5 STACK    base of the program 8 | return addresses, 8 each
 *   tag 6 END
 *
 * All CRCs are CRC-32C. Records below tail's head - ring size were overwritten while they were
 * copied and do not count. A file that ends early is read as far as it goes. */
#ifndef RUNTIME_FLIGHT_H
#define RUNTIME_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/span.h"
#include "runtime/status.h"

struct node;

enum {
    FLIGHT_VERSION = 1,
    FLIGHT_HEADER = 256,
    FLIGHT_SECTION = 32,
    FLIGHT_TAIL = 16,
    FLIGHT_KEPT = 8,      /* files in a folder; older ones go when the recorder is armed */
    FLIGHT_ACTORS = 4096, /* names in a file: of the newest slots */
    FLIGHT_LANES = 255,
    FLIGHT_STACK = 64,
};

enum flight_tag {
    FLIGHT_OPS = 1,
    FLIGHT_NAMES,
    FLIGHT_DOING,
    FLIGHT_RECORDS,
    FLIGHT_TRACE,
    FLIGHT_END
};

struct flight_header {
    char magic[8]; /* "VECTFLIT" */
    uint32_t version;
    uint32_t header_size;
    uint32_t record_size;
    uint32_t n_lanes;
    uint32_t ring_records; /* of a lane */
    uint32_t pid;
    uint32_t signal; /* 0: asked */
    uint32_t lane;   /* on which it came, from 1; 0: on none */
    uint64_t at_us;  /* monotonic, the records' scale */
    uint64_t wall_us;
    uint64_t fault; /* address, of SIGSEGV and SIGBUS */
    uint8_t build_id[32];
    uint32_t build_id_size;
    char node[64];
    char software[16]; /* version */
    char unused[72];
    uint32_t crc;
};

/* --- writing: one node a process
 * ------------------------------------------------------------------
 */
/* Makes room and installs the handlers; removes the oldest files beyond FLIGHT_KEPT - 1. folder:
 * copied. IO: it cannot be used. QUOTA. */
MUST_USE enum status flight_arm(struct node *node, const char *folder);
/* Before the node closes. Fine when it is not armed. */
void flight_disarm(void);
/* A stack of its own for the handlers, so that a stack that ran over can be told; each lane. */
void flight_take_stack(void);
void flight_give_stack(void);

/* --- reading
 * ---------------------------------------------------------------------------------------
 */
struct flight_doing {
    uint32_t lane; /* from 1 */
    uint32_t op;
    actor_handle actor;
    uint64_t since_us;
    char kind[64];
};
struct flight_lane {
    const unsigned char *records; /* in the file's bytes */
    uint64_t n;
    uint64_t first; /* number of the first that counts */
};
struct flight {
    struct flight_header header;
    struct flight_lane lanes[FLIGHT_LANES];
    struct flight_doing doing[FLIGHT_LANES];
    uint32_t n_doing;
    uint64_t stack[FLIGHT_STACK]; /* offsets in the program where base is known */
    uint32_t n_stack;
    uint64_t base;
    bool truncated; /* it ends early, or a checksum is wrong from there on */
    const unsigned char *ops, *actors, *more_ops; /* payloads */
    size_t ops_size, actors_size, more_ops_size;
};
/* Borrows data. INVALID with the reason in *why (static words): not a flight file, another version,
 * a header that is wrong. Large: allocate it. */
MUST_USE enum status
flight_read(const void *data, size_t size, struct flight *out, const char **why);
/* The nth record of a lane; false: beyond the last, or not one. */
bool flight_record(const struct flight *flight,
                   uint32_t lane,
                   uint64_t nth,
                   struct span_record *out);
/* Writes the name, or the number. text: at least 64 bytes. */
void flight_op_name(const struct flight *flight, uint32_t op, char *text, size_t size);
void flight_actor_name(const struct flight *flight, uint32_t slot, char *text, size_t size);

/* CRC-32C, continued from `crc` (0 first). Safe in a handler. */
uint32_t flight_crc(uint32_t crc, const void *data, size_t size);

#endif
