/*
 * What the server and a model worker say to each other: JSON lines over a socket pair.
 *
 * To the worker:   {"op":"chat","id":7,"max_tokens":100,"temperature":0.5,"messages":[{"role":"user","content":"…"}]}
 *                  {"op":"cancel","id":7}
 * From the worker: {"event":"ready","context":2048}
 *                  {"event":"delta","id":7,"text":"…"}
 *                  {"event":"done","id":7,"finish":"stop","input_tokens":12,"cached_tokens":0,"output_tokens":34}
 *                  {"event":"error","id":7,"code":-6,"message":"…"}    (id 0: the model cannot be loaded; the worker ends)
 *
 * One chat at a time; the next is sent after "done" or "error". A line is at most NX_WORKER_MAX_LINE bytes. Neither side
 * trusts the other's bytes: a worker runs files that users name, and what breaks the protocol ends the connection.
 */
#ifndef NX_MODEL_WORKER_PROTOCOL_INTERNAL_H
#define NX_MODEL_WORKER_PROTOCOL_INTERNAL_H

#include "model/model.h"

#define NX_WORKER_MAX_LINE (8 << 20)
#define NX_WORKER_MAX_MESSAGES 4096
#define NX_WORKER_FD 3

enum nx_worker_event_kind { NX_WORKER_READY, NX_WORKER_DELTA, NX_WORKER_DONE, NX_WORKER_ERROR };
struct nx_worker_event {
	enum nx_worker_event_kind kind;
	uint64_t id;
	nx_str text;        /* delta; message of an error */
	const char *finish; /* "stop" or "length" */
	int64_t input_tokens, cached_tokens, output_tokens, context;
	int code; /* a code of ours, NX_EPROVIDER for one we do not know */
};

enum nx_worker_op { NX_WORKER_CHAT, NX_WORKER_CANCEL };
struct nx_worker_command {
	enum nx_worker_op op;
	uint64_t id;
	int64_t max_tokens;
	double temperature; /* below 0: the worker's default */
	struct nx_chat_message *messages;
	size_t nmessages;
};

/* Gives each whole line in `in` to on_line and removes it; stops when on_line fails. NX_ETOOBIG for a line over the limit. */
int nx_worker_take_lines(struct nx_buf *in, int (*on_line)(nx_str line, void *ctx, struct nx_error **err), void *ctx,
			 struct nx_error **err);

/* NX_EPARSE, NX_EINVAL…: strings live in the arena. */
int nx_worker_read_event(struct nx_arena *a, nx_str line, struct nx_worker_event *ret, struct nx_error **err);
int nx_worker_read_command(struct nx_arena *a, nx_str line, struct nx_worker_command *ret, struct nx_error **err);

/* Append a line. */
int nx_worker_write_event(const struct nx_worker_event *e, struct nx_buf *ret, struct nx_error **err);
int nx_worker_write_command(const struct nx_worker_command *c, struct nx_buf *ret, struct nx_error **err);

#endif
