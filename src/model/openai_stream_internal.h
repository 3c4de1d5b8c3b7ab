/*
 * The answer of POST /chat/completions, put together as it arrives.
 *
 * With "stream": true it is server-sent events, each the JSON of a chat.completion.chunk, the last one "[DONE]". Tool calls
 * come in pieces that carry the position of the call they belong to. Endpoints differ: some answer a stream with one plain
 * chat.completion, some leave out "[DONE]", some report an error as an event. All of that is taken; what is not taken is an
 * answer that stops in the middle.
 *
 * Everything is bounded by `max_bytes` and NX_OPENAI_MAX_CALLS. Owner: one thread. Bytes may be split anywhere.
 */
#ifndef NX_MODEL_OPENAI_STREAM_INTERNAL_H
#define NX_MODEL_OPENAI_STREAM_INTERNAL_H

#include "model/model.h"

#define NX_OPENAI_MAX_CALLS 64

struct nx_openai_tool_piece {
	int64_t index;
	struct nx_buf id, name, arguments;
};

struct nx_openai_stream {
	size_t max_bytes;
	void (*on_text)(nx_str text, void *ctx);
	void *ctx;

	struct nx_sse_parser sse;
	struct nx_arena *arena; /* of one event */
	struct nx_buf raw;      /* the body, until it proves to be events */
	struct nx_buf text;
	size_t nbytes;
	struct nx_openai_tool_piece *calls;
	size_t ncalls;
	const char *finish; /* NULL: not told yet */
	bool is_events, is_done;
	int64_t input_tokens, cached_tokens, output_tokens; /* -1: not told */
	struct nx_error *err;                               /* the first; what follows is not looked at */
};

/* NX_ENOMEM. `on_text` may be NULL. */
int nx_openai_stream_init(struct nx_openai_stream *s, size_t max_bytes, void (*on_text)(nx_str text, void *ctx),
			  void *ctx, struct nx_error **err);
void nx_openai_stream_done(struct nx_openai_stream *s);
void nx_openai_stream_feed(struct nx_openai_stream *s, nx_str bytes);
/* After the last byte: fills the answer's members of *c, which borrow from the stream (the array of calls comes from `a`).
 * NX_EPROVIDER when the answer is broken or not whole. */
int nx_openai_stream_end(struct nx_openai_stream *s, struct nx_arena *a, struct nx_chat *c, struct nx_error **err);

#endif
