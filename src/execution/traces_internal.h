/*
 * What a sandbox can leave on the host, counted from outside: processes, cgroups, mounts, descriptors, files, memory. Two
 * counts of a spawner at rest are the same, however many runs lie between them. One thread at a time.
 */
#ifndef NX_EXECUTION_TRACES_INTERNAL_H
#define NX_EXECUTION_TRACES_INTERNAL_H

#include <stdint.h>
#include <sys/types.h>

struct nx_traces {           /* -1: cannot be seen */
	int64_t processes;   /* below the spawner, at any depth */
	int64_t cgroups;     /* of its name, in every hierarchy */
	int64_t mounts;      /* in its mount namespace and in this process's */
	int64_t spawner_fds; /* of the spawner and of all below it */
	int64_t server_fds;  /* of this process */
	int64_t files;       /* and directories, below the data directory */
	int64_t spawner_kib; /* its anonymous memory */
};

/* dir: the server's data; NULL: none. */
void nx_traces_count(pid_t spawner, const char *dir, struct nx_traces *ret);
/* Counts when nothing but memory has changed for so long, or after 10 s more than that. */
void nx_traces_settle(pid_t spawner, const char *dir, int64_t still_ms, struct nx_traces *ret);
int64_t nx_traces_memory(pid_t pid); /* anonymous, in KiB; -1: cannot be seen */

#endif
