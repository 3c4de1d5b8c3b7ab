/* The engine: finding it, clearing what a dead server left there, its image, its events, what doctor shows of it. */
#include "execution/docker_internal.h"

#include <stdio.h>
#include <sys/stat.h>

#define RETRY_US (2 * NX_USEC_PER_SEC)
#define PULL_US (20 * 60 * NX_USEC_PER_SEC)
#define LINE_MAX_BYTES ((size_t)64 << 10)

/* {"label":["nexus.home=…"]} and more, as a query wants it */
#define FILTER_LABEL "%%22label%%22%%3A%%5B%%22nexus.home%%3D%s%%22%%5D"
#define FILTER_OOM "%%22event%%22%%3A%%5B%%22oom%%22%%5D"

static void ask(struct nx_docker *d, const char *method, const char *path,
		void (*then)(void *ctx, const struct nx_docker_answer *a))
{
	struct nx_docker_ask q = {.method = method, .path = path, .then = then, .ctx = d};
	(void)nx_docker_start(d, &q);
}

/* ---- connecting ---- */

static void settle(struct nx_docker *d, enum nx_docker_state state)
{
	d->state = state;
	nx_execution_pump(d->e); /* ready: they run; down: they are told why not */
}

static void give_up(struct nx_docker *d, struct nx_error *err)
{
	snprintf(d->why, sizeof(d->why), "%s", nx_error_message(err));
	nx_error_free(err);
	settle(d, NX_DOCKER_DOWN);
	if (!d->is_detached)
		(void)nx_timer_start(&d->retry, RETRY_US, NULL);
}

/* ---- events: one JSON object a line ---- */

static void on_event(struct nx_docker *d, nx_str line)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_val *v;
	if (!a || nx_json_read(a, line, NULL, &v, NULL) < 0)
		return;
	nx_docker_on_oom(d, nx_json_str(nx_json_get(nx_json_get(v, "Actor"), "Attributes"), "name"));
}

static void on_event_bytes(void *ctx, nx_str bytes)
{
	struct nx_docker *d = ctx;
	while (bytes.n) {
		const char *end = memchr(bytes.p, '\n', bytes.n);
		size_t n = end ? (size_t)(end - bytes.p) : bytes.n;
		d->line_is_long |= d->line.n + n > LINE_MAX_BYTES || !nx_buf_add(&d->line, bytes.p, n);
		if (end && !d->line_is_long)
			on_event(d, nx_buf_str(&d->line));
		if (end || d->line_is_long)
			nx_buf_clear(&d->line);
		if (end)
			d->line_is_long = false;
		bytes = nx_str_slice(bytes, n + (end != NULL), bytes.n);
	}
}

static void on_events_end(void *ctx, const struct nx_docker_answer *a)
{
	struct nx_docker *d = ctx;
	struct nx_error *err = NULL;
	d->events = 0;
	if (d->is_detached)
		return;
	if (nx_docker_check(a, "tell its events", &err) == 0)
		nx_error_set(&err, NX_ESANDBOX, "the engine ended the connection");
	give_up(d, err);
}

static void listen_to_events(struct nx_docker *d)
{
	char path[256];
	snprintf(path, sizeof(path), "/events?filters=%%7B" FILTER_OOM "%%2C" FILTER_LABEL "%%7D", d->home);
	struct nx_docker_ask q = {.method = "GET",
				  .path = path,
				  .max_bytes = (size_t)1 << 40,
				  .timeout_us = -1,
				  .on_data = on_event_bytes,
				  .then = on_events_end,
				  .ctx = d};
	d->events = nx_docker_start(d, &q);
}

/* ---- the image ---- */

static void ask_image(struct nx_docker *d, void (*then)(void *ctx, const struct nx_docker_answer *a))
{
	char path[320];
	snprintf(path, sizeof(path), "/images/%s/json", d->image);
	ask(d, "GET", path, then);
}

/* What an image declares as a volume would be a writable place without a size. */
static int check_image(struct nx_docker *d, const struct nx_docker_answer *a, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	yyjson_val *v;
	int r = nx_docker_check(a, "show its image", err);
	if (r < 0)
		return r;
	if (!arena || nx_json_read(arena, a->body, NULL, &v, NULL) < 0)
		return nx_error_set(err, NX_ESANDBOX, "the engine does not speak of the image %s as expected",
				    d->image);
	return yyjson_obj_size(nx_json_get(nx_json_get(v, "Config"), "Volumes")) == 0
		       ? 0
		       : nx_error_set(err, NX_ESANDBOX, "the image %s declares volumes, whose size nothing would bound",
				      d->image);
}

static void on_pulled_image(void *ctx, const struct nx_docker_answer *a)
{
	struct nx_docker *d = ctx;
	struct nx_error *err = NULL;
	if (check_image(d, a, &err) < 0) {
		give_up(d, err);
		return;
	}
	listen_to_events(d);
	settle(d, NX_DOCKER_READY);
}

/* Whether it worked is seen by looking: the answer is 200 whatever happens, and tells errors among its progress. */
static void on_pulled(void *ctx, const struct nx_docker_answer *a)
{
	struct nx_docker *d = ctx;
	struct nx_error *err = NULL;
	if (nx_docker_check(a, "pull the image", &err) < 0) {
		nx_error_wrap(&err, "%s", d->image);
		give_up(d, err);
	} else {
		ask_image(d, on_pulled_image);
	}
}

static void pull(struct nx_docker *d)
{
	char path[400];
	const char *slash = strrchr(d->image, '/'), *name = slash ? slash + 1 : d->image;
	snprintf(path, sizeof(path), "/images/create?fromImage=%s%s", d->image,
		 strpbrk(name, ":@") ? "" : "&tag=latest");
	struct nx_docker_ask q = {.method = "POST",
				  .path = path,
				  .max_bytes = (size_t)64 << 20,
				  .timeout_us = PULL_US,
				  .then = on_pulled,
				  .ctx = d};
	(void)nx_docker_start(d, &q);
}

static void on_image(void *ctx, const struct nx_docker_answer *a)
{
	struct nx_docker *d = ctx;
	if (!a->error && a->status == 404 && !d->is_detached)
		pull(d);
	else
		on_pulled_image(d, a);
}

/* ---- what a server that died left ---- */

static void on_removed(void *ctx, const struct nx_docker_answer *a)
{
	(void)ctx;
	(void)a; /* gone already, or its next start finds it again */
}

static void on_list(void *ctx, const struct nx_docker_answer *a)
{
	struct nx_docker *d = ctx;
	struct nx_error *err = NULL;
	yyjson_val *v, *c;
	size_t i, n;
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	if (nx_docker_check(a, "list its containers", &err) < 0) {
		give_up(d, err);
		return;
	}
	if (arena && nx_json_read(arena, a->body, NULL, &v, NULL) == 0)
		yyjson_arr_foreach (v, i, n, c) {
			char path[128];
			nx_str id = nx_json_str(c, "Id");
			if (id.n == 0 || id.n >= NX_DOCKER_ID_MAX || memchr(id.p, '/', id.n) || memchr(id.p, '?', id.n))
				continue;
			snprintf(path, sizeof(path), "/containers/%.*s?force=1&v=1", NX_FMT(id));
			ask(d, "DELETE", path, on_removed);
		}
	ask_image(d, on_image);
}

static void on_info(void *ctx, const struct nx_docker_answer *a)
{
	char path[256];
	struct nx_docker *d = ctx;
	struct nx_error *err = NULL;
	yyjson_val *v;
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	int r = nx_docker_check(a, "say what it can", &err);
	if (r == 0 && (!arena || nx_json_read(arena, a->body, NULL, &v, &err) < 0))
		r = nx_error_wrap(&err, "what the engine says of itself");
	if (r < 0) {
		give_up(d, err);
		return;
	}
	nx_docker_read_info(d, v);
	snprintf(path, sizeof(path), "/containers/json?all=1&filters=%%7B" FILTER_LABEL "%%7D", d->home);
	ask(d, "GET", path, on_list);
}

static void connect_engine(struct nx_docker *d)
{
	d->state = NX_DOCKER_CONNECTING;
	ask(d, "GET", "/info", on_info);
}

static void on_retry(struct nx_timer *t)
{
	connect_engine(nx_container_of(t, struct nx_docker, retry));
}

/* ---- the backend ---- */

static bool is_ready(const struct nx_execution *e)
{
	return e->docker->state == NX_DOCKER_READY || e->docker->state == NX_DOCKER_DOWN;
}

static int check(struct nx_run *r, struct nx_error **err)
{
	const struct nx_docker *d = r->e->docker;
	if (d->state != NX_DOCKER_READY) {
		nx_error_set(err, NX_ESANDBOX, "%s", d->why);
		return nx_error_hint(err, "nexus doctor");
	}
	r->features = d->features;
	if (d->features.degraded && !r->e->config->sandbox_degraded)
		return nx_error_set(err, NX_ESANDBOX,
				    "the engine cannot hold every limit (%s), and sandbox.degraded is false",
				    d->missing + 1);
	return 0;
}

static int attach(struct nx_execution *e, struct nx_error **err)
{
	struct nx_docker *d = e->docker;
	(void)err;
	nx_timer_init(&d->retry, d->loop, on_retry);
	if (e->store) /* who only asks what the engine can do must not clear its containers away */
		connect_engine(d);
	return 0;
}

static void detach(struct nx_execution *e)
{
	struct nx_docker *d = e->docker;
	d->is_detached = true;
	nx_timer_stop(&d->retry);
	nx_docker_cancel(d, d->events);
}

static bool is_idle(const struct nx_execution *e)
{
	return e->docker->calls == 0;
}

const struct nx_backend nx_backend_docker = {
	.is_ready = is_ready,
	.check = check,
	.prepare = nx_docker_prepare,
	.kill = nx_docker_kill,
	.attach = attach,
	.detach = detach,
	.is_idle = is_idle,
};

/* ---- life ---- */

static void name_home(struct nx_docker *d)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[32];
	char *real = d->e->store ? realpath(nx_store_dir(d->e->store), NULL) : NULL;
	nx_sha256(nx_str_z(real ? real : ""), hash);
	for (size_t i = 0; i + 1 < sizeof(d->home); i++)
		d->home[i] = digits[hash[i / 2] >> (i % 2 ? 0 : 4) & 15];
	free(real);
}

int nx_docker_new(struct nx_execution *e, struct nx_docker **ret, struct nx_error **err)
{
	const struct nx_config *c = e->config;
	if (!nx_docker_is_image(c->sandbox_docker_image))
		return nx_error_set(err, NX_EINVAL, "sandbox.docker_image: \"%s\" is no name of an image",
				    c->sandbox_docker_image);
	struct nx_docker *d = calloc(1, sizeof(*d));
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for the engine");
	d->e = e;
	d->loop = e->loop;
	d->socket = c->sandbox_docker_socket;
	d->image = c->sandbox_docker_image;
	TAILQ_INIT(&d->containers);
	name_home(d);
	int r = nx_http_client_new(&d->net, err);
	if (r < 0) {
		free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void nx_docker_free(struct nx_docker *d)
{
	if (!d)
		return;
	nx_http_client_free(d->net);
	nx_buf_done(&d->line);
	free(d);
}

/* ---- doctor ---- */

static void add_row(struct nx_exec_check *row, const char *what, bool ok, const char *detail, const char *fix)
{
	*row = (struct nx_exec_check){.what = what, .ok = ok};
	snprintf(row->detail, sizeof(row->detail), "%s", detail);
	snprintf(row->fix, sizeof(row->fix), "%s", ok ? "" : fix);
}

static bool check_engine(struct nx_docker *d, struct nx_arena *a, struct nx_exec_check *row)
{
	nx_auto_error struct nx_error *err = NULL;
	char detail[160], fix[200];
	int status;
	nx_str body;
	yyjson_val *v = NULL;
	snprintf(fix, sizeof(fix), "start the engine, or set sandbox.docker_socket (now %s)", d->socket);
	if (nx_docker_wait(d, "/info", a, &status, &body, &err) < 0 || status != 200 ||
	    nx_json_read(a, body, NULL, &v, &err) < 0) {
		add_row(row, "docker engine", false, err ? nx_error_message(err) : "it does not answer as expected",
			fix);
		return false;
	}
	nx_docker_read_info(d, v);
	snprintf(detail, sizeof(detail), "version %.*s, cgroup v%.*s, %.*s%s%s",
		 NX_FMT(nx_json_str(v, "ServerVersion")), NX_FMT(nx_json_str(v, "CgroupVersion")),
		 NX_FMT(nx_json_str(v, "Driver")), d->missing[0] ? "; cannot hold:" : "", d->missing);
	add_row(row, "docker engine", !d->features.degraded, detail,
		"give the engine every cgroup controller and seccomp");
	return true;
}

size_t nx_docker_checks(struct nx_docker *d, struct nx_exec_check *ret, size_t max)
{
	char path[320], fix[320];
	int status;
	nx_str body;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (max < 2 || !a || !check_engine(d, a, &ret[0]))
		return max < 2 || !a ? 0 : 1;
	snprintf(path, sizeof(path), "/images/%s/json", d->image);
	snprintf(fix, sizeof(fix), "docker pull %s, or set sandbox.docker_image", d->image);
	bool ok = nx_docker_wait(d, path, a, &status, &body, NULL) == 0 && status == 200;
	add_row(&ret[1], "docker image", ok, ok ? d->image : "the engine does not have it", fix);
	return 2;
}
