/*
 * The inside of a session's processes. All of it belongs to the execution loop.
 *
 *   STARTING ──STARTED──▶ RUNNING ──ENDED──▶ EXITED
 *       └────FAILED, the session ended────▶ gone
 * Invariants: `creator` is set only while STARTING, until it was told that this took too long; descriptors are open from STARTING on, out until it ends, in until
 * the client ended it or nobody reads; a process of a session that closes is freed, after its followers and callers were told.
 */
#ifndef NX_EXECUTION_PROCESS_INTERNAL_H
#define NX_EXECUTION_PROCESS_INTERNAL_H

#include "execution/process.h"
#include "execution/process_protocol.h"
#include "execution/session_internal.h"

/* ---- process_ring.c: pure, tested ---- */

/* The last `max` bytes of a sequence that are numbered from 0. Memory is taken as they come. */
struct nx_ring {
	char *p;
	size_t cap, max;
	int64_t start, end; /* of what is kept; the byte numbered n lies at n % cap */
};
void nx_ring_init(struct nx_ring *r, size_t max);
void nx_ring_done(struct nx_ring *r);
/* What memory cannot be found for is lost as if it were old. */
void nx_ring_add(struct nx_ring *r, const char *bytes, size_t n);
/* Copies up to `max` bytes from *at, which is moved to where they really begin; 0: there are none. */
size_t nx_ring_read(const struct nx_ring *r, int64_t *at, char *ret, size_t max);
/* How many bytes of `s` are left when a character that is cut off by its end is; all, when nothing may complete it. */
size_t nx_process_whole_text(nx_str s);

/* ---- process.c; the rest of it in session_internal.h ---- */

enum nx_process_state { NX_PROCESS_STARTING, NX_PROCESS_RUNNING, NX_PROCESS_EXITED };

struct nx_process_end { /* freed when libuv has let go of it */
	uv_poll_t poll;
	struct nx_process *process;
	int fd;
};

struct nx_process {
	struct nx_session *session;
	TAILQ_ENTRY(nx_process) in_session;
	nx_id id;
	uint32_t number;
	enum nx_process_state state;
	bool is_terminal, is_end_asked;
	struct nx_arena *arena; /* of command */
	nx_str *command;
	size_t ncommand;
	int64_t rows, columns;
	int32_t pid;
	int64_t started_us, ended_us;
	struct nx_process_word last; /* of an EXITED one */
	struct nx_process_end *out, *in;
	struct nx_buf tx;
	struct nx_ring ring;
	struct nx_follow *followers;
	struct nx_process_call *creator, *stoppers;
	struct nx_timer pause; /* of reading, so that a flood does not hold the loop */
	struct nx_timer grace;
};

void nx_process_free(struct nx_process *p);
void nx_process_on_grace(struct nx_timer *t);

/* ---- process_json.c ---- */

int nx_process_json(const struct nx_process *p, struct nx_arena *a, nx_str *ret, struct nx_error **err);
yyjson_mut_val *nx_process_value(const struct nx_process *p, yyjson_mut_doc *d);
/* Up to `limit` bytes from `offset`, as the page that a client gets. *ret_next: where the next begins. */
int nx_process_page(const struct nx_process *p, int64_t offset, size_t limit, bool is_base64, struct nx_arena *a,
		    nx_str *ret, int64_t *ret_next, struct nx_error **err);

/* ---- process_start.c ---- */

/* A process that was asked for of the reaper. NX_EINVAL, NX_ELIMIT, NX_ETOOBIG, NX_ESANDBOX, NX_ENOMEM. */
int nx_process_new(struct nx_session *s, const struct nx_process_call *c, struct nx_process **ret,
		   struct nx_error **err);
int nx_process_send(struct nx_session *s, const struct nx_process_order *o, const int *fds, size_t nfds,
		    struct nx_error **err);

/* ---- process_pipe.c ---- */

int nx_process_open(struct nx_process *p, int fds[3], size_t *ret_nfds, struct nx_error **err);
void nx_process_write(struct nx_process *p); /* what is in tx */
void nx_process_drain(struct nx_process *p); /* what is in its pipe now */
void nx_process_close_out(struct nx_process *p);
void nx_process_close_in(struct nx_process *p);
void nx_process_on_pause(struct nx_timer *t);

/* ---- process_follow.c ---- */

void nx_process_feed(struct nx_process *p);   /* its followers that wait for more */
void nx_process_let_go(struct nx_process *p); /* of all followers */

#endif
