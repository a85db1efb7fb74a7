/* files: index files on simulated disks. Workers write them into real folders, one for each node;
 * the calls that do so come here (--wrap), where disks are full, refuse, tear what is written, and
 * lose with their power what was not synced. Other files are let through. */
#ifndef TESTS_SIM_CLUSTER_FILES_H
#define TESTS_SIM_CLUSTER_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/kv.h"

/* Empty folders, and disks without faults. */
void files_begin(uint64_t seed);
/* Nothing is left. */
void files_end(void);
/* What a process left that did not come to its end. */
void files_sweep(long process);
/* The folder of the nodes' folders. */
const char *files_folder(void);

/* Of fail_write_ppm, torn_write_ppm and capacity_bytes (full, if there is a limit). */
void files_set_faults(uint32_t node, const struct kv_faults *faults);
/* The power of this node fails with the nth thing it does to a file from now on … */
void files_cut_soon(uint32_t node, uint32_t nth);
/* … has failed: its process is to be ended. */
bool files_are_cut(uint32_t node);
/* Its process is being ended: nothing it does reaches the disk. */
void files_die(uint32_t node);
/* It may start again; after a power cut with what is left of the files. */
void files_revive(uint32_t node, bool power_cut);
void files_wipe(uint32_t node);

#endif
