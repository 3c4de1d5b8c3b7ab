/*
 * The server's side of a run. A run belongs to the execution loop from nx_execution_start until its `done` is posted;
 * workers and the writer borrow it between two messages, while nothing else touches it.
 *
 *   ADMIT ──worker: check, scan──> QUEUED ──slot──> PREPARING ──PREPARED──> RUNNING ──EXITED──> COLLECTING ──worker──>
 *     │ blocked, refused                                                                             RECORDING ──commit──> done
 *     └───────────────────────────────────────────────────────────────────────────────────────────────> RECORDING
 * A failure at any place goes to done at once, with its error. Invariants: a run holds a slot exactly from PREPARING until
 * EXITED or FAILED; pipes are watched only while RUNNING; `number` is never used twice.
 */
#ifndef NX_EXECUTION_EXECUTION_INTERNAL_H
#define NX_EXECUTION_EXECUTION_INTERNAL_H

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "execution/execution.h"
#include "execution/spawn_protocol.h"

#include <sys/queue.h>
#include <uv.h>

struct nx_session;

#define NX_EXEC_PATH_PARTS 8
#define NX_EXEC_PATH_MAX 512

/* ---- languages.c ---- */

struct nx_language {
	const char *name, *package;
	const char *const *programs; /* candidates by preference, absolute, ended by NULL */
	const char *source;          /* name of the program's file below /code */
	const char *stdin_name;      /* and of its standard input */
	const char *const *args;     /* between program and source, ended by NULL */
	const char *env;             /* one more variable, or NULL */
	const char *script;          /* run by /bin/sh with the program as $0; NULL: the program itself is run */
	const char *made;            /* what the script compiles, below the box; NULL: nothing */
	unsigned min_major, min_minor;
	enum nx_ready ready; /* how much may be made ahead */
	const char *const
		*start_names; /* files that its interpreter would read before the program, by stem; ended by NULL */
	bool has_heap_limit;  /* V8 */
	bool has_tables;      /* SQL: the program is standard input, CSV files are tables */
};
int nx_language_named(nx_str name, const struct nx_language **ret, struct nx_error **err); /* NX_EINVAL: unknown */
/* NX_EINVAL (unknown, with the nearest name), NX_EMISSING (not there or too old, with the package). */
/* root: a directory whose programs they are; NULL: the host. */
int nx_language_need(nx_str name, const char *root, const struct nx_language **ret, const char **ret_program,
		     struct nx_error **err);
size_t nx_language_list(const char *root, struct nx_exec_language *ret,
			size_t max); /* asks each program for its version */
int nx_language_start(const struct nx_language *l, const char *program, int64_t memory_mb, bool has_stdin,
		      struct nx_spawn_start *ret, struct nx_error **err);

/* For a program of ours, which lies in /code as NX_PROGRAM_NAME. */
#define NX_PROGRAM_NAME "program"
extern const struct nx_language nx_language_program;
int nx_program_start(char *const *args, bool has_stdin, struct nx_spawn_start *ret, struct nx_error **err);

/* ---- hostfs_grants.c ---- */

/* What is asked for, judged by the config, in the words of the spawner; NULL in *ret when nothing is. It looks at texts, never
 * at the host. NX_EINVAL, NX_EFORBIDDEN, NX_ETOOBIG, NX_EUNSUPPORTED. */
int nx_exec_files_check(const struct nx_config *c, const struct nx_exec_files *f, bool is_agents, struct nx_arena *a,
			const struct nx_spawn_files **ret, struct nx_error **err);
/* The directories, each a text in `files`. NULL: no memory, or none. */
nx_str *nx_exec_files_list(const struct nx_spawn_files *files, struct nx_arena *a, size_t *ret_n);
/* file_system_access as it was asked for, where it was. */
void nx_exec_files_write(yyjson_mut_doc *d, yyjson_mut_val *constraints, const struct nx_exec_files *f);
/* What the spawner refused them for: NX_EFORBIDDEN, NX_ENOTFOUND and the like. */
int nx_exec_files_explain(const struct nx_exec_files *f, const struct nx_spawn_files *files,
			  const struct nx_spawn_failed *failed, struct nx_error **err);

/* ---- sql_tables.c ---- */

/* What the shell of SQLite reads before the program, in `a`. NX_EINVAL: two files of one name, a name of SQLite's own, no
 * header; NX_EENCODING: a header that is not UTF-8. On a worker: it reads every file. */
int nx_sql_tables(const struct nx_exec *x, struct nx_arena *a, nx_str *ret, struct nx_error **err);

/* ---- spawner_client.c ---- */

struct nx_spawner_events { /* on the loop */
	void (*on_message)(void *ctx, const union nx_spawn_msg *m, int *fds,
			   size_t nfds); /* takes the descriptors it steals */
	void (*on_ready)(void *ctx);
	void (*on_lost)(void *ctx); /* every guest is dead; a new spawner is on its way */
	void *ctx;
};
int nx_spawner_attach(struct nx_spawner *s, struct nx_loop *loop, const struct nx_spawner_events *ev,
		      struct nx_error **err);                           /* on the loop */
void nx_spawner_detach(struct nx_spawner *s);                           /* on the loop */
bool nx_spawner_is_ready(const struct nx_spawner *s);                   /* on the loop */
int nx_spawner_socket(const struct nx_spawner *s);                      /* for who talks to it without a loop */
pid_t nx_spawner_pid(const struct nx_spawner *s);                       /* any thread */
int nx_spawner_send(struct nx_spawner *s, const union nx_spawn_msg *m); /* on the loop; 0 or -errno */
/* Any thread; waits up to 5 s for a spawner that has just been started. False when it did not come. */
bool nx_spawner_hello(struct nx_spawner *s, struct nx_spawn_hello *ret);

/* ---- backends ---- */

struct nx_run;

/*
 * What runs programs: the spawner's sandboxes (backend_native.c) or the containers of an engine (docker.c). All on the
 * loop. A run that was prepared ends in exactly one nx_run_on_failed or nx_run_on_exited, also when it is killed.
 */
struct nx_backend {
	bool (*is_ready)(const struct nx_execution *e);        /* until it is, runs stay in the queue */
	int (*check)(struct nx_run *r, struct nx_error **err); /* fills r->features, or refuses */
	int (*prepare)(struct nx_run *r, const struct nx_spawn_prepare *p, struct nx_error **err);
	void (*kill)(struct nx_run *r);
	int (*attach)(struct nx_execution *e, struct nx_error **err);
	void (*detach)(struct nx_execution *e);        /* no run is left */
	bool (*is_idle)(const struct nx_execution *e); /* after detach: nothing of it is on its way to the loop */
};
extern const struct nx_backend nx_backend_native, nx_backend_docker;
struct nx_container;
int nx_native_check_host(struct nx_execution *e, struct nx_spawn_features *ret, struct nx_error **err);
/* NX_EUNSUPPORTED where there are no namespaces; what: "an image needs". */
int nx_native_check_whole(const struct nx_spawn_features *f, const char *what, struct nx_error **err);
/* For a run or session that is granted one: `f`, its features, says so. */
int nx_native_grant_network(struct nx_spawn_features *f, struct nx_error **err);

/* ---- execution.c: what a client may ask for ---- */

int nx_exec_check_constraints(const struct nx_config *c, const struct nx_exec_constraints *k, struct nx_error **err);
/* `more`: bytes that come beside the files. */
int nx_exec_check_files(const struct nx_config *c, const struct nx_exec_file *files, size_t n, int64_t more,
			struct nx_error **err);

/* ---- run.c ---- */

enum nx_run_state {
	NX_RUN_ADMIT,
	NX_RUN_QUEUED,
	NX_RUN_PREPARING,
	NX_RUN_RUNNING,
	NX_RUN_COLLECTING,
	NX_RUN_RECORDING,
	NX_RUN_DONE
};

struct nx_pump { /* one output stream; freed when libuv has let go of it */
	uv_poll_t poll;
	struct nx_run *run;
	int fd;
};

struct nx_run_input { /* a file that was put into the work directory: unchanged ones are not artifacts */
	uint64_t inode;
	int64_t ctime_ns;
};

struct nx_run {
	struct nx_exec *x;
	struct nx_execution *e;
	TAILQ_ENTRY(nx_run) in_all, in_queue;
	uint64_t number;
	enum nx_run_state state;
	bool holds_slot, is_cancelled, is_shown; /* shown: it has been reported */
	int ending;                              /* enum nx_exec_status that we asked for, or -1 */
	const struct nx_language *language;
	const char *program;
	nx_str load; /* SQL: what makes the tables; in scratch */
	struct nx_spawn_features features;
	const struct nx_spawn_files *files; /* granted, in scratch; NULL: none */
	int box, pidfd;
	struct nx_container *container; /* of the Docker backend, until it has told how it ended */
	int leavings;                   /* its work directory as an archive; -1: none */
	bool is_made;                   /* it has what the language compiles */
	char image[NX_SPAWN_IMAGE_MAX]; /* its directory; "": none was asked for */
	nx_str image_env;               /* in scratch */
	struct nx_pump *out_pump, *err_pump;
	struct nx_buf out, err_out;
	struct nx_run_input *inputs; /* in x->arena */
	struct nx_timer wall;
	int64_t queued_us, prepare_us; /* monotonic */
	int64_t created_us;            /* wall clock */
	struct nx_span span;
	struct nx_job job;
	struct nx_write write;
	struct nx_session *session; /* NULL: a sandbox of its own */
	bool in_session, waits_for_session;
	int64_t since_ns; /* files that changed before are not artifacts */
	struct nx_error *error;
	struct nx_arena *scratch; /* for workers */
	nx_str answer;
};

struct nx_execution {
	const struct nx_config *config;
	struct nx_store *store;
	const struct nx_backend *backend;
	struct nx_spawner *spawner;
	struct nx_docker *docker; /* NULL: its backend is not the one */
	struct nx_workers *workers;
	struct nx_loop *loop;
	TAILQ_HEAD(, nx_run) all;   /* every run that is not done */
	TAILQ_HEAD(, nx_run) queue; /* those that wait for a slot */
	TAILQ_HEAD(, nx_session) sessions;
	uv_mutex_t sessions_lock; /* over the list, and what session_internal.h says */
	unsigned running, queued, max_running;
	uint64_t last_number;
	struct nx_msg attach_msg, stop_msg;
	bool is_stopping, is_detached;
	uv_mutex_t lock; /* is_stopped only */
	uv_cond_t stopped_cond;
	bool is_stopped;
};

void nx_run_prepare(struct nx_run *r); /* takes a slot */
void nx_run_on_prepared(struct nx_run *r, int *fds, size_t nfds);
void nx_run_on_failed(struct nx_run *r, const struct nx_spawn_failed *f);
void nx_run_on_exited(struct nx_run *r, const struct nx_spawn_exited *e);
void nx_run_on_lost(struct nx_run *r);
void nx_run_on_output(struct nx_run *r, int fd, nx_str bytes); /* 1 or 2 */
int nx_run_running(struct nx_run *r, struct nx_error **err);   /* the program has been started: its clock runs */
void nx_run_end(struct nx_run *r, enum nx_exec_status why);    /* asks; EXITED follows */
void nx_run_fail(struct nx_run *r);                            /* r->error is set: to done */
void nx_run_record(struct nx_run *r);
void nx_run_close(struct nx_run *r); /* descriptors and pumps */
void nx_run_list_enforced(struct nx_run *r);
void nx_run_collect_soon(struct nx_run *r);  /* then its row, then done */
void nx_execution_enqueue(struct nx_run *r); /* waits for a slot */
void nx_execution_release_slot(struct nx_run *r);
void nx_execution_finish(struct nx_run *r);              /* posts done, forgets the run */
void nx_execution_pump(struct nx_execution *e);          /* a slot or the backend is free */
void nx_execution_check_stopped(struct nx_execution *e); /* the last run or the backend is done */

/* ---- grants.c ---- */

/* What was asked for may be granted: NX_EFORBIDDEN, NX_EUNSUPPORTED or NX_ETOOBIG. */
int nx_exec_grants_check(const struct nx_config *c, const struct nx_exec *x, bool is_native, struct nx_error **err);
int nx_exec_network_check(const struct nx_config *c, const struct nx_exec_network *n, bool is_native,
			  struct nx_error **err);
/* "network_access" of a stored request; nothing when none was granted. */
void nx_exec_network_add(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_exec_network *n);
int nx_run_network(const struct nx_config *c, const struct nx_exec_network *n, struct nx_spawn_network *ret,
		   struct nx_error **err);
/* Adds what tells a program of its proxy. */
int nx_run_network_env(const struct nx_exec_network *n, struct nx_spawn_start *s, struct nx_error **err);

/* ---- image_env.c ---- */

/* What an image asks for, texts that each end with a NUL; on a worker. Empty: nothing. */
int nx_image_env(const struct nx_execution *e, const char *image, struct nx_arena *a, nx_str *ret,
		 struct nx_error **err);
/* Takes the place of PATH, LANG and TZ, goes behind PYTHONPATH, and is added to the rest. */
int nx_image_env_add(nx_str env, struct nx_spawn_start *s, struct nx_error **err);

/* ---- refusals.c ---- */

/* One line of the log and one row of `audit`. On the loop; `id`: of the run, or of the session between runs. */
void nx_execution_refused(struct nx_execution *e, int64_t tenant, nx_id id, const struct nx_spawn_refused *m);

/* ---- files.c, collect.c (worker, or the loop before the run) ---- */

int nx_exec_path_check(nx_str path, struct nx_error **err);
int nx_run_write_inputs(struct nx_run *r, struct nx_error **err);
/* Keeps what the run left in its work directory: files durable in artifacts/, the list in x->result. */
int nx_run_collect(struct nx_run *r, struct nx_error **err);
/* Makes the place where artifacts arrive, empty. */
int nx_artifacts_open(struct nx_store *s, struct nx_error **err);
/* sweep.c: removes artifacts older than now that have no row, on a worker, in its own time. */
void nx_artifacts_sweep(struct nx_store *store, struct nx_workers *w);
const char *nx_mime_of(nx_str path, nx_str head);
/* openat2 that stays beneath `dir`, on its mount, and passes no link; nonblocking and close-on-exec. -1 with errno. */
int nx_open_beneath(int dir, const char *path, int flags, mode_t mode);

/* ---- session.c and its parts; on the loop ---- */

int nx_sessions_init(struct nx_execution *e);
void nx_sessions_done(struct nx_execution *e);
void nx_sessions_mark_lost(struct nx_execution *e); /* rows of sessions that a server left alive */
void nx_sessions_stop(struct nx_execution *e);
bool nx_sessions_are_over(const struct nx_execution *e);
void nx_sessions_on_message(struct nx_execution *e, const union nx_spawn_msg *m, int *fds, size_t nfds);
void nx_sessions_on_lost(struct nx_execution *e);
bool nx_session_has_network(struct nx_execution *e, int64_t tenant, nx_id id); /* any thread */
/* A copy of what an active one was granted, or NULL. Any thread. */
const struct nx_spawn_files *nx_session_files(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a);
void nx_session_submit(struct nx_run *r); /* admitted: it waits for its turn in the session */
void nx_session_forget(struct nx_run *r); /* cancelled before its turn came */
void nx_session_begin(struct nx_run *r);  /* it has its turn and a slot */
void nx_session_interrupt(struct nx_session *s);
void nx_session_run_over(struct nx_run *r);

/* docker_files.c, on a worker: unpacks r->leavings as r->box, in a directory that nx_docker_forget removes. */
int nx_docker_unpack(struct nx_run *r, struct nx_error **err);
void nx_docker_forget(struct nx_run *r);

/* ---- record.c (worker and writer) ---- */

int nx_run_apply(struct nx_write *w, struct nx_db *db, struct nx_error **err);
char *nx_artifact_path(struct nx_arena *a, const char *dir, nx_id id);

#endif
