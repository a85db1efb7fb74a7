/* flight: writing. Everything that the handler needs is made when it is armed; in the handler
 * there are only system calls, atomics and memory of our own.
 *
 * Names of actors lie in cells that other lanes may free at that moment, so they are copied through
 * a pipe: the kernel answers EFAULT where the handler would crash. Those system calls are made
 * directly, since a sanitizer would look at the memory first. */
#include "runtime/flight.h"

#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "runtime/cell.h"
#include "runtime/codec.h"
#include "runtime/host.h"
#include "runtime/listing.h"
#include "runtime/memory.h"

enum {
    CHUNK = 64 * 1024,
    STACK_SIZE = 64 * 1024,
    DUMPS_MAX = FLIGHT_KEPT, /* of one process */
    NAME_MAX_SIZE = 192,
};

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGUSR2};
enum { SIGNALS = sizeof signals / sizeof *signals };

static struct {
    struct node *node; /* borrowed; NULL: not armed */
    char prefix[PATH_MAX];
    int pipe[2];
    struct sigaction before[SIGNALS];
    struct flight_header header;
    unsigned char *ops; /* owned: payload of FLIGHT_OPS */
    size_t ops_size;
    uint64_t base;
    _Atomic int dumps;
    _Atomic int busy;
    unsigned char chunk[CHUNK]; /* of the one dump under way */
} recorder;

/* --- checksum
 * ------------------------------------------------------------------------------------- */

static uint32_t crc_table[256];

static void __attribute__((constructor)) fill_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        crc_table[i] = crc;
    }
}

uint32_t flight_crc(uint32_t crc, const void *data, size_t size) {
    const unsigned char *at = data;
    crc = ~crc;
    while (size-- > 0)
        crc = crc >> 8 ^ crc_table[(crc ^ *at++) & 0xff];
    return ~crc;
}

/* --- writing
 * -------------------------------------------------------------------------------------- */

/* One section being written: payload through recorder.chunk. */
struct section {
    int fd;
    bool failed;
    uint32_t crc;
    uint64_t size, put;
    size_t filled;
};

static void write_all(struct section *section, const void *data, size_t size) {
    const char *at = data;
    while (size > 0 && !section->failed) {
        ssize_t n = write(section->fd, at, size);
        if (n <= 0) {
            section->failed = true;
            return;
        }
        at += n;
        size -= (size_t)n;
    }
}

static void begin_section(
    struct section *section, enum flight_tag tag, uint32_t index, uint64_t size, uint64_t first) {
    unsigned char head[FLIGHT_SECTION] = {0};
    uint32_t number = tag;
    memcpy(head, &number, 4);
    memcpy(head + 4, &index, 4);
    memcpy(head + 8, &size, 8);
    memcpy(head + 16, &first, 8);
    uint32_t crc = flight_crc(0, head, FLIGHT_SECTION - 4);
    memcpy(head + FLIGHT_SECTION - 4, &crc, 4);
    write_all(section, head, sizeof head);
    section->crc = 0;
    section->size = size;
    section->put = 0;
    section->filled = 0;
}

static void flush_chunk(struct section *section) {
    section->crc = flight_crc(section->crc, recorder.chunk, section->filled);
    write_all(section, recorder.chunk, section->filled);
    section->filled = 0;
}

static void put(struct section *section, const void *data, size_t size) {
    if (section->put + size > section->size) return; /* what was counted before has grown */
    if (section->filled + size > CHUNK) flush_chunk(section);
    memcpy(recorder.chunk + section->filled, data, size);
    section->filled += size;
    section->put += size;
}

/* Fills up what was promised and did not come. */
static void end_section(struct section *section, uint64_t head) {
    static const unsigned char zeros[64];
    unsigned char tail[FLIGHT_TAIL] = {0};
    while (section->put < section->size) {
        uint64_t left = section->size - section->put;
        put(section, zeros, left < sizeof zeros ? (size_t)left : sizeof zeros);
    }
    flush_chunk(section);
    memcpy(tail, &head, 8);
    uint32_t crc = flight_crc(section->crc, tail, FLIGHT_TAIL - 4);
    memcpy(tail + FLIGHT_TAIL - 4, &crc, 4);
    write_all(section, tail, sizeof tail);
}

/* --- what is written
 * ------------------------------------------------------------------------------ */

static void write_ring(struct section *section, uint32_t lane, const struct ring *ring) {
    uint64_t end = ring_head(ring);
    uint64_t first = end > ring->mask ? end - ring->mask : 0;
    begin_section(section, FLIGHT_RECORDS, lane, (end - first) * RING_RECORD, first);
    for (uint64_t n = first; n < end; n++) {
        uint64_t words[RING_WORDS];
        for (int i = 0; i < RING_WORDS; i++)
            words[i] =
                atomic_load_explicit(&ring->records[n & ring->mask].words[i], memory_order_acquire);
        put(section, words, sizeof words);
    }
    end_section(section, ring_head(ring));
}

/* Memory that may not be there; false: it is not. */
static bool copy_safely(void *to, const void *from, size_t size) {
    if (syscall(SYS_write, recorder.pipe[1], from, size) != (long)size) return false;
    return syscall(SYS_read, recorder.pipe[0], to, size) == (long)size;
}

/* A string that may not be there: bytes up to one that does not belong in a name. */
static size_t copy_name(char *to, const char *from) {
    enum { STEP = 16 };
    size_t n = 0, there = 0;
    while (n < NAME_MAX_SIZE) {
        /* Steps that are aligned do not reach into a page that may be missing. */
        size_t step = STEP - (uintptr_t)(from + n) % STEP;
        if (n == there && !copy_safely(to + n, from + n, step)) break;
        if (n == there) there += step;
        if (to[n] <= ' ' || to[n] >= 127) break;
        n++;
    }
    return n;
}

static void put_number(char *text, size_t *size, uint64_t number) {
    char digits[20];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        text[(*size)++] = digits[--n];
}

/* Its own name, else kind/slot. */
static size_t actor_name(const struct slot *slot, uint32_t number, char *text) {
    char *name = NULL;
    const char *kind = atomic_load_explicit(&slot->kind, memory_order_acquire);
    size_t size = 0;
    if (slot->cell && copy_safely(&name, &slot->cell->name, sizeof name) && name)
        size = copy_name(text, name);
    if (size > 0) return size;
    size = kind ? strnlen(kind, 64) : 0;
    memcpy(text, kind ? kind : "", size);
    text[size++] = '/';
    put_number(text, &size, number);
    return size;
}

/* The newest ones: slots are given upwards. */
static void write_actors(struct section *section, const struct table *table) {
    enum { ENTRY_MAX = 6 + NAME_MAX_SIZE };
    uint32_t made = table->made; /* without its lock: a little old is fine */
    uint32_t first = made > FLIGHT_ACTORS ? made - FLIGHT_ACTORS : 1;
    begin_section(section, FLIGHT_NAMES, 0, (uint64_t)(made - first) * ENTRY_MAX, first);
    for (uint32_t number = first; number < made; number++) {
        const struct slot *slot = table_slot(table, number);
        unsigned char entry[ENTRY_MAX + 96]; /* a step more, or a long kind */
        if (!slot) continue;
        uint32_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
        size_t size = actor_name(slot, number, (char *)entry + 6);
        if (size > NAME_MAX_SIZE) size = NAME_MAX_SIZE;
        memcpy(entry, &number, 4);
        entry[4] = (unsigned char)(word >> HANDLE_INCARNATION_BITS);
        entry[5] = (unsigned char)size;
        put(section, entry, 6 + size);
    }
    end_section(section, 0);
}

static void write_doing(struct section *section, const struct core *core) {
    enum { ENTRY_MAX = 25 + 64 };
    begin_section(section, FLIGHT_DOING, 0, (uint64_t)core->n_lanes * ENTRY_MAX, 0);
    for (uint32_t i = 0; i < core->n_lanes; i++) {
        const struct lane_now *now = &core->lanes[i].doing;
        unsigned char entry[ENTRY_MAX];
        uint32_t lane = i + 1, op = atomic_load(&now->op);
        uint64_t actor = atomic_load(&now->actor), since = atomic_load(&now->since_us);
        const char *kind = atomic_load(&now->kind);
        size_t size = kind ? strnlen(kind, 63) : 0;
        if (atomic_load(&now->turn) % 2 == 0) continue; /* between two turns */
        memcpy(entry, &lane, 4);
        memcpy(entry + 4, &op, 4);
        memcpy(entry + 8, &actor, 8);
        memcpy(entry + 16, &since, 8);
        entry[24] = (unsigned char)size;
        if (size) memcpy(entry + 25, kind, size);
        put(section, entry, 25 + size);
    }
    end_section(section, 0);
}

/* Routes and other words beside the messages' names. */
static void write_more_ops(struct section *section) {
    enum { ENTRY_MAX = 5 + 255 };
    uint32_t op = 0;
    begin_section(section, FLIGHT_OPS, 1, (uint64_t)SPAN_NAMES_MAX * ENTRY_MAX, 0);
    for (uint32_t i = 0; i < SPAN_NAMES_MAX; i++) {
        const char *words = span_nth_name(i, &op);
        unsigned char entry[ENTRY_MAX];
        if (!words) break;
        size_t size = strnlen(words, 255);
        memcpy(entry, &op, 4);
        entry[4] = (unsigned char)size;
        memcpy(entry + 5, words, size);
        put(section, entry, 5 + size);
    }
    end_section(section, 0);
}

static void write_stack(struct section *section) {
    void *frames[FLIGHT_STACK];
    int n = backtrace(frames, FLIGHT_STACK);
    begin_section(section, FLIGHT_TRACE, 0, 8 + (uint64_t)n * 8, 0);
    put(section, &recorder.base, 8);
    for (int i = 0; i < n; i++)
        put(section, &frames[i], 8);
    end_section(section, 0);
}

static uint64_t clock_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void write_header(struct section *section, int number, uint64_t fault) {
    struct flight_header header = recorder.header;
    const struct lane *lane = assert_lane_here();
    header.signal = number == SIGUSR2 ? 0 : (uint32_t)number;
    header.lane = lane ? lane->index + 1 : 0;
    header.at_us = clock_us(CLOCK_MONOTONIC);
    header.wall_us = clock_us(CLOCK_REALTIME);
    header.fault = fault;
    header.crc = flight_crc(0, &header, FLIGHT_HEADER - 4);
    write_all(section, &header, sizeof header);
}

/* Returns how many bytes the path has. */
static size_t make_path(char path[PATH_MAX]) {
    size_t size = strnlen(recorder.prefix, PATH_MAX - 64);
    memcpy(path, recorder.prefix, size);
    put_number(path, &size, (uint64_t)getpid());
    path[size++] = '-';
    put_number(path, &size, clock_us(CLOCK_REALTIME) / 1000000);
    path[size++] = '-';
    put_number(path, &size, (uint64_t)atomic_load(&recorder.dumps));
    memcpy(path + size, ".bin", 5);
    return size + 4;
}

static void say(const char *path, size_t size) {
    static const char words[] = "flight recorder: ";
    ssize_t ignored = write(STDERR_FILENO, words, sizeof words - 1);
    ignored = write(STDERR_FILENO, path, size);
    ignored = write(STDERR_FILENO, "\n", 1);
    (void)ignored;
}

static void dump(int number, uint64_t fault) {
    char path[PATH_MAX];
    struct core *core = &recorder.node->core;
    if (atomic_fetch_add(&recorder.dumps, 1) >= DUMPS_MAX) return;
    size_t size = make_path(path);
    struct section section = {.fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)};
    if (section.fd < 0) return;
    write_header(&section, number, fault);
    write_doing(&section, core);
    begin_section(&section, FLIGHT_OPS, 0, recorder.ops_size, 0);
    for (size_t at = 0; at < recorder.ops_size; at++)
        put(&section, recorder.ops + at, 1);
    end_section(&section, 0);
    write_more_ops(&section);
    for (uint32_t i = 0; i < core->n_lanes; i++)
        if (core->lanes[i].ring.records) write_ring(&section, i, &core->lanes[i].ring);
    write_actors(&section, &core->table);
    write_stack(&section);
    begin_section(&section, FLIGHT_END, 0, 0, 0);
    end_section(&section, 0);
    close(section.fd);
    if (!section.failed) say(path, size);
}

/* --- the handler
 * ---------------------------------------------------------------------------------- */

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    int nobody = 0, own = (int)syscall(SYS_gettid);
    if (recorder.node && atomic_compare_exchange_strong(&recorder.busy, &nobody, own)) {
        bool by_kernel = info->si_code > 0 && (number == SIGSEGV || number == SIGBUS);
        dump(number, by_kernel ? (uint64_t)(uintptr_t)info->si_addr : 0);
        atomic_store(&recorder.busy, 0);
    } else if (number != SIGUSR2 && nobody != own) {
        sleep(5); /* another thread writes, and ends the process */
    }
    if (number == SIGUSR2) return;
    for (size_t i = 0; i < SIGNALS; i++)
        if (signals[i] == number) sigaction(number, &recorder.before[i], NULL);
    raise(number); /* comes when this handler returns */
}

/* --- arming
 * --------------------------------------------------------------------------------------- */

static bool is_flight(const char *name) {
    size_t size = strlen(name);
    return strncmp(name, "flight-", 7) == 0 && size > 4 && strcmp(name + size - 4, ".bin") == 0;
}

/* The oldest by their names' seconds; NULL: fewer than FLIGHT_KEPT. Owned. */
static char *one_too_many(const char *folder) {
    size_t n = 0;
    uint64_t least = UINT64_MAX;
    char *oldest = NULL;
    DIR *files = listing_open(folder);
    if (!files) return NULL;
    for (struct dirent *entry; (entry = readdir(files));) {
        if (!is_flight(entry->d_name)) continue;
        const char *seconds = strchr(entry->d_name + 7, '-');
        uint64_t at = seconds ? strtoull(seconds + 1, NULL, 10) : 0;
        n++;
        if (at >= least) continue;
        least = at;
        mem_free(oldest);
        oldest = mem_string(entry->d_name);
    }
    closedir(files);
    if (n >= FLIGHT_KEPT) return oldest;
    mem_free(oldest);
    return NULL;
}

static void prune(const char *folder) {
    char path[PATH_MAX + NAME_MAX];
    for (char *name; (name = one_too_many(folder));) {
        snprintf(path, sizeof path, "%s/%s", folder, name);
        mem_free(name);
        if (unlink(path) != 0) return;
    }
}

/* The program's own note; the first object told is the program. */
static int take_build_id(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size, (void)context;
    recorder.base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_NOTE) continue;
        const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr);
        const char *end = at + segment->p_memsz;
        while (at + sizeof(ElfW(Nhdr)) < end) {
            const ElfW(Nhdr) *note = (const void *)at;
            const char *name = at + sizeof *note;
            const char *id = name + ((note->n_namesz + 3u) & ~3u);
            at = id + ((note->n_descsz + 3u) & ~3u);
            if (note->n_type != NT_GNU_BUILD_ID || note->n_namesz != 4 || memcmp(name, "GNU", 4))
                continue;
            recorder.header.build_id_size = note->n_descsz < sizeof recorder.header.build_id
                                                ? note->n_descsz
                                                : (uint32_t)sizeof recorder.header.build_id;
            memcpy(recorder.header.build_id, id, recorder.header.build_id_size);
        }
    }
    return 1;
}

static size_t op_name_size(const ProtobufCMessageDescriptor *type) {
    return strnlen(type->name, UINT8_MAX);
}

/* Those that are known when the recorder opens. */
static bool list_ops(void) {
    size_t size = 0;
    const ProtobufCMessageDescriptor *type;
    for (size_t i = 0; (type = codec_nth(i)); i++)
        size += 5 + op_name_size(type);
    recorder.ops = mem_alloc(size);
    if (!recorder.ops) return false;
    unsigned char *at = recorder.ops;
    const unsigned char *end =
        at + size; /* types may be added meanwhile: they have come too late */
    for (size_t i = 0; at < end && (type = codec_nth(i)); i++) {
        size_t length = op_name_size(type);
        uint32_t op = codec_op(type);
        memcpy(at, &op, 4);
        at[4] = (unsigned char)length;
        memcpy(at + 5, type->name, length);
        at += 5 + length;
    }
    recorder.ops_size = size;
    return true;
}

static void fill_header(const struct core *core) {
    recorder.header = (struct flight_header){
        .magic = {'V', 'E', 'C', 'T', 'F', 'L', 'I', 'T'},
        .version = FLIGHT_VERSION,
        .header_size = FLIGHT_HEADER,
        .record_size = RING_RECORD,
        .n_lanes = core->n_lanes,
        .ring_records = (uint32_t)core->lanes[0].ring.mask + 1,
        .pid = (uint32_t)getpid(),
    };
    snprintf(recorder.header.node, sizeof recorder.header.node, "%s", core->name);
    snprintf(recorder.header.software, sizeof recorder.header.software, "%s", VECTRON_VERSION);
    dl_iterate_phdr(take_build_id, NULL);
}

enum status flight_arm(struct node *node, const char *folder) {
    static_assert(sizeof(struct flight_header) == FLIGHT_HEADER, "as documented");
    char whole[PATH_MAX];
    void *warm[4];
    if (!realpath(folder, whole) || strlen(whole) > PATH_MAX - 64) return STATUS_IO;
    prune(whole);
    if (pipe2(recorder.pipe, O_NONBLOCK | O_CLOEXEC) != 0) return STATUS_QUOTA;
    if (!list_ops()) {
        flight_disarm();
        return STATUS_NO_MEMORY;
    }
    snprintf(recorder.prefix, sizeof recorder.prefix, "%.*s/flight-", PATH_MAX - 64, whole);
    fill_header(&node->core);
    backtrace(warm, 4); /* loads what it needs now, not in a handler */
    atomic_store(&recorder.dumps, 0);
    recorder.node = node;
    flight_take_stack();
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &recorder.before[i]);
    return STATUS_OK;
}

void flight_disarm(void) {
    if (recorder.node) {
        recorder.node = NULL;
        for (size_t i = 0; i < SIGNALS; i++)
            sigaction(signals[i], &recorder.before[i], NULL);
        flight_give_stack();
    }
    if (recorder.pipe[0]) close(recorder.pipe[0]);
    if (recorder.pipe[1]) close(recorder.pipe[1]);
    recorder.pipe[0] = recorder.pipe[1] = 0;
    mem_free(recorder.ops);
    recorder.ops = NULL;
}

/* --- stacks
 * --------------------------------------------------------------------------------------- */

static _Thread_local void *stack;

void flight_take_stack(void) {
    stack_t there;
    if (stack || sigaltstack(NULL, &there) != 0 || !(there.ss_flags & SS_DISABLE)) return;
    void *memory =
        mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    stack = memory;
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = STACK_SIZE}, NULL);
}

void flight_give_stack(void) {
    if (!stack) return;
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    munmap(stack, STACK_SIZE);
    stack = NULL;
}
