/*
 * A disk that can lose power.
 *
 * It lies under SQLite's own VFS, at the system calls (the programs are linked with --wrap=pwrite,…), so that what is
 * tested is the code that runs in earnest: SQLite's order of writes and syncs, its syncs of directories, and ours.
 *
 * Files below one directory are watched. What the program writes it can read at once, but it is durable only after fsync
 * or fdatasync of the file, and a new, renamed or removed name only after fsync of its directory (POSIX promises no
 * more). At the n-th operation the power goes: of everything not durable an arbitrary part is kept, in one of the ways of
 * enum powercut_damage, the directory is left as a disk would be found, and the process ends with POWERCUT_EXIT.
 *
 * Sectors have 512 bytes. A sector holds one of the versions it had since it was durable: writes into one sector are not
 * reordered among themselves, sectors are at will. -shm files are not durable at all, as shared memory is not.
 */
#ifndef NX_TESTS_POWERCUT_VFS_H
#define NX_TESTS_POWERCUT_VFS_H

#include <stdint.h>

#define POWERCUT_EXIT 71

enum powercut_damage {
	POWERCUT_DROP,    /* nothing that was not synced is there */
	POWERCUT_KEEP,    /* everything is */
	POWERCUT_PREFIX,  /* a prefix of the operations, the last one torn */
	POWERCUT_SECTORS, /* any sectors in any of their versions */
	POWERCUT_SIZES,   /* as SECTORS, and files have grown over sectors that were never written: zeros or rubbish */
	POWERCUT_DAMAGE_MAX
};

/* Watches `dir` (absolute, no links in it) from now on. after_ops 0: the power stays on. Once, before threads start. */
void powercut_start(const char *dir, uint64_t after_ops, enum powercut_damage damage, uint64_t seed);
/* Operations seen. */
uint64_t powercut_ops(void);
/* The power goes now. */
void powercut_now(void) __attribute__((noreturn));

#endif
