/*
 * Streams of task events.
 *
 * Durable events carry their sequence number as id and come in order without gaps: first what is stored after
 * Last-Event-ID, page by page as the client reads, then what comes live; what comes meanwhile waits in between, bounded.
 * A stream begins with `snapshot` (the task, or the tenant's newest tasks, with the sequence number they agree with), or
 * with `reset` and then a snapshot when it asks for what is not kept. A task's stream ends with its last event, and a
 * client that comes back after that is told by 204 to stay away (EventSource then stops).
 */
#ifndef NX_API_SSE_INTERNAL_H
#define NX_API_SSE_INTERNAL_H

#include "api/request_internal.h"

struct nx_sse_filter {
	nx_id task; /* none: all of the tenant's */
	nx_str session;
	bool resume; /* `after` was given */
	int64_t after;
};
/* On a worker; replies to r. */
void nx_sse_serve(struct nx_request *r, const struct nx_sse_filter *f);

/* Last-Event-ID, or the query's last_event_id when the header is absent. NX_EINVAL. */
int nx_sse_last_id(struct nx_request *r, bool has_query, int64_t query, bool *ret_given, int64_t *ret,
		   struct nx_error **err);

#endif
