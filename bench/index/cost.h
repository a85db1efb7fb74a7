/* cost: what the process spends, and the thread. */
#ifndef BENCH_INDEX_COST_H
#define BENCH_INDEX_COST_H

double cost_wall_seconds(void);
double cost_cpu_seconds(void); /* of the thread */
double cost_resident_bytes(void);

#endif
