/*
 * Sessions: an interpreter that stays, so that variables, files and processes live on from run to run.
 *
 * A session is one sandbox whose program is a driver in the language (src/execution/drivers): it reads a run's code from a
 * control socket, executes it in one namespace and answers with what became of it and with the value of the last expression.
 * What it says is a guest's word: bounded, parsed strictly, and about itself alone. Memory, CPU, processes and disk are
 * limits of the whole session; time and output are limits of each run. Runs are nx_exec with `session` set; they wait for
 * each other, and each has its row in `executions`. Directories of the
 * host are granted to the whole session.
 *
 *   created ──▶ active ──deleted, idle, lifetime, a limit, the interpreter ended, server stopped──▶ ended
 *                 └──the server was killed──▶ lost
 *
 * A run that is cancelled or out of time is interrupted (SIGINT); when that does not end it within 75 ms, the session ends
 * with it. Files lie in the sandbox and are reached only beneath its work directory, through no link, and only when they are
 * regular. A snapshot is a tar of them, an artifact that outlives the session.
 */
#ifndef NX_EXECUTION_SESSION_H
#define NX_EXECUTION_SESSION_H

#include "execution/execution.h"

struct nx_session_new {
	struct nx_arena *arena;
	int64_t tenant;
	nx_str language; /* python or javascript */
	nx_str image;    /* the name of one that was imported; empty: the root of all other runs */
	struct nx_exec_constraints constraints; /* of which memory, CPU, network and files count */
	int64_t idle_us, lifetime_us;           /* 0: sandbox.max_session_idle, sandbox.max_session_time */
	struct nx_exec_file *files;
	size_t nfiles;
	nx_id snapshot; /* none: only `files` */
	struct nx_tx_hook *hook;
	void (*done)(struct nx_session_new *n, struct nx_error *err); /* on the execution loop */
	void *ctx;

	nx_id id;          /* set by create */
	void *session;     /* private */
	struct nx_msg msg; /* private */
};
/* Any thread. Done comes when the interpreter is ready and the row committed. NX_EINVAL, NX_ELIMIT, NX_EMISSING, NX_ESANDBOX. */
void nx_session_create(struct nx_execution *e, struct nx_session_new *n);

struct nx_session_end {
	int64_t tenant;
	nx_id id;
	void (*done)(struct nx_session_end *d,
		     struct nx_error *err); /* on the execution loop, after the row is committed */
	void *ctx;
	struct nx_execution *e; /* private, as what follows */
	struct nx_session_end *next;
	struct nx_msg msg;
};
/* Any thread. What runs in it is cancelled. NX_ENOTFOUND; one that has ended already is fine. */
void nx_session_end(struct nx_execution *e, struct nx_session_end *d);

/* ---- on a worker ---- */

int nx_session_get(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
		   struct nx_error **err);
/* Newest first; `after`: of the cursor, 0 the start. *ret_next 0: no more. */
int nx_session_list(struct nx_execution *e, int64_t tenant, int64_t after, size_t limit, struct nx_arena *a,
		    nx_str *ret_items, int64_t *ret_next, struct nx_error **err);

/* NX_ENOTFOUND for a session that is not there, NX_ECONFLICT for one that has ended. */
int nx_session_list_files(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
			  struct nx_error **err);
/* Replaces what is there, one file after the other. NX_ENOSPACE when sandbox.work_bytes are used. */
int nx_session_write_files(struct nx_execution *e, int64_t tenant, nx_id id, const struct nx_exec_file *files, size_t n,
			   struct nx_error **err);
int nx_session_read_file(struct nx_execution *e, int64_t tenant, nx_id id, nx_str path, struct nx_arena *a,
			 nx_str *ret_bytes, nx_str *ret_mime, struct nx_error **err);
int nx_session_delete_file(struct nx_execution *e, int64_t tenant, nx_id id, nx_str path, struct nx_error **err);

/* The files as an artifact: its bytes are durable when this returns; the caller commits the row with nx_session_keep_snapshot
 * in a write of its own. Files that change meanwhile are as they are read. */
struct nx_session_snapshot {
	nx_id id; /* of the artifact */
	int64_t tenant;
	nx_id session;
	int64_t size, created_us;
	size_t nfiles;
	unsigned char sha256[32];
};
int nx_session_take_snapshot(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a,
			     struct nx_session_snapshot *ret, struct nx_error **err);
int nx_session_keep_snapshot(struct nx_db *db, const struct nx_session_snapshot *s, struct nx_error **err);
int nx_session_list_snapshots(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
			      struct nx_error **err);

#endif
