/* heap: libraft's memory by runtime/memory.h. Private to replication/. */
#ifndef REPLICATION_HEAP_H
#define REPLICATION_HEAP_H

/* Before the first raft object of the process; once, whoever calls (H11). Any thread. */
void heap_use(void);
/* The batch of every entry that is given to libraft: no memory at all, and free to free. libraft
 * wants one, and who frees it depends on the path taken; so it does not matter who does. */
void *heap_batch(void);

#endif
