/* held: the shim's memory: which files it knows, and the journal it writes. All calls under
 * held_lock. */
#ifndef TESTS_CRASH_HELD_H
#define TESTS_CRASH_HELD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Serialises operations on held files with their records. */
void held_lock(void);
void held_unlock(void);

/* Canonical path below the held folder in `out` (PATH_MAX bytes); false: not ours. dirfd as in
 * openat. */
bool held_path(int dirfd, const char *path, char *out);
/* True when there is a folder to hold at all. */
bool held_active(void);
/* Syncs change nothing: the proof that the judge works. */
bool held_swallows(void);

/* The id of the file at path, known from now on; 0: there is none. Links it into the journal's
 * folder. */
uint64_t held_file(const char *path);
/* The id of an open file; 0: not held. */
uint64_t held_descriptor(int fd);

/* Before bytes [offset, offset + size) of an open held file change. */
void held_before_write(int fd, uint64_t id, uint64_t offset, uint64_t size);
/* Before the name changes; it names what it names now. */
void held_before_entry(const char *path);
void held_before_folder(const char *path);

/* The number a sync covers: taken before it starts, recorded after it succeeded. */
uint64_t held_sequence(void);
void held_synced(uint64_t id, uint64_t upto);
void held_synced_folder(const char *path, uint64_t upto);
void held_synced_all(uint64_t upto);

/* The shim cannot keep its word: says why and ends the process with code 97. */
_Noreturn void held_give_up(const char *why, const char *what);

#endif
