/*
 * The server's face: HTTP/1.1 with JSON on libmicrohttpd (DESIGN §5).
 *
 * One table of routes (router.c, routes_*.c) says for each operation what it takes, what it answers, who may call it and
 * on which thread it runs; requests are decoded by it, /openapi.json is written from it, and the tests derive their
 * matrices from it. Errors leave as RFC 9457 problem documents. Reads go from an HTTP thread to a worker and never through
 * core; a request that waits for core has its connection suspended meanwhile, and its descriptor in an epoll of ours.
 *
 * Without keys the server listens on loopback only and believes no foreign Host or Origin; the first key makes it require
 * one of every caller.
 */
#ifndef NX_API_API_H
#define NX_API_API_H

#include "base/config.h"
#include "base/loop.h"
#include "core/core.h"
#include "execution/execution.h"
#include "knowledge/knowledge.h"
#include "memory/memory.h"
#include "model/model.h"
#include "monitoring/monitoring.h"
#include "store/store.h"

struct nx_api;

/* All borrowed, and outlive the server. */
struct nx_api_parts {
	const struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_models *models;
	struct nx_knowledge *knowledge;
	struct nx_memory *memory;
	struct nx_execution *execution;
	struct nx_agents *agents;
	struct nx_core *core;
	struct nx_loop *core_loop; /* on which core and agents live */
	struct nx_monitoring *monitoring;
};

/*
 * Binds the configured address and serves. NX_EINUSE names the process that has the port, where it can be found, and the
 * option that changes it; NX_EFORBIDDEN when the address is not loopback and no key exists.
 */
int nx_api_start(const struct nx_api_parts *p, struct nx_api **ret, struct nx_error **err);

/* The address in use, "http://127.0.0.1:8600"; lives as long as the server. */
const char *nx_api_url(const struct nx_api *api);

/*
 * Stops accepting, ends the event streams, waits up to `drain_us` for what is being answered, refuses the rest, and frees
 * the server. The parts must still be alive; no callback of theirs reaches the server afterwards, once they are freed too.
 */
void nx_api_stop(struct nx_api *api, int64_t drain_us);
void nx_api_free(struct nx_api *api); /* after the parts have stopped; accepts NULL */

/* For the command line: the route table with what later versions will have, and the OpenAPI document. */
int nx_api_routes_json(struct nx_arena *a, nx_str *ret, struct nx_error **err);
int nx_api_openapi_json(struct nx_arena *a, nx_str *ret, struct nx_error **err);

/* A key made directly in a store that no server holds: the way back in for who has lost theirs. All scopes, tenant
 * "default". The text is shown once. */
int nx_api_key_make_admin(struct nx_store *s, nx_str name, struct nx_arena *a, nx_str *ret_key, struct nx_error **err);

/* An HTTP status for an error code. */
int nx_api_status_of(int code);

#endif
