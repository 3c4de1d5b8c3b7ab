/* What the crash tests share: directories, children that run a load, options. */
#ifndef NX_TESTS_RIG_H
#define NX_TESTS_RIG_H

#include "tests/fault/load.h"

#include <stdio.h>
#include <sys/types.h>

struct rig_options {
	unsigned count;
	uint64_t seed;
	bool verbose;
};
/* --count N --seed N --verbose; ends the program with 2 when it is anything else. */
struct rig_options rig_options(int argc, char **argv, unsigned count);

/* A new directory, in memory when the host has room there: the crash tests do not depend on a disk. Absolute, no links. */
void rig_dir(char ret[256]);
void rig_dir_empty(const char *dir); /* removes what is in it, and makes it again */

/* Runs this program again as `child ARGS…`, with descriptor 3 a pipe whose other end is *ret_acks. */
pid_t rig_spawn(char *const argv[], int *ret_acks);
#define RIG_ACK_FD 3

NX_NORETURN void rig_die(const char *what, struct nx_error *err);

#endif
