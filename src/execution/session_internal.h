/*
 * The inside of a session. It belongs to the execution loop; workers borrow what is in `furnish` while it is FURNISHING.
 *
 *   ADMIT ──worker: check──> PREPARING ──PREPARED──> FURNISHING ──worker: files──> STARTING ──ready──> RECORDING ──commit──> ACTIVE
 *     └─────────┴───────────────────┴──────────────────────┴─── failed ──┐               └────────────────┴───────────┐   │
 *                                                                        └──────> ENDING ──EXITED──> CLOSING ──commit──> gone
 * Invariants: a guest exists from PREPARING until EXITED; `current` is set only while ACTIVE, ENDING or CLOSING and is the
 * only run whose output and answer are taken; a run waits here or in the queue for slots, never in both; box, root, state and
 * used_us are changed by one thread at a time, the loop but for root, and under sessions_lock, because workers read them.
 */
#ifndef NX_EXECUTION_SESSION_INTERNAL_H
#define NX_EXECUTION_SESSION_INTERNAL_H

#include "execution/execution_internal.h"
#include "execution/session.h"
#include "execution/tar.h"

/* ---- session_frame.c: pure, tested and fuzzed ---- */

#define NX_SESSION_SNAPSHOT_MIME "application/x-tar"
#define NX_SESSION_FRAME_HEAD 4

enum nx_session_outcome { NX_SESSION_OK, NX_SESSION_ERROR, NX_SESSION_INTERRUPTED, NX_SESSION_OUTCOME_MAX };

struct nx_session_answer {
	bool is_ready; /* the first word of the driver; the rest is empty */
	uint64_t run;
	enum nx_session_outcome outcome;
	int exit_code;
	nx_str text, html, png; /* png: base64 of what begins as a PNG does */
};
/* Cuts the first frame off `in`: 1 and *ret (borrowed until `in` changes), of `*ret_used` bytes with its head; 0: more has to
 * come; NX_ETOOBIG when it is, or would be, longer than `max`. */
int nx_session_frame_cut(nx_str in, size_t max, nx_str *ret, size_t *ret_used, struct nx_error **err);
bool nx_session_frame_add(struct nx_buf *out, nx_str json);
/* NX_EPARSE and the like: the driver is broken, or something speaks in its place. Strings are in the arena. */
int nx_session_answer_read(nx_str json, struct nx_arena *a, struct nx_session_answer *ret, struct nx_error **err);
int nx_session_request_write(const struct nx_exec *x, uint64_t run, int64_t most, struct nx_buf *out,
			     struct nx_error **err);

/* ---- session_tar.c: pure, tested and fuzzed ---- */

/* The next regular file of a tar that tar.h made: 1, 0 at the end, NX_ECORRUPT. *at starts at 0. */
int nx_tar_next(nx_str tar, size_t *at, nx_str *ret_path, nx_str *ret_bytes, struct nx_error **err);

/* ---- session.c ---- */

enum nx_session_state {
	NX_SESSION_ADMIT,
	NX_SESSION_PREPARING,
	NX_SESSION_FURNISHING,
	NX_SESSION_STARTING,
	NX_SESSION_RECORDING,
	NX_SESSION_ACTIVE,
	NX_SESSION_ENDING,
	NX_SESSION_CLOSING,
};

struct nx_process;
struct nx_process_word;
struct nx_changes;
struct nx_follow;

struct nx_session_pipe { /* freed when libuv has let go of it */
	uv_poll_t poll;
	struct nx_session *session;
	int fd;
	enum { NX_SESSION_OUT, NX_SESSION_ERR, NX_SESSION_CONTROL, NX_SESSION_PROCESSES, NX_SESSION_PIPES } which;
};

enum nx_session_turn { NX_TURN_NONE, NX_TURN_MEASURED_BEFORE, NX_TURN_RUNS, NX_TURN_MEASURED_AFTER };

struct nx_session {
	struct nx_execution *e;
	TAILQ_ENTRY(nx_session) in_all;
	nx_id id;
	int64_t tenant;
	uint64_t number; /* of its guest, towards the spawner */
	enum nx_session_state state;
	bool has_guest, has_row;
	bool has_network;   /* never changes */
	const char *reason; /* why it ends; NULL: it does not */
	const struct nx_language *language;
	const char *program;
	nx_str image;                           /* its name, in scratch; empty: none */
	char root[NX_SPAWN_IMAGE_MAX];          /* its directory among the images; "": none */
	nx_str image_env;                       /* in scratch */
	struct nx_exec_constraints constraints; /* lists in it are the creator's */
	const struct nx_spawn_files *files;     /* granted, in scratch; NULL: none */
	int64_t idle_us, lifetime_us, created_us, used_us;
	nx_str driver, snapshot; /* snapshot: in scratch, until FURNISHING is over */
	struct nx_spawn_features features;
	int box, pidfd;
	int fds[NX_SESSION_PIPES]; /* until they are watched */
	struct nx_session_pipe *pipes[NX_SESSION_PIPES];
	nx_str env; /* of its programs: envc texts, each with its NUL, in scratch */
	uint32_t envc;
	TAILQ_HEAD(, nx_process) processes; /* in the order of their start */
	uint32_t last_process;
	struct nx_changes *changes; /* watches of its files */
	int64_t nfollowers;         /* streams of output and of changes that clients have open */
	struct nx_buf rx, tx;
	TAILQ_HEAD(, nx_run) waiting;
	unsigned nwaiting;
	/* the run that has its turn */
	struct nx_run *current;
	enum nx_session_turn turn;
	struct nx_session_answer answer;
	struct nx_spawn_measured before; /* what the session had used when it began */
	int64_t started_us, ended_us;
	unsigned interrupts;       /* sent to the run; UINT_MAX: its driver is gone */
	unsigned looks;            /* measurements under way of what a run makes of its interrupts */
	int64_t interrupted_at_us; /* CPU of the session at the first of them; below 0: not told yet */
	struct nx_timer idle, life, grace;
	struct nx_session_new *creator;
	struct nx_session_end *enders;
	struct nx_error *error;
	struct nx_job job;
	struct nx_write write;
	struct nx_arena *scratch;
};

/* Whether one that is not over has its root in this image, or is about to. Any thread. */
bool nx_session_is_in_image(struct nx_execution *e, const char *id);
struct nx_session *nx_session_find(struct nx_execution *e, int64_t tenant,
				   nx_id id); /* on the loop, or under the lock */
void nx_session_set_state(struct nx_session *s, enum nx_session_state state);
void nx_session_stop(struct nx_session *s, const char *reason); /* the first reason counts */
void nx_session_hang_up(struct nx_session *s); /* its driver is gone; how it ended is told by the spawner, shortly */
void nx_session_fail(struct nx_session *s);    /* s->error is set: it ends before it was ever active */
void nx_session_pump(struct nx_session *s);    /* the next run, when there is one and its turn */
void nx_session_on_answer(struct nx_session *s, const struct nx_session_answer *a);
void nx_session_take_answer(struct nx_session *s, const struct nx_session_answer *a); /* of the current run */
void nx_session_on_measured(struct nx_session *s, const struct nx_spawn_measured *m);
void nx_session_end_run(struct nx_session *s, const struct nx_spawn_exited *e); /* with the guest; NULL: it is lost */

void nx_session_touch(struct nx_session *s); /* it is used: its idle time begins again */

/* ---- process.c ---- */

void nx_session_on_word(struct nx_session *s, const struct nx_process_word *w); /* of its reaper */
void nx_processes_end(struct nx_session *s);                                    /* they are gone with their session */

/* ---- follow.c: what followers of all kinds share ---- */

struct nx_follow_source {
	int (*begin)(struct nx_follow *f, struct nx_error **err); /* sets f->of and counts it in the session */
	void (*feed)(struct nx_follow *f);   /* the next piece, when it is hungry and there is one */
	void (*unlist)(struct nx_follow *f); /* takes f->of away, where there is one */
};
void nx_follow_begin(struct nx_execution *e, struct nx_follow *f, const struct nx_follow_source *source);
/* NX_ENOTFOUND: none that is active; NX_ELIMIT: it has as many streams as it may. */
int nx_follow_need_session(const struct nx_follow *f, struct nx_session **ret, struct nx_error **err);

/* ---- session_pipe.c ---- */

int nx_session_watch(struct nx_session *s, struct nx_error **err);
void nx_session_close(struct nx_session *s);
void nx_session_drain(struct nx_session *s);                      /* what is in the pipes now, and no more */
int nx_session_send(struct nx_session *s, struct nx_error **err); /* what is in tx */

/* ---- session_record.c ---- */

void nx_session_insert(struct nx_session *s, void (*done)(struct nx_write *w, struct nx_error *err));
void nx_session_update(struct nx_session *s, void (*done)(struct nx_write *w, struct nx_error *err));

/* ---- session_files.c ---- */

int nx_session_put_file(int work, nx_str path, nx_str bytes, struct nx_error **err);
int nx_session_unpack(int work, nx_str tar, struct nx_error **err);

#endif
