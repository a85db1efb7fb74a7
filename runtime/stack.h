/* stack: where a thread is. Stacks are walked by frame pointers, which all of our code keeps; what
 * a library without them hides is left out, but for our function that called into it. */
#ifndef RUNTIME_STACK_H
#define RUNTIME_STACK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STACK_FRAMES = 48, STACK_WAIT_MS = 100 };

struct stack {
    uint32_t n;
    uintptr_t frames[STACK_FRAMES]; /* the leaf first; return addresses less one */
};

/* Registers of a signal handler's ucontext_t. Zeros on machines that are not known here. */
struct stack_top {
    uintptr_t pc, fp, sp;
};
struct stack_top stack_top(const void *context);
/* From these registers on. Safe in a signal handler: the kernel reads the frames, so a frame
 * pointer that is none is an end and not a crash. */
void stack_walk(uintptr_t pc, uintptr_t fp, struct stack *out);
/* Asks a thread of this process by SIGURG, for STACK_WAIT_MS at most. False: it did not answer, or
 * a program that we are a guest in has SIGURG for itself. Any thread. */
bool stack_ask(pthread_t thread, struct stack *out);
/* "memcpy < on_search < turn_serve": names of functions, cut where text ends. Reads the program's
 * symbols: a file, tens of milliseconds. */
void stack_words(const struct stack *stack, char *text, size_t size);

#endif
