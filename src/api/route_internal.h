/*
 * The route table: what the server can do, one row per operation, in one table per area (routes_*.c).
 *
 * A row is all there is to know: requests are matched, authorised, decoded and dispatched by it, /openapi.json and the
 * test matrices are written from it. A row without a handler is an operation of a later version: it answers 501 after
 * authentication and stays out of the OpenAPI document.
 *
 * A template's segments are literal or {name}; a trailing {name*} takes what is left, slashes included. Literal segments
 * win over names.
 */
#ifndef NX_API_ROUTE_INTERNAL_H
#define NX_API_ROUTE_INTERNAL_H

#include "api/auth_internal.h"
#include "base/schema.h"

struct nx_request;

enum { NX_ROUTE_PARAMS_MAX = 3, NX_ROUTE_SEGMENTS_MAX = 12 };

/* Where a handler runs. INLINE and ASYNC ones start on the HTTP thread (an ASYNC one on a worker, when something had to be
 * read first); an INLINE one has replied when it returns, all others reply when they can. */
enum nx_where { NX_INLINE, NX_ASYNC, NX_SHORT, NX_LONG };
extern const char *const nx_where_names[];

enum {
	NX_R_IDEMPOTENT = 1,    /* takes an Idempotency-Key */
	NX_R_BODY_OPTIONAL = 2, /* may come without a body */
	NX_R_MULTIPART = 4,     /* takes multipart/form-data, too */
	NX_R_HIDDEN = 8,        /* not in the OpenAPI document: static pages */
};

struct nx_answer {
	int status; /* 0 ends the list */
	const struct nx_schema *schema;
	const char *mime; /* NULL: application/json when there is a schema */
	const char *help;
};

struct nx_route {
	const char *method, *path, *id, *tag, *summary, *help;
	enum nx_scope scope;
	enum nx_where where;
	unsigned flags;
	void (*handle)(struct nx_request *r);
	/* A stored Idempotency-Key without a stored answer: answer from the object it made. */
	void (*replay)(struct nx_request *r, nx_id object);
	const struct nx_schema *body, *query;
	const struct nx_answer *answers;
	const char *since;
};

struct nx_route_table {
	const struct nx_route *routes;
	size_t n;
};
extern const struct nx_route_table nx_routes_system, nx_routes_tasks, nx_routes_knowledge, nx_routes_memory,
	nx_routes_sandbox, nx_routes_sandbox_sessions, nx_routes_sandbox_processes, nx_routes_images, nx_routes_search,
	nx_routes_sessions, nx_routes_agents, nx_routes_models, nx_routes_keys, nx_routes_later;

/* Every row in order; NULL past the end. */
const struct nx_route *nx_route_at(size_t i);

struct nx_match {
	const struct nx_route *route;       /* NULL: no such operation */
	nx_str params[NX_ROUTE_PARAMS_MAX]; /* as sent, not decoded */
	unsigned methods;                   /* of the path, when the method was wrong: bits for nx_methods_text */
};
/* `path` starts with '/'. HEAD matches GET. */
void nx_route_match(nx_str method, nx_str path, struct nx_match *ret);
/* "GET, HEAD, POST, OPTIONS" for an Allow header. */
void nx_methods_text(unsigned methods, char *ret, size_t size);
/* A path of the table that is near to one that is unknown, or NULL. */
const char *nx_route_nearest(nx_str path);
/* "id" of the i-th {name} of a template; false past the last. */
bool nx_route_param_name(const char *path, size_t i, nx_str *ret);

#endif
