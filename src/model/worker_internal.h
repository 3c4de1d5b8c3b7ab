/*
 * The server's side of a model worker, in two parts: worker_child.c starts a process, carries lines and tells its end;
 * worker.c keeps the queue of calls and decides when there is a process.
 *
 * Owner of both: the net loop.
 */
#ifndef NX_MODEL_WORKER_INTERNAL_H
#define NX_MODEL_WORKER_INTERNAL_H

#include "model/model_internal.h"
#include "model/worker_protocol_internal.h"

struct nx_worker_child;

struct nx_worker_child_events {
	/* A line of the protocol. An error ends the child. */
	int (*on_line)(nx_str line, void *ctx, struct nx_error **err);
	/* The process is reaped and its last line was given. `how`: "killed by signal 9", "gone with status 1". */
	void (*on_end)(const char *how, void *ctx);
	/* The child's memory is gone, after on_end or nx_worker_child_dismiss. */
	void (*on_gone)(void *ctx);
	void *ctx;
};

struct nx_worker_child_options {
	const char *program, *model; /* program NULL: this one */
	int64_t context;
	unsigned threads;
};

/* Starts `nexus model-worker`. NX_ENOMEM, NX_EIO. */
int nx_worker_child_start(struct nx_loop *loop, const struct nx_worker_child_options *o,
			  const struct nx_worker_child_events *events, struct nx_worker_child **ret,
			  struct nx_error **err);
/* Sends; takes the buffer's bytes. What cannot be sent shows as the child's end. */
void nx_worker_child_send(struct nx_worker_child *c, struct nx_buf *line);
/* SIGKILL; on_end follows. */
void nx_worker_child_kill(struct nx_worker_child *c);
/* Kills it and wants to hear no more but on_gone. */
void nx_worker_child_dismiss(struct nx_worker_child *c);

#endif
