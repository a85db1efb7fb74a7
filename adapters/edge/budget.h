/* budget: the bytes that bodies and replies of all edges of this process may take together, so that
 * uploads are refused at their length prefix and never by the kernel's killer. Any thread. */
#ifndef EDGE_BUDGET_H
#define EDGE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUDGET_SMALL = 4096 };

/* The first call decides the size for the process: 0 = min(1 GiB, memory / 4), where memory
 * respects the control group's limit. */
void budget_set(uint64_t bytes);
/* False: it does not fit now, because of the budget or because the process is at its watermark
 * (runtime/watermark.h). Up to BUDGET_SMALL bytes always do, so that refusals can be told; the
 * bound on calls bounds these. */
bool budget_take(size_t bytes);
void budget_give(size_t bytes);
uint64_t budget_size(void);
uint64_t budget_used(void);
/* Words for who was refused; `what` is "a body", "an answer" … */
void budget_explain(const char *what, uint64_t bytes, char *text, size_t text_size);

#endif
