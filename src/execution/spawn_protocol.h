/*
 * What server and spawner say to each other: fixed-size messages on a SOCK_SEQPACKET pair, descriptors by SCM_RIGHTS.
 *
 *   server                                   spawner
 *          <- HELLO                          what this host can do, once, when the spawner is ready
 *   PREPARE ->                               a box (tmpfs), a cgroup, namespaces; the guest waits before exec
 *          <- PREPARED [box, pidfd, out, err, and control and processes where it was asked for]
 *   START ->                                 after the inputs lie in the box: the program to exec
 *          <- REFUSED                        the proxy of a run with a network refused a connection; any number
 *          <- EXITED                         every guest process is dead; usage was read; or the set-up failed
 *   KILL ->                                  at any time after PREPARE; EXITED still comes
 *   INTERRUPT ->                             SIGINT to the program's process group, without a CPU quota until the next MEASURE
 *   MEASURE ->                               between START and EXITED
 *          <- MEASURED                       what the guest has used so far
 *          <- FAILED                         instead of PREPARED, when nothing was made
 *
 * Each type has exactly one size; a message of another size, type, version or with a text that does not end inside its
 * array is a protocol error, and the side that finds it ends the connection. Both ends are the same program, so numbers
 * are in host order. The decoder trusts nothing: it is fuzzed (tests/fuzz/fuzz_spawner_protocol.c).
 */
#ifndef NX_EXECUTION_SPAWN_PROTOCOL_H
#define NX_EXECUTION_SPAWN_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NX_SPAWN_MAGIC 0x4e585350u /* "NXSP" */
#define NX_SPAWN_VERSION 1
#define NX_SPAWN_TEXT_MAX 4096 /* bytes of all arguments, or of the environment, with their NULs */
#define NX_SPAWN_ARGS_MAX 64
#define NX_SPAWN_CHECKS_MAX 16
#define NX_SPAWN_RUNS_MAX 1024
#define NX_SPAWN_FDS_MAX 6
#define NX_SPAWN_RULES_MAX 32     /* of each of a network's two lists */
#define NX_SPAWN_RULES_BYTES 2048 /* of both, with their NULs */
#define NX_SPAWN_PATHS_MAX 8      /* directories that are granted, of each kind */
#define NX_SPAWN_IMAGE_MAX 48

enum { NX_SPAWN_CONTROL_FD = 6 };

enum nx_spawn_type {
	NX_SPAWN_HELLO = 1,
	NX_SPAWN_PREPARE,
	NX_SPAWN_PREPARED,
	NX_SPAWN_START,
	NX_SPAWN_EXITED,
	NX_SPAWN_KILL,
	NX_SPAWN_FAILED,
	NX_SPAWN_INTERRUPT,
	NX_SPAWN_MEASURE,
	NX_SPAWN_MEASURED,
	NX_SPAWN_REFUSED,
	NX_SPAWN_TYPE_MAX
};

enum nx_mechanism {
	NX_MECH_NONE,
	NX_MECH_CGROUP_V2,
	NX_MECH_CGROUP_V1,
	NX_MECH_RLIMIT,
	NX_MECH_WATCHDOG,
	NX_MECH_NAMESPACE,
	NX_MECH_SECCOMP,
	NX_MECH_TMPFS,
	NX_MECH_UID,
	NX_MECH_PROXY,
	NX_MECH_LANDLOCK,
	NX_MECH_MAX
};
const char *nx_mechanism_name(enum nx_mechanism m);

/* Which mechanism holds which limit on this host. */
struct nx_spawn_features {
	uint8_t memory, cpu, processes, time, output, disk, network, filesystem, syscalls, user; /* enum nx_mechanism */
	uint8_t usable;       /* 0: a wall is missing and nothing is run here; `refusal` says why */
	uint8_t degraded;     /* a limit is held by less than a cgroup */
	uint8_t landlock_abi; /* 0: none */
	uint8_t is_root;
	uint8_t is_bare; /* no namespaces: bare.h, with `refusal` telling why */
};

struct nx_spawn_check {
	char what[40];
	uint8_t ok;
	char detail[160];
	char fix[200];
};

struct nx_spawn_head {
	uint32_t magic;
	uint16_t version, type;
	uint64_t run; /* chosen by the server, never 0; 0 in HELLO */
};

struct nx_spawn_hello {
	struct nx_spawn_head head;
	struct nx_spawn_features features;
	char refusal[256];
	uint32_t nchecks;
	struct nx_spawn_check checks[NX_SPAWN_CHECKS_MAX];
};

/* What a run may reach, through a proxy: proxy_internal.h. */
struct nx_spawn_network {
	uint8_t is_granted;
	uint8_t nallow, ndeny;
	uint8_t is_public_only;           /* not even by naming them are other addresses reached */
	uint16_t connections;             /* at once */
	int64_t lookups;                  /* of names, in all */
	int64_t bytes;                    /* both ways together */
	int64_t idle_us;                  /* a connection on which nothing passes for so long ends */
	char rules[NX_SPAWN_RULES_BYTES]; /* first what is allowed, then what is denied, each with its NUL */
};

/* Directories of the host: hostfs.h. */
struct nx_spawn_files {
	uint32_t nread, nwrite;
	char paths[NX_SPAWN_TEXT_MAX]; /* first those that may only be read, each with its NUL */
};

enum nx_ready { /* how much of the run may have been made ahead */
		NX_READY_NOTHING,
		NX_READY_BOX,     /* a sandbox that waits for any program */
		NX_READY_STARTED, /* one with an interpreter that has started in it */
		NX_READY_FORKED,  /* one with a copy of an interpreter that has started */
		NX_READY_MAX
};

struct nx_spawn_prepare {
	struct nx_spawn_head head;
	int64_t memory_bytes;  /* of all processes together, files in the box included */
	int64_t cpu_percent;   /* of one core */
	int64_t max_processes; /* and threads, without the reaper */
	int64_t box_bytes;     /* size of everything writable */
	int64_t box_inodes;
	int64_t file_bytes;  /* RLIMIT_FSIZE */
	int64_t cpu_us;      /* CPU time of all processes together; the watchdog ends the run above it */
	int64_t wall_us;     /* a backstop: the server's own clock is the first to act */
	uint8_t has_control; /* the program gets a stream socket to the server, as descriptor NX_SPAWN_CONTROL_FD */
	uint8_t cpu_kill;    /* end what takes more than cpu_percent; 0: slow it down */
	struct nx_spawn_network network;
	struct nx_spawn_files files;
	char image[NX_SPAWN_IMAGE_MAX]; /* name of its directory among the images; "": the root of all other runs */
	uint64_t command;               /* nx_spawn_command_key of the START that will follow; 0: unknown */
	uint8_t ready;                  /* enum nx_ready: the most that may be used */
};

struct nx_spawn_prepared {
	/* With descriptors: box, pidfd, stdout, stderr, and, when control was asked for, that and the server's end of
	 * process_protocol.h. */
	struct nx_spawn_head head;
};

struct nx_spawn_rlimits { /* of the spawner to the guest; 0 in what the server sends */
	int64_t file_bytes, nproc, cpu_us;
	int64_t memory_bytes; /* 0: a cgroup holds it */
};

/* What a request blocks and the kernel refuses: nx_blocked_names. */
enum nx_blocked { NX_BLOCKED_NETWORK = 1, NX_BLOCKED_PROCESS = 2, NX_BLOCKED_FILE_WRITE = 4, NX_BLOCKED_ALL = 7 };

struct nx_spawn_start {
	struct nx_spawn_head head;
	uint32_t argc, envc;
	uint8_t has_stdin; /* /code/stdin is standard input, else /dev/null */
	uint8_t blocked;   /* of enum nx_blocked */
	uint8_t is_warm;   /* of the spawner to the guest: the interpreter that waits is the one asked for */
	uint8_t is_ahead;  /* likewise: the program is not there yet; another START will follow */
	int64_t sent_us; /* nx_time_mono_us; 0: when it arrives. The server's clock runs from there, so usage does too */
	struct nx_spawn_rlimits rlimits;
	char args[NX_SPAWN_TEXT_MAX]; /* argc texts, each with its NUL, one after the other */
	char env[NX_SPAWN_TEXT_MAX];
};

enum nx_spawn_end {
	NX_SPAWN_END_EXIT,   /* the program ended; wait_status tells how */
	NX_SPAWN_END_KILLED, /* KILL was asked for */
	NX_SPAWN_END_MEMORY,
	NX_SPAWN_END_CPU,
	NX_SPAWN_END_PROCESSES,
	NX_SPAWN_END_TIME,
	NX_SPAWN_END_DISK,  /* where its box is no file system of its own */
	NX_SPAWN_END_SETUP, /* the sandbox could not be made: stage and errnum */
	NX_SPAWN_END_LOST,  /* the reaper vanished without a word */
	NX_SPAWN_END_MAX
};

struct nx_spawn_exited {
	struct nx_spawn_head head;
	uint8_t end;                                /* enum nx_spawn_end */
	uint8_t memory_hit, processes_hit, cpu_hit; /* the limit was met, whatever ended the program */
	uint8_t ready;                              /* enum nx_ready: what had been made ahead */
	int32_t wait_status;
	int32_t errnum;
	char stage[48];
	int64_t cpu_us, wall_us, max_rss_bytes; /* wall: from the start to the death of the program */
	int64_t exec_mono_us;                   /* nx_time_mono_us of the start */
	int64_t net_in, net_out, net_refused;   /* bytes through the proxy; connections that it refused */
};

struct nx_spawn_kill {
	struct nx_spawn_head head;
};

/* INTERRUPT and MEASURE have the shape of KILL. */
struct nx_spawn_measured {
	struct nx_spawn_head head;
	int64_t cpu_us, max_rss_bytes;        /* of all processes, since the start */
	int64_t net_in, net_out, net_refused; /* since the start, as in nx_spawn_exited */
};

enum nx_spawn_why { /* a granted directory is refused */
		    NX_SPAWN_WHY_OTHER,
		    NX_SPAWN_WHY_OUTSIDE, /* of the roots, or where a guest has its own */
		    NX_SPAWN_WHY_OPEN,    /* errnum tells: it is not there, leads through a link (ELOOP) ... */
		    NX_SPAWN_WHY_KERNEL,  /* it holds the kernel's own files */
		    NX_SPAWN_WHY_DATA,    /* it holds the server's data, or lies in it */
		    NX_SPAWN_WHY_OWNER,   /* root is the owner, or the group, of what was to be written */
		    NX_SPAWN_WHY_MAP,     /* its file system cannot map the owner */
		    NX_SPAWN_WHY_COPY,    /* its mount cannot be copied alone */
		    NX_SPAWN_WHY_LATE,    /* its file system did not answer in time */
		    NX_SPAWN_WHY_MAX
};

struct nx_spawn_failed {
	struct nx_spawn_head head;
	int32_t errnum;
	uint8_t why;  /* enum nx_spawn_why */
	uint8_t path; /* of the granted directories, the one that was refused */
	char stage[48];
};

struct nx_spawn_refused {
	struct nx_spawn_head head;
	uint16_t port;
	char host[256]; /* as the guest asked for it: of letters, digits and -._: only */
	char reason[96];
};

union nx_spawn_msg {
	struct nx_spawn_head head;
	struct nx_spawn_hello hello;
	struct nx_spawn_prepare prepare;
	struct nx_spawn_prepared prepared;
	struct nx_spawn_start start;
	struct nx_spawn_exited exited;
	struct nx_spawn_kill kill;
	struct nx_spawn_failed failed;
	struct nx_spawn_measured measured;
	struct nx_spawn_refused refused;
};

/* Size of a message of this type; 0 for a type that does not exist. */
size_t nx_spawn_size(uint16_t type);
/* Clears the message and fills its head. */
void nx_spawn_init(union nx_spawn_msg *m, enum nx_spawn_type type, uint64_t run);
/* NULL when `n` bytes are a valid message of a type that `to_spawner` (or the server) may get; else what is wrong. */
const char *nx_spawn_check(const union nx_spawn_msg *m, size_t n, bool to_spawner);
/* Splits `count` texts; false when they do not fit. `ret` has room for count + 1 and ends with NULL. */
bool nx_spawn_split(char *text, uint32_t count, char **ret);
/* Appends one text to args or env; false when it does not fit. */
bool nx_spawn_append(char text[NX_SPAWN_TEXT_MAX], size_t *used, const char *s);

/* Tells command lines apart: arguments and environment. Never 0. */
uint64_t nx_spawn_command_key(const struct nx_spawn_start *s);

/* One message, blocking or not as the socket is. 0 or -errno; a peer that is gone is -EPIPE. */
int nx_spawn_send(int sock, const union nx_spawn_msg *m, const int *fds, size_t nfds);
/* Bytes received, 0 at the end, or -errno. Up to NX_SPAWN_FDS_MAX descriptors, close-on-exec, are the caller's. */
int nx_spawn_recv(int sock, union nx_spawn_msg *m, int *fds, size_t *ret_nfds);

#endif
