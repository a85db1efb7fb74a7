/* batch: parcels on their way to another lane, written one behind the other into the page of a
 * parcel. What another core wrote is slow to read line by line and quick to read in order, so a
 * small parcel travels by value: its bytes are copied into the page, and out of it into a parcel
 * that the receiver's core has at hand. A larger one travels as a pointer. Private to runtime/. */
#ifndef RUNTIME_BATCH_H
#define RUNTIME_BATCH_H

#include <stdbool.h>

#include "runtime/parcel.h"

/* An empty one; NULL: no memory. Freed by parcel_free when it is empty or read to its end. */
struct parcel *batch_new(void);
/* Takes the parcel; false: the page is full and the parcel stays the caller's. */
bool batch_put(struct parcel *batch, struct parcel *parcel);
/* The parcel at *at (0 to begin with), now the caller's; NULL: there are no more. Ends the process
 * without memory: the sender was told that the parcel is on its way. */
struct parcel *batch_next(const struct parcel *batch, size_t *at);
/* Starts to fetch the batch's beginning into the cache. NULL is fine. */
void batch_prefetch(const struct parcel *batch);

#endif
