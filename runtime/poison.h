/* poison: what product code must not call. Include it LAST in every .c of index/, storage/,
 * replication/ and actors/: memory goes through runtime/memory.h, time and randomness through the
 * turn, formatting through snprintf. Poisoning before a foreign header does not compile. */
#ifndef RUNTIME_POISON_H
#define RUNTIME_POISON_H

#pragma GCC poison malloc calloc realloc free strdup
#pragma GCC poison sprintf vsprintf strcpy strcat gets
#pragma GCC poison rand srand random time gettimeofday

#endif
