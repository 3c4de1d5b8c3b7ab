/*
 * Execution: code that nobody trusts, run inside walls, with an account of what it used and of what held it.
 *
 * The spawner is a small single-threaded process, forked and exec'ed (`nexus spawner`) before any thread or listening
 * socket exists; it keeps the privileges that the server then drops, makes cgroups and namespaces, and hands the pidfd, the
 * pipes and the work directory to the server by SCM_RIGHTS. The server watches a run from its loop: capped pipes, pidfd,
 * wall clock. When the server dies, the spawner ends every guest and removes what it made; when the spawner dies, its
 * guests die with it, and it is started again.
 *
 * Each run reports a status, its usage, and for each limit the mechanism that enforced it ("cgroup-v2", "cgroup-v1",
 * "rlimit", "watchdog", "tmpfs", "namespace", "proxy", "seccomp", "uid",
 * "none"). What cannot be enforced fails the run
 * or marks it degraded, as the config says.
 */
#ifndef NX_EXECUTION_EXECUTION_H
#define NX_EXECUTION_EXECUTION_H

#include "base/config.h"
#include "base/loop.h"
#include "base/schema.h"
#include "base/trace.h"
#include "execution/scanner.h"
#include "store/store.h"

struct nx_spawner; /* the server's end */
struct nx_execution;

/* Forks and execs the spawner; call it first in main, before threads and sockets. */
int nx_spawner_start(const struct nx_config *c, struct nx_spawner **ret, struct nx_error **err);
void nx_spawner_free(struct nx_spawner *s);
/* The program of `nexus spawner`: serves the socket on descriptor 3 until it closes. Returns the exit status. */
int nx_spawner_main(int argc, char **argv);

enum nx_exec_status {
	NX_EXEC_OK,
	NX_EXEC_ERROR, /* the program ended with a non-zero status or a signal of its own */
	NX_EXEC_TIMEOUT,
	NX_EXEC_MEMORY_LIMIT,
	NX_EXEC_CPU_LIMIT,
	NX_EXEC_OUTPUT_LIMIT,
	NX_EXEC_PROCESS_LIMIT,
	NX_EXEC_BLOCKED, /* refused by the scanner; nothing ran */
	NX_EXEC_CANCELLED,
	NX_EXEC_COMPILE_ERROR, /* the compiler refused it; nothing ran */
	NX_EXEC_STATUS_MAX
};
const char *nx_exec_status_name(enum nx_exec_status s);

struct nx_exec_file {
	nx_str path; /* relative, below the work directory; no "..", no NUL, at most 8 parts */
	nx_str bytes;
};

enum nx_cpu_policy {
	NX_CPU_THROTTLE, /* more than max_cpu_percent is waited for */
	NX_CPU_KILL,     /* ends the run with cpu_limit */
};
extern const char *const nx_cpu_policy_names[]; /* ended by NULL */

/* Hosts that a run may reach, through a proxy: HOST, *.HOST, * or an address or a block of addresses, with :PORT or :*. */
struct nx_exec_network {
	bool is_granted;
	nx_str *allow, *deny; /* NUL-terminated; deny wins */
	size_t nallow, ndeny;
};
/* false, true or {"allow": [...], "deny": [...]}. Lists in `a`, texts as they lie in `v`. NX_EINVAL. */
int nx_exec_network_read(yyjson_val *v, struct nx_arena *a, struct nx_exec_network *ret, struct nx_error **err);
/* Directories of the host that a run may use; false, the default, is none. Texts are the caller's, until done. */
struct nx_exec_files {
	bool is_granted, all; /* all: every root of the config */
	nx_str *read, *write; /* absolute, below sandbox.read_roots or sandbox.write_roots; hostfs.h has the rules */
	size_t nread, nwrite;
};
/* Reads file_system_access (NULL and null: false). Errors point to its place below /constraints. */
int nx_exec_files_read(yyjson_val *v, struct nx_arena *a, struct nx_exec_files *ret, struct nx_error **err);

struct nx_exec_constraints {     /* defaults: nx_exec_constraints_default */
	int64_t max_cpu_percent; /* of one core; quota with a period of 1 s */
	enum nx_cpu_policy cpu_policy;
	int64_t max_memory_mb;
	int64_t max_time_us;
	nx_str *allowed_imports; /* n = 0: no restriction */
	size_t nallowed_imports;
	nx_str *blocked_operations; /* of nx_blocked_names, which the kernel refuses too; scanner rules; functions */
	size_t nblocked_operations;
	struct nx_exec_network network;
	struct nx_exec_files files;
};
/* Those of blocked_operations that hold at run time, whatever the scanner says: enum nx_blocked, a bit each, in its order. */
extern const char *const nx_blocked_names[]; /* "network", "process", "file_write", NULL */
unsigned nx_exec_blocked(const struct nx_exec_constraints *k);
extern const struct nx_exec_constraints nx_exec_constraints_default; /* 20 %, 512 MiB, 30 s */

struct nx_exec_artifact {
	nx_id id;
	nx_str path, mime;
	int64_t size;
	unsigned char sha256[32];
};

struct nx_exec_usage {
	int64_t wall_us, cpu_us, queue_us, start_us; /* wall: of the program; start: from leaving the queue to exec */
	int64_t max_rss_bytes;
	int64_t network_in, network_out, network_refused; /* bytes as the program sees them; connections refused */
};

/* Limits that a run met, whatever its status: a bit each, by their names in `enforced`. */
enum nx_exec_limit {
	NX_LIMIT_MEMORY = 1,
	NX_LIMIT_CPU = 2, /* slowed down, or ended */
	NX_LIMIT_PROCESSES = 4,
	NX_LIMIT_TIME = 8,
	NX_LIMIT_OUTPUT = 16,
	NX_LIMIT_DISK = 32,      /* the box was full, in bytes or files, when the run ended; or a file too large */
	NX_LIMIT_ARTIFACTS = 64, /* files that were left are not among the artifacts */
};

struct nx_exec_enforced {
	const char *memory, *cpu, *processes, *time, *output, *disk, *network, *filesystem, *syscalls, *user;
	bool degraded;
};

struct nx_exec_result {
	nx_id id;
	enum nx_exec_status status;
	int exit_code;                 /* -1 when it ended by a signal or never ran */
	int signal;                    /* 0: none */
	nx_str out, err_out;           /* valid UTF-8: invalid bytes were replaced */
	nx_str value_text, value_html; /* of the last expression, in a session; p NULL: none */
	nx_str value_png;              /* in base64 */
	bool out_truncated, err_truncated;
	unsigned limits_met; /* enum nx_exec_limit */
	bool is_warm;        /* the interpreter had been started ahead */
	struct nx_exec_usage usage;
	struct nx_exec_enforced enforced;
	struct nx_scan_result scan;
	struct nx_exec_artifact *artifacts;
	size_t nartifacts;
};

/* A program of NEXUS's own that reads what nobody trusts. It runs as a client's does, and leaves less: nothing is scanned,
 * recorded or kept as an artifact. */
struct nx_exec_program {
	nx_str bytes;       /* an executable, which finds its libraries below /usr */
	char *const *args;  /* with its name, ended by NULL */
	int64_t max_output; /* in the place of sandbox.max_output_bytes */
};

/* One run. The caller fills the first part and keeps it alive, with its arena, until `done`. */
struct nx_exec {
	struct nx_arena *arena; /* the result is allocated here */
	int64_t tenant;
	nx_id task, step; /* may be none */
	nx_id session;    /* none: in a sandbox of its own; see session.h */
	struct nx_trace_ctx trace;
	const struct nx_exec_program *program; /* NULL: language and code say what is run */
	nx_str language, code, stdin_text;
	nx_str image; /* the name of one that was imported; empty: the root of all other runs */
	struct nx_exec_file *files;
	size_t nfiles;
	enum nx_scan_policy policy;
	bool is_cold; /* nothing that was made ahead is used */
	struct nx_exec_constraints constraints;
	bool is_agents; /* an agent asked for it, not a client */
	struct nx_tx_hook *hook;
	void (*on_output)(struct nx_exec *x, int fd, nx_str bytes); /* as it comes, on the loop; may be NULL */
	void (*done)(struct nx_exec *x,
		     struct nx_error *err); /* on `reply`; err NULL whenever the program ran or was blocked */
	struct nx_loop *reply;
	void *ctx;

	struct nx_exec_result result;
	nx_id id;          /* set by start */
	void *run;         /* private */
	struct nx_msg msg; /* private */
};

/* `loop` carries the pipes and timers of all runs (not the core loop: a net-like loop of its own). */
int nx_execution_new(const struct nx_config *c, struct nx_store *s, struct nx_spawner *sp, struct nx_workers *w,
		     struct nx_loop *loop, struct nx_execution **ret, struct nx_error **err);
void nx_execution_free(struct nx_execution *e); /* ends what runs */

/* Any thread. Validates, scans, queues. Every failure comes to `done`, NX_EBUSY when the queue is full. The row in
 * `executions` is committed before done. */
void nx_execution_start(struct nx_execution *e, struct nx_exec *x);
/* Any thread; done comes with status cancelled within 100 ms. */
void nx_execution_cancel(struct nx_execution *e, nx_id id);

/* What this host can do: for doctor, /v1/sandbox/languages and tests. */
struct nx_exec_language {
	const char *name, *program, *package; /* package: what to install when it is missing */
	bool available;
	char version[64];
};
size_t nx_execution_languages(struct nx_execution *e, struct nx_exec_language *ret, size_t max);
struct nx_exec_check {
	const char *what; /* "user namespaces" */
	bool ok;
	char detail[160];
	char fix[200]; /* the exact command or setting; "" when ok */
};
size_t nx_execution_checks(struct nx_execution *e, struct nx_exec_check *ret, size_t max);

/* The answer of POST /v1/sandbox/executions, and of a stored row. */
yyjson_mut_val *nx_exec_result_json(const struct nx_exec *x, yyjson_mut_doc *d);
/* A stored execution, by id, on the calling worker. NX_ENOTFOUND. */
int nx_execution_get(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
		     struct nx_error **err);
/* Bytes of an artifact. */
int nx_execution_artifact(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_bytes,
			  nx_str *ret_mime, struct nx_error **err);

/* `nexus bench sandbox`: our sandbox, bubblewrap (where it is installed), `docker run` (where an engine is named) and bare
 * processes, alternating; a table on stderr with what is aimed at, JSON in the arena. With a spawner of its own, which no
 * execution uses. */
struct nx_execution_peers {
	const char *docker_socket, *docker_image; /* NULL: no engine. The image is there already, with python3 in it */
};
int nx_execution_bench(struct nx_spawner *sp, const struct nx_execution_peers *peers, unsigned rounds, unsigned runs,
		       struct nx_arena *a, nx_str *ret_json, struct nx_error **err);
/* `nexus bench sandbox --soak N`: N runs, 16 at once, warm, cold, killed by each limit and leaving daemons and files; then a
 * table on stderr of what there is on the host before and after, and JSON in the arena. NX_ESANDBOX when anything is left,
 * the spawner's memory has grown, or a run did not end as it must. `dir`: where the store is. The caller's thread waits; no
 * other run is under way, and sandbox.pool_idle is waited for. */
int nx_execution_soak(struct nx_execution *e, const char *dir, unsigned runs, struct nx_arena *a, nx_str *ret_json,
		      struct nx_error **err);

#endif
