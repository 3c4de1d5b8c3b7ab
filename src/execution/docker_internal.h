/*
 * The Docker backend: programs in containers of an engine, by its HTTP API (1.41, Docker 20.10) over a unix socket.
 *
 * A container is made for one run and runs nothing but a shell that waits for the end of its standard input, under a user
 * of its own. The program is a second process of the container (`exec`), under nobody. So it can kill neither the shell nor
 * what the shell keeps: three tmpfs volumes of fixed size (/work, /tmp, /code), which the engine can fill before the
 * program starts and read when it has ended, and which vanish with the container. The shell's standard input is a
 * connection of ours: when this process dies, however it dies, the shell reads the end and the container goes.
 *
 *   create ─> attach (stays open) ─> start ─> archive: code, inputs ─> exec: create ─> exec: start (output streams)
 *     every 0.5 s: usage, exec: inspect;  events: oom
 *   ended, or a limit: exec: inspect ─> usage ─> pause what is left ─> archive: /work ─> EXITED ─> kill, removed by the engine
 *
 * Usage comes from the container's cgroups where they are on this host, else from the engine's statistics, which it
 * refreshes once a second.
 *
 * The engine is trusted with isolation, its answers are not trusted with our memory: all are bounded, and what is decoded
 * from a program's output is fuzzed. Threads: an HTTP client of its own; its callbacks post to the execution loop, which
 * owns everything else here.
 */
#ifndef NX_EXECUTION_DOCKER_INTERNAL_H
#define NX_EXECUTION_DOCKER_INTERNAL_H

#include "base/http_client.h"
#include "execution/execution_internal.h"
#include "execution/sandbox_internal.h"

#define NX_DOCKER_API "/v1.41"
#define NX_DOCKER_KEEPER "65533:65533" /* who waits in a container */
#define NX_DOCKER_GUEST 65534          /* nobody, by number: the image may not know the name */
#define NX_DOCKER_EXTRA_PROCESSES 3 /* the engine's init, the shell that waits, and one that is becoming the program */
#define NX_DOCKER_ID_MAX 72

enum nx_docker_state { NX_DOCKER_NEW, NX_DOCKER_CONNECTING, NX_DOCKER_READY, NX_DOCKER_DOWN };

struct nx_docker {
	struct nx_execution *e;
	struct nx_loop *loop;
	struct nx_http_client *net;
	const char *socket, *image;
	char home[17]; /* names the data directory in labels: its containers are ours, and no other server's */
	enum nx_docker_state state;
	struct nx_spawn_features features;
	char why[256];    /* when it is down */
	char missing[40]; /* of limits that the engine cannot hold */
	unsigned calls;   /* on their way */
	bool is_detached;
	uint64_t events;    /* the call that listens; 0: none */
	struct nx_buf line; /* of events, so far */
	bool line_is_long;
	struct nx_timer retry;
	TAILQ_HEAD(, nx_container) containers;
};

/* ---- docker_http.c ---- */

struct nx_docker_answer {
	int status;  /* 0: none came, and error says why */
	nx_str body; /* of an answer that was not streamed */
	struct nx_error *error;
};
struct nx_docker_ask {
	const char *method, *path; /* below NX_DOCKER_API */
	nx_str body;               /* p NULL: none */
	const char *type;          /* of the body; NULL: JSON */
	size_t max_bytes;          /* of the answer; 0: 1 MiB */
	int64_t timeout_us;        /* 0: 60 s; -1: none */
	/* Both on the loop. on_data gets the body of a 2xx answer as it comes; `then` comes once, last, for each ask. */
	void (*on_data)(void *ctx, nx_str bytes);
	void (*then)(void *ctx, const struct nx_docker_answer *a);
	void *ctx;
};
/* On the loop. What fails at once comes to `then` all the same, later. The id is for nx_docker_cancel. */
uint64_t nx_docker_start(struct nx_docker *d, const struct nx_docker_ask *ask);
void nx_docker_cancel(struct nx_docker *d, uint64_t id);
/* Any thread but the loops; waits. The body is in `a`. */
int nx_docker_wait(struct nx_docker *d, const char *path, struct nx_arena *a, int *ret_status, nx_str *ret_body,
		   struct nx_error **err);
/* Is it a 2xx? Else sets the error: "the engine could not WHAT: its message". */
int nx_docker_check(const struct nx_docker_answer *a, const char *what, struct nx_error **err);

/* ---- docker_stream.c: pure, fuzzed ---- */

/* The stream of an attached process: frames of an 8-byte head (kind, three zeros, length in network order) and bytes. */
struct nx_docker_demux {
	unsigned char head[8];
	unsigned nhead;
	uint32_t left; /* of the frame's bytes */
	bool failed;   /* it is no such stream; nothing more is taken */
};
/* `on_bytes` gets 1 or 2 and parts of `bytes`. False when the stream is broken. */
bool nx_docker_demux_feed(struct nx_docker_demux *x, nx_str bytes, void (*on_bytes)(void *ctx, int fd, nx_str bytes),
			  void *ctx);

struct nx_docker_stats {
	int64_t cpu_us, memory_bytes, peak_bytes, processes; /* peak: 0 where the kernel does not tell */
	int64_t throttled;                                   /* periods in which the quota was used up */
	int64_t oom_kills, refused;                          /* from cgroups only */
};
bool nx_docker_read_stats(struct nx_arena *a, nx_str json, struct nx_docker_stats *ret);
bool nx_docker_read_id(struct nx_arena *a, nx_str json, char ret[NX_DOCKER_ID_MAX]); /* {"Id":"hex"} */
/* A name that may stand in a path and in a query as it is: host:port/path:tag or @sha256:… */
bool nx_docker_is_image(const char *name);

/* ---- docker_cgroup.c ---- */

struct nx_docker_cgroup {
	enum nx_cgroup_mode mode; /* none: it is not to be seen from here */
	int dir[NX_CG_MAX];
};
#define NX_DOCKER_CGROUP_NONE ((struct nx_docker_cgroup){NX_CGROUP_NONE, {-1, -1, -1, -1}})
bool nx_docker_cgroup_open(struct nx_docker_cgroup *g, int64_t pid, const char *id);
bool nx_docker_cgroup_read(const struct nx_docker_cgroup *g, struct nx_docker_stats *ret);
void nx_docker_cgroup_close(struct nx_docker_cgroup *g);

/* ---- docker_json.c: what is asked ---- */

int nx_docker_create_json(const struct nx_docker *d, const struct nx_run *r, const struct nx_spawn_prepare *p,
			  struct nx_arena *a, nx_str *ret, struct nx_error **err);
int nx_docker_exec_json(const struct nx_run *r, struct nx_arena *a, nx_str *ret, struct nx_error **err);
/* The archives that hold the program and its files. */
int nx_docker_code_tar(const struct nx_run *r, struct nx_buf *ret, struct nx_error **err);
int nx_docker_work_tar(const struct nx_run *r, struct nx_buf *ret, struct nx_error **err);
/* What the features of the engine are, from /info. */
void nx_docker_read_info(struct nx_docker *d, yyjson_val *info);

/* ---- docker_run.c: one container ---- */

struct nx_container;
int nx_docker_prepare(struct nx_run *r, const struct nx_spawn_prepare *p, struct nx_error **err);
void nx_docker_kill(struct nx_run *r);
void nx_docker_on_oom(struct nx_docker *d, nx_str name); /* the kernel ended a process of the container for memory */

/* ---- docker.c ---- */

int nx_docker_new(struct nx_execution *e, struct nx_docker **ret, struct nx_error **err);
void nx_docker_free(struct nx_docker *d); /* nothing is on its way, or the loop has ended */
/* Waits for the engine's answer; not on a loop. `n` rows at most; returns how many. */
size_t nx_docker_checks(struct nx_docker *d, struct nx_exec_check *ret, size_t max);

#endif
