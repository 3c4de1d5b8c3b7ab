/*
 * Streams of a sandbox session as server-sent events: the output of a process, or changes of its files.
 *
 * One struct for both ends: the follower of the execution loop, and the stream of a connection. The connection lives until it
 * is closed by either side; only then the follower is ended, and what the loop gives back is freed.
 */
#ifndef NX_API_FOLLOW_INTERNAL_H
#define NX_API_FOLLOW_INTERNAL_H

#include "api/request_internal.h"
#include "execution/process.h"

struct nx_feed {
	struct nx_follow follow;
	struct nx_request *r; /* until the reply */
	struct nx_stream *stream;
	struct nx_buf piece; /* that is being made */
};

/* NULL after an error was replied. */
struct nx_feed *nx_feed_new(struct nx_request *r);
/* The offset in Last-Event-ID, where the request has one; else *ret stays. False after an error was replied. */
bool nx_feed_last_id(struct nx_request *r, int64_t *ret);

#endif
