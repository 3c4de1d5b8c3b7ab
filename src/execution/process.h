/*
 * Processes of a session beside its interpreter: in the background, or on a terminal.
 *
 * A process is started by the session's reaper behind the same walls, in the same cgroup and with the same files, so that
 * all limits of the session count it; it ends with the session. What it writes to both streams is one sequence of bytes,
 * numbered from 0, of which the last sandbox.process_output_bytes are kept. A terminal is a process whose three streams are
 * a pseudo-terminal that the server made for it: the guest gets the one descriptor and no way to another.
 *
 *   starting ──exec──▶ running ──▶ exited
 *       └──failed──▶ gone: the call that started it fails
 *
 * Those that have exited are kept until newer ones need their place (sandbox.max_session_processes running ones, and as
 * many that ended). Every call answers on the execution loop, in JSON of the caller's arena.
 */
#ifndef NX_EXECUTION_PROCESS_H
#define NX_EXECUTION_PROCESS_H

#include "execution/execution.h"

#define NX_TERMINAL_MAX 1000 /* rows, or columns */

struct nx_process_call {
	struct nx_arena *arena;
	int64_t tenant;
	nx_id session, process;                                        /* process: set by start */
	void (*done)(struct nx_process_call *c, struct nx_error *err); /* on the execution loop */
	void *ctx;

	/* start */
	nx_str *command; /* the program and its arguments; found in PATH when it has no slash */
	size_t ncommand; /* 0: an interactive shell */
	nx_str *env;     /* NAME=VALUE, above what every program of a session gets */
	size_t nenv;
	nx_str dir;            /* relative to the work directory; empty: there */
	int64_t rows, columns; /* start of a terminal, or resize; rows 0: no terminal */
	nx_str input;          /* input: bytes for its standard input */
	bool is_end;           /* input: and no more after them */
	int signal;            /* signal */
	int64_t offset, limit; /* output: from where, how many bytes at most */
	bool is_base64;        /* output: the bytes as they are; else text, in which invalid bytes are replaced */

	nx_str json; /* the answer */

	struct nx_execution *e; /* private, as what follows */
	struct nx_process_call *next;
	struct nx_msg msg;
};

/*
 * Any thread. NX_ENOTFOUND: no such session is active, or no such process in it.
 * start: the process object, once it was exec'ed. NX_ELIMIT, NX_EINVAL (no such program), NX_ETOOBIG (the command).
 * input: NX_EBUSY when sandbox.process_input_bytes wait unread already, NX_ECONFLICT when it takes no more.
 * signal: to its process group. NX_ECONFLICT when it has ended.
 * stop: TERM (HUP to a terminal), and after sandbox.process_stop_grace KILL to all that it left in its session of processes;
 *       answers when it has ended.
 * resize: NX_ECONFLICT when it has no terminal.
 */
void nx_process_start(struct nx_execution *e, struct nx_process_call *c);
void nx_process_list(struct nx_execution *e, struct nx_process_call *c);
void nx_process_get(struct nx_execution *e, struct nx_process_call *c);
void nx_process_output(struct nx_execution *e, struct nx_process_call *c);
void nx_process_input(struct nx_execution *e, struct nx_process_call *c);
void nx_process_signal(struct nx_execution *e, struct nx_process_call *c);
void nx_process_resize(struct nx_execution *e, struct nx_process_call *c);
void nx_process_stop(struct nx_execution *e, struct nx_process_call *c);

/*
 * Following the output, or changes of files (changes.h). The follower asks for each piece but the first, so that a slow one
 * holds up nobody: it loses what the ring loses, and is told so. A piece is one event, or some that came together.
 *
 * begin answers once with `on_begun`; after an error nothing follows and the struct is the caller's again. Otherwise events
 * come until `on_over` (which may come at any time) and after that none; nx_follow_end is called once in any case, and
 * `on_freed` gives the struct back.
 */
struct nx_follow {
	int64_t tenant;
	nx_id session, process;
	int64_t offset; /* of output: from here; what is no longer kept is told as dropped */
	bool is_base64;
	nx_str path; /* of changes; its bytes are the caller's until on_begun */
	void (*on_begun)(struct nx_follow *f, struct nx_error *err);
	/* id 0: none. `event` is "output", "dropped" or "exit", or as in changes.h. */
	void (*on_event)(struct nx_follow *f, const char *event, int64_t id, nx_str json);
	void (*on_piece)(struct nx_follow *f); /* after the last event of a piece */
	void (*on_over)(struct nx_follow *f);
	void (*on_freed)(struct nx_follow *f);
	void *ctx;

	struct nx_execution *e; /* private, as what follows */
	const struct nx_follow_source *source;
	void *of; /* NULL: nothing comes any more */
	struct nx_follow *next;
	bool is_hungry;
	_Atomic bool is_asked;
	struct nx_msg begin_msg, more_msg, end_msg;
};
void nx_process_follow(struct nx_execution *e, struct nx_follow *f); /* any thread */
void nx_follow_more(struct nx_follow *f);                            /* any thread: the next event, when there is one */
void nx_follow_end(struct nx_follow *f);                             /* any thread, once; no more after it */

#endif
