/* The server's own state. */
#ifndef NX_API_INTERNAL_H
#define NX_API_INTERNAL_H

#include "api/api.h"
#include "api/auth_internal.h"
#include "api/guard_internal.h"
#include "api/idempotency_internal.h"
#include "api/request_internal.h"
#include "api/runs_internal.h"
#include "api/watch_internal.h"
#include "base/asset.h"

NX_ASSETS(console);
NX_ASSETS(docs);

/* The event that was last formatted; the core loop's. */
struct nx_sse_cache {
	int64_t tenant, seq;
	struct nx_frame *frame;
};

struct nx_api {
	struct nx_api_parts parts;
	struct nx_auth *auth;
	struct nx_guard guard;
	struct nx_watch *watch;
	struct nx_httpd *http;
	struct nx_idempotency_table *idempotency;
	struct nx_runs *runs;
	struct nx_arena *arena; /* what lives as long as the server */
	nx_str openapi;
	char openapi_etag[20];
	char url[160];
	struct nx_sse_cache sse_cache;
	_Atomic int64_t body_bytes; /* of bodies at hand; relaxed: a bound, not a balance */
	_Atomic int64_t working;    /* requests whose reply is not given */
	_Atomic bool stopping;
};

/* The console's and the docs' files: a reply for `path`, or false when there is none. */
bool nx_static_reply(struct nx_request *r, nx_str path);

#endif
