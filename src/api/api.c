#include "api/api_internal.h"

#include "api/http_internal.h"
#include "api/stream_internal.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

static int load_keys(struct nx_api *api, struct nx_error **err)
{
	struct nx_db *db = NULL;
	int rc = nx_store_reader_new(api->parts.store, &db, err);
	if (rc)
		return rc;
	rc = nx_auth_load(api->auth, db, err);
	nx_store_reader_free(db);
	return rc;
}

static int write_openapi(struct nx_api *api, struct nx_error **err)
{
	unsigned char hash[32];
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str text;
	if (!a)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the OpenAPI document");
	int rc = nx_api_openapi_json(a, &text, err);
	if (rc)
		return rc;
	api->openapi = nx_str_dup(api->arena, text);
	nx_sha256(text, hash);
	char *hex = nx_hex(a, hash, 8);
	if (!api->openapi.p || !hex)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the OpenAPI document");
	memcpy(api->openapi_etag, hex, 17);
	return 0;
}

static int start(struct nx_api *api, struct nx_error **err)
{
	int fd = -1;
	int rc = nx_auth_new(&api->auth, err);
	if (!rc) {
		nx_auth_keep_uses(api->auth, api->parts.store);
		rc = load_keys(api, err);
	}
	if (!rc)
		rc = nx_idempotency_table_new(&api->idempotency, err);
	if (!rc)
		rc = nx_runs_new(&api->runs, err);
	if (!rc)
		rc = write_openapi(api, err);
	if (!rc)
		rc = nx_listen(api->parts.config->listen, !nx_auth_required(api->auth), &fd, api->url, sizeof(api->url),
			       err);
	if (rc)
		return rc;
	rc = nx_watch_new(&api->watch, err);
	if (rc) {
		(void)close(fd);
		return rc;
	}
	return nx_httpd_start(api, fd, &api->http, err);
}

int nx_api_start(const struct nx_api_parts *p, struct nx_api **ret, struct nx_error **err)
{
	struct nx_arena *a = nx_arena_new(0);
	struct nx_api *api = a ? nx_arena_new_of(a, struct nx_api) : NULL;
	if (!api) {
		nx_arena_free(a);
		return nx_error_set(err, NX_ENOMEM, "out of memory for the server");
	}
	api->parts = *p;
	api->arena = a;
	api->guard.allowed_hosts = p->config->api_allowed_hosts;
	api->guard.allowed_origins = p->config->api_allowed_origins;
	int rc = start(api, err);
	if (rc) {
		nx_api_free(api);
		return rc;
	}
	*ret = api;
	return 0;
}

const char *nx_api_url(const struct nx_api *api)
{
	return api->url;
}

/* ---- the end ---- */

static void end_stream(struct nx_request *r, void *ctx)
{
	(void)ctx;
	if (atomic_load_explicit(&r->state, memory_order_acquire) == NX_REQUEST_REPLIED && r->reply.stream)
		nx_stream_end(r->reply.stream);
}

static void leave(struct nx_request *r, void *ctx)
{
	(void)ctx;
	nx_request_gone(r);
}

static bool wait_for(struct nx_api *api, int64_t until_us)
{
	while (nx_watch_count(api->watch) > 0 || atomic_load(&api->working) > 0) {
		if (nx_time_mono_us() >= until_us)
			return false;
		(void)usleep(5000);
	}
	return true;
}

void nx_api_stop(struct nx_api *api, int64_t drain_us)
{
	if (!api || !api->http)
		return;
	/*
	 * New requests are refused, their connections not: MHD_quiesce_daemon of 0.9.75 takes the socket out of the workers'
	 * epoll sets while they do so themselves, and ends the program when it comes second.
	 */
	atomic_store(&api->stopping, true);
	nx_watch_visit(api->watch, end_stream, NULL);
	if (!wait_for(api, nx_time_mono_us() + drain_us)) {
		nx_log_warn("api", "closing connections that are still waiting",
			    NX_LINT("connections", nx_watch_count(api->watch)));
		nx_watch_visit(api->watch, leave, NULL);
		(void)wait_for(api, nx_time_mono_us() + NX_USEC_PER_SEC);
	}
	nx_httpd_stop(nx_steal(api->http));
	nx_watch_free(nx_steal(api->watch));
}

void nx_api_free(struct nx_api *api)
{
	if (!api)
		return;
	if (api->http)
		nx_api_stop(api, 0);
	nx_watch_free(api->watch);
	nx_idempotency_table_free(api->idempotency);
	nx_runs_free(api->runs);
	nx_frame_unref(api->sse_cache.frame);
	nx_auth_free(api->auth);
	nx_arena_free(api->arena);
}
