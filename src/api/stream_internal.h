/*
 * An answer that goes on: a bounded queue between who has something to say and one client that may read slowly.
 *
 * Producers push whole frames from any thread; the connection takes bytes when its socket does, and is suspended between.
 * A frame may be shared by many streams. What waits is bounded: a push that would go over the limit drops the queue, puts
 * the stream's `reset` frame in its place and ends it, so that a slow client costs a constant and learns that it missed
 * something. A stream that was silent for NX_STREAM_KEEPALIVE_US sends a comment.
 *
 * Two references at first: the producer's, given back with nx_stream_unref, and the one that reply_stream hands to the
 * connection. `on_drained` (may be NULL) comes on the HTTP thread when the queue has run empty, `on_closed` once when the
 * connection is over, whoever ended it; both must be short and may push.
 */
#ifndef NX_API_STREAM_INTERNAL_H
#define NX_API_STREAM_INTERNAL_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NX_STREAM_KEEPALIVE_US INT64_C(15000000)

struct MHD_Connection;
struct nx_stream;

/* Bytes that several streams may hold. */
struct nx_frame;
struct nx_frame *nx_frame_new(nx_str bytes);       /* copies; NULL when out of memory */
struct nx_frame *nx_frame_ref(struct nx_frame *f); /* accepts NULL, as does the next */
void nx_frame_unref(struct nx_frame *f);
size_t nx_frame_size(const struct nx_frame *f);

struct nx_stream_events {
	void (*on_drained)(struct nx_stream *s, void *ctx);
	void (*on_closed)(struct nx_stream *s, void *ctx);
	void *ctx;
};
struct nx_stream *nx_stream_new(size_t limit, const struct nx_stream_events *ev); /* NULL when out of memory */
void nx_stream_ref(struct nx_stream *s);
void nx_stream_unref(struct nx_stream *s); /* accepts NULL */

/* False when the stream is over, or is by this push. */
bool nx_stream_push(struct nx_stream *s, struct nx_frame *f); /* takes its own reference */
bool nx_stream_push_text(struct nx_stream *s, nx_str bytes);
void nx_stream_end(struct nx_stream *s); /* after what is queued */
bool nx_stream_is_over(struct nx_stream *s);

/* ---- http.c and the watch ---- */
void nx_stream_attach(struct nx_stream *s, struct MHD_Connection *conn);
/* Fills `buf`; 0 when the connection was suspended, -1 at the end, -2 when the client has gone. */
ssize_t nx_stream_read(struct nx_stream *s, char *buf, size_t max);
void nx_stream_gone(struct nx_stream *s);
void nx_stream_closed(struct nx_stream *s); /* the connection's reference ends with it */
void nx_stream_tick(struct nx_stream *s, int64_t now_us);

/* Server-sent events (WHATWG HTML 9.2.5): one frame. seq 0: no id. Line breaks in `data` become further data lines. */
bool nx_sse_format(struct nx_buf *b, int64_t seq, const char *event, nx_str data);

#endif
