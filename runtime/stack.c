/* stack: another thread is asked by a signal; its handler reads its registers, walks its frames and
 * copies the words on top of its stack.
 *
 *     asker    NOBODY ──▶ ASKED ── pthread_kill                    ── TAKEN ──▶ NOBODY
 *     handler                ASKED ──▶ TAKING … frames, words … ──▶ TAKEN
 *
 * A handler that comes too late finds NOBODY asked, or somebody else, and does nothing. A library
 * function keeps the frame pointer of who called it, so the walk goes on with that one's caller;
 * who called it is found as the first word above the stack pointer that is a return address of
 * ours. */
#include "runtime/stack.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/profile_state.h"

enum {
    FRAME_SPAN_MAX = 1 << 20, /* bytes of one frame */
    WORDS = 512,
    WORDS_SHOWN = 16, /* frames in stack_words */
    POLL_NS = 1000 * 1000,
    RANGES = 2,
};

enum { NOBODY, ASKED, TAKING, TAKEN };

static pthread_mutex_t one_asker = PTHREAD_MUTEX_INITIALIZER;
static struct {
    _Atomic int state;
    _Atomic(pthread_t) of; /* a handler that comes late reads it while the next one is asked */
    struct stack stack;
    struct stack_top top;
    uintptr_t words[WORDS]; /* from top.sp on */
    size_t n_words;
} answer;

/* --- walking
 * -------------------------------------------------------------------------------------- */

static size_t read_words(uintptr_t at, uintptr_t *words, size_t n) {
    struct iovec here = {words, n * sizeof *words}, there = {(void *)at, n * sizeof *words};
    ssize_t size = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
    return size > 0 ? (size_t)size / sizeof *words : 0;
}

void stack_walk(uintptr_t pc, uintptr_t fp, struct stack *out) {
    uint32_t n = 0;
    if (pc) out->frames[n++] = pc;
    while (n < STACK_FRAMES && fp && fp % sizeof(uintptr_t) == 0) {
        uintptr_t words[2]; /* frame pointer and return address lie side by side */
        if (read_words(fp, words, 2) != 2 || words[1] < 4096) break;
        out->frames[n++] = words[1] - 1; /* within the call, not behind it */
        if (words[0] <= fp || words[0] - fp > FRAME_SPAN_MAX) break;
        fp = words[0];
    }
    out->n = n;
}

struct stack_top stack_top(const void *context) {
    const ucontext_t *machine = context;
#if defined(__x86_64__)
    const greg_t *registers = machine->uc_mcontext.gregs;
    return (struct stack_top){(uintptr_t)registers[REG_RIP], (uintptr_t)registers[REG_RBP],
                              (uintptr_t)registers[REG_RSP]};
#elif defined(__aarch64__)
    return (struct stack_top){machine->uc_mcontext.pc, machine->uc_mcontext.regs[29],
                              machine->uc_mcontext.sp};
#else
    (void)machine;
    return (struct stack_top){0};
#endif
}

/* --- the call into a library
 * ---------------------------------------------------------------------------------- */

/* Code of the program, and of the library that we are in, if that is not the same. */
struct ranges {
    struct {
        uintptr_t start, end;
    } of[RANGES];
    size_t n;
    bool first;
};

static int add_range(struct dl_phdr_info *info, size_t size, void *context) {
    struct ranges *ranges = context;
    bool program = ranges->first, ours = false;
    uintptr_t start = 0, end = 0;
    (void)size;
    ranges->first = false;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X)) continue;
        start = info->dlpi_addr + segment->p_vaddr;
        end = start + segment->p_memsz;
        ours = ours || ((uintptr_t)add_range >= start && (uintptr_t)add_range < end);
    }
    if ((program || ours) && ranges->n < RANGES) {
        ranges->of[ranges->n].start = start;
        ranges->of[ranges->n++].end = end;
    }
    return 0;
}

static bool within(const struct ranges *ranges, uintptr_t address, size_t before) {
    for (size_t i = 0; i < ranges->n; i++)
        if (address >= ranges->of[i].start + before && address < ranges->of[i].end) return true;
    return false;
}

/* The instruction before it is a call. */
static bool follows_call(uintptr_t address) {
#if defined(__x86_64__)
    const unsigned char *at = (const unsigned char *)address;
    static const int lengths[] = {2, 3, 6, 7}; /* through a register or memory: ff /2 */
    if (at[-5] == 0xe8) return true;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        if (at[-lengths[i]] == 0xff && (at[1 - lengths[i]] & 0x38) == 0x10) return true;
    return false;
#elif defined(__aarch64__)
    uint32_t before;
    if (address % 4 != 0) return false;
    memcpy(&before, (const void *)(address - 4), sizeof before);
    return before >> 26 == 0x25 || (before & 0xfffffc1f) == 0xd63f0000; /* bl, blr */
#else
    (void)address;
    return false;
#endif
}

/* Puts our function that called into a library behind the leaf; and who called a leaf of ours that
 * made no frame, with its return address on top of the stack. */
static void add_caller(struct stack *stack) {
    struct ranges ranges = {.first = true};
    dl_iterate_phdr(add_range, &ranges);
    if (stack->n == 0) return;
    uintptr_t fp = answer.top.fp, sp = answer.top.sp;
    size_t n = within(&ranges, stack->frames[0], 0) && answer.n_words ? 1 : answer.n_words;
    for (size_t i = 0; i < n; i++) {
        uintptr_t word = answer.words[i];
        if (fp > sp && sp + i * sizeof word >= fp) return;
        if (!within(&ranges, word, 8) || !follows_call(word)) continue;
        if (stack->n > 1 && stack->frames[1] == word - 1) return;
        if (stack->n == STACK_FRAMES) stack->n--;
        memmove(&stack->frames[2], &stack->frames[1], (stack->n - 1) * sizeof word);
        stack->frames[1] = word - 1;
        stack->n++;
        return;
    }
}

/* --- asking
 * --------------------------------------------------------------------------------------- */

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    int saved = errno, asked = ASKED;
    if (pthread_equal(atomic_load(&answer.of), pthread_self()) &&
        atomic_compare_exchange_strong(&answer.state, &asked, TAKING)) {
        answer.top = stack_top(context);
        stack_walk(answer.top.pc, answer.top.fp, &answer.stack);
        answer.n_words = read_words(answer.top.sp, answer.words, WORDS);
        atomic_store(&answer.state, TAKEN);
    }
    errno = saved;
}

/* Only a signal that nobody else has. */
static bool take_signal(void) {
    struct sigaction there, ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    if (sigaction(SIGURG, NULL, &there) != 0) return false;
    if (there.sa_flags & SA_SIGINFO) return there.sa_sigaction == on_signal;
    if (there.sa_handler != SIG_DFL && there.sa_handler != SIG_IGN) return false;
    sigemptyset(&ours.sa_mask);
    return sigaction(SIGURG, &ours, NULL) == 0;
}

static bool wait_for_answer(void) {
    for (int i = 0; i < STACK_WAIT_MS; i++) {
        if (atomic_load(&answer.state) == TAKEN) return true;
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    int asked = ASKED;
    if (atomic_compare_exchange_strong(&answer.state, &asked, NOBODY)) return false;
    while (atomic_load(&answer.state) != TAKEN) /* it is at it */
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    return true;
}

bool stack_ask(pthread_t thread, struct stack *out) {
    pthread_mutex_lock(&one_asker);
    bool answered = false;
    if (take_signal()) {
        atomic_store(&answer.of, thread);
        atomic_store(&answer.state, ASKED);
        answered = pthread_kill(thread, SIGURG) == 0 && wait_for_answer();
        atomic_store(&answer.state, NOBODY);
    }
    if (answered) *out = answer.stack;
    if (answered) add_caller(out);
    pthread_mutex_unlock(&one_asker);
    return answered && out->n > 0;
}

/* --- words
 * ---------------------------------------------------------------------------------------- */

void stack_words(const struct stack *stack, char *text, size_t size) {
    struct symbols *symbols = symbols_open();
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < stack->n && i < WORDS_SHOWN; i++) {
        char name[SYMBOL_MAX] = "?";
        const char *between = i > 0 ? " < " : "";
        symbols_name(symbols, stack->frames[i], name);
        if (at + strlen(between) + strlen(name) >= size) break;
        at += (size_t)snprintf(text + at, size - at, "%s%s", between, name);
    }
    symbols_close(symbols);
}
