/* Where another thread is, while it computes and while it waits in a library. */
#include "runtime/stack.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static _Atomic bool over, there;

__attribute__((noinline)) static void computes_here(void) {
    atomic_store(&there, true);
    while (!atomic_load(&over))
        continue;
}

__attribute__((noinline)) static void waits_here(void) {
    atomic_store(&there, true);
    while (!atomic_load(&over))
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
}

__attribute__((noinline)) static void *compute(void *unused) {
    computes_here();
    return unused;
}

__attribute__((noinline)) static void *wait_long(void *unused) {
    waits_here();
    return unused;
}

/* The words of a thread that runs fn; "" when it did not answer. */
static const char *words_of(void *(*fn)(void *)) {
    static char text[1024];
    struct stack stack;
    pthread_t thread;
    atomic_store(&over, false);
    atomic_store(&there, false);
    cr_assert_eq(pthread_create(&thread, NULL, fn, NULL), 0);
    while (!atomic_load(&there))
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    text[0] = '\0';
    if (stack_ask(thread, &stack)) stack_words(&stack, text, sizeof text);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    return text;
}

Test(stack, of_a_thread_that_computes) {
    const char *words = words_of(compute);
    cr_expect_eq(strncmp(words, "computes_here < compute", 23), 0, "%s", words);
}

/* As a compiler calls a copy of its own. */
static void copied_here(void) __asm__("copied_here.isra.0");
__attribute__((noinline)) static void copied_here(void) {
    while (!atomic_load(&over))
        atomic_store(&there, true);
}

__attribute__((noinline)) static void *copy(void *unused) {
    copied_here();
    return unused;
}

Test(stack, has_the_names_of_the_source) {
    const char *words = words_of(copy);
    cr_expect_eq(strncmp(words, "copied_here < copy", 18), 0, "%s", words);
}

Test(stack, of_a_thread_in_a_library_has_who_called_it) {
    const char *words = words_of(wait_long);
    cr_expect(strstr(words, "waits_here < wait_long"), "%s", words);
}

static void not_ours(int number) {
    (void)number;
}

Test(stack, is_not_asked_for_where_somebody_else_has_the_signal) {
    signal(SIGURG, not_ours);
    cr_expect_str_eq(words_of(compute), "");
}

Test(stack, words_are_cut_between_names) {
    char text[8];
    struct stack stack = {.n = 3, .frames = {1, 1, 1}};
    stack_words(&stack, text, sizeof text);
    cr_expect_str_eq(text, "? < ?");
}
