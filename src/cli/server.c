#include "cli/server.h"

#include "agents/agents.h"
#include "api/api.h"
#include "base/clock.h"
#include "base/http_client.h"
#include "base/io.h"
#include "base/log.h"
#include "core/core.h"
#include "execution/execution.h"
#include "knowledge/knowledge.h"
#include "memory/memory.h"
#include "model/model.h"
#include "monitoring/monitoring.h"
#include "store/store.h"

#include <stdatomic.h>

struct nx_server {
	struct nx_config *config;
	struct nx_spawner *spawner;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_http_client *net;
	struct nx_models *models;
	struct nx_knowledge *knowledge;
	struct nx_memory *memory;
	struct nx_monitoring *monitoring;
	struct nx_loop *sandbox_loop, *core_loop;
	struct nx_execution *execution;
	struct nx_agents *agents;
	struct nx_core *core;
	struct nx_api *api;
	struct nx_msg recover;
	bool core_runs, sandbox_runs;
	_Atomic bool quiet; /* released by the core loop, acquired by who stops the server */
};

static enum nx_synchronous synchronous(const struct nx_config *c)
{
	if (strcmp(c->store_synchronous, "off") == 0)
		return NX_SYNC_OFF;
	return strcmp(c->store_synchronous, "normal") == 0 ? NX_SYNC_NORMAL : NX_SYNC_FULL;
}

static int open_store(struct nx_server *s, struct nx_error **err)
{
	const struct nx_config *c = s->config;
	int rc = nx_workers_new((unsigned)c->workers, &s->workers, err);

	if (rc < 0)
		return rc;
	struct nx_store_options o = {.dir = c->home,
				     .sync = synchronous(c),
				     .readers = nx_workers_count(s->workers),
				     .group_wait_us = c->store_group_wait * NX_USEC_PER_MSEC};
	return nx_store_open(&o, &s->store, err);
}

static int make_loops(struct nx_server *s, struct nx_error **err)
{
	int rc = nx_loop_new("core", &s->core_loop, err);

	return rc < 0 ? rc : nx_loop_new("sandbox", &s->sandbox_loop, err);
}

static int make_monitoring(struct nx_server *s, struct nx_error **err)
{
	struct nx_monitoring_parts p = {.config = s->config, .store = s->store, .loop = s->core_loop};
	int rc = nx_monitoring_new(&p, &s->monitoring, err);

	if (rc < 0)
		return rc;
	nx_monitoring_watch_loop(s->monitoring, s->core_loop);
	nx_monitoring_watch_loop(s->monitoring, s->sandbox_loop);
	return 0;
}

static int make_knowledge(struct nx_server *s, struct nx_error **err)
{
	int rc;

	if ((rc = nx_http_client_new(&s->net, err)) < 0 ||
	    (rc = nx_models_new(s->config, s->net, &s->models, err)) < 0 ||
	    (rc = nx_knowledge_new(s->config, s->store, s->workers, s->models, &s->knowledge, err)) < 0)
		return rc;
	return nx_memory_new(s->config, s->store, s->workers, s->knowledge, s->models, &s->memory, err);
}

static int make_core(struct nx_server *s, struct nx_error **err)
{
	struct nx_agent_parts a = {.config = s->config,
				   .store = s->store,
				   .workers = s->workers,
				   .models = s->models,
				   .knowledge = s->knowledge,
				   .execution = s->execution,
				   .memory = s->memory,
				   .loop = s->core_loop};
	int rc = nx_agents_new(&a, &s->agents, err);

	if (rc < 0)
		return rc;
	struct nx_core_parts p = {.config = s->config,
				  .store = s->store,
				  .workers = s->workers,
				  .memory = s->memory,
				  .agents = s->agents,
				  .loop = s->core_loop};
	return nx_core_new(&p, &s->core, err);
}

static void recovered(struct nx_error *err, void *ctx)
{
	(void)ctx;
	if (err)
		nx_log_error("core", "the journal could not be recovered", NX_LERR(err));
}

static void recover(struct nx_msg *m)
{
	struct nx_server *s = nx_container_of(m, struct nx_server, recover);

	nx_core_recover(s->core, recovered, s);
}

static int make_execution(struct nx_server *s, struct nx_error **err)
{
	int rc = nx_execution_new(s->config, s->store, s->spawner, s->workers, s->sandbox_loop, &s->execution, err);

	if (rc < 0 || (rc = nx_loop_start(s->sandbox_loop, err)) < 0)
		return rc;
	s->sandbox_runs = true;
	return 0;
}

static int run_core(struct nx_server *s, struct nx_error **err)
{
	int rc = nx_loop_start(s->core_loop, err);

	if (rc < 0)
		return rc;
	s->core_runs = true;
	s->recover.run = recover;
	nx_loop_post(s->core_loop, &s->recover);
	nx_knowledge_load(s->knowledge);
	return 0;
}

static int listen_on(struct nx_server *s, struct nx_error **err)
{
	struct nx_api_parts p = {.config = s->config,
				 .store = s->store,
				 .workers = s->workers,
				 .models = s->models,
				 .knowledge = s->knowledge,
				 .memory = s->memory,
				 .execution = s->execution,
				 .agents = s->agents,
				 .core = s->core,
				 .core_loop = s->core_loop,
				 .monitoring = s->monitoring};
	return nx_api_start(&p, &s->api, err);
}

/* The spawner takes it into its own file system, so it must be there first. What fails is said by who opens the store. */
static void make_images_dir(const struct nx_config *c)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	char *path = a ? nx_path_join(a, c->home, "images") : NULL;

	if (path)
		(void)nx_mkdirs(path, 0700, NULL);
}

static int start(struct nx_server *s, struct nx_error **err)
{
	int rc;

	make_images_dir(s->config);
	if ((rc = nx_spawner_start(s->config, &s->spawner, err)) < 0 || (rc = open_store(s, err)) < 0 ||
	    (rc = make_loops(s, err)) < 0 || (rc = make_monitoring(s, err)) < 0 || (rc = make_knowledge(s, err)) < 0 ||
	    (rc = make_execution(s, err)) < 0 || (rc = make_core(s, err)) < 0 || (rc = run_core(s, err)) < 0)
		return rc;
	return listen_on(s, err);
}

static void stop_loop(struct nx_loop *l, bool runs)
{
	if (!runs)
		return;
	nx_loop_stop(l);
	nx_loop_join(l);
}

/* Callers of a layer before the layer; loops run until nothing can post to them any more. */
static void take_down(struct nx_server *s)
{
	nx_execution_free(s->execution);
	stop_loop(s->sandbox_loop, s->sandbox_runs);
	if (s->knowledge)
		nx_knowledge_stop(s->knowledge);
	nx_workers_free(s->workers);
	nx_models_free(s->models);
	nx_http_client_free(s->net);
	stop_loop(s->core_loop, s->core_runs);
	nx_monitoring_free(s->monitoring);
	nx_core_free(s->core);
	nx_agents_free(s->agents);
	nx_memory_free(s->memory);
	nx_knowledge_free(s->knowledge);
	nx_store_close(s->store);
	nx_api_free(s->api);
	nx_loop_free(s->core_loop);
	nx_loop_free(s->sandbox_loop);
	nx_spawner_free(s->spawner);
	free(s);
}

int nx_server_start(struct nx_config *c, struct nx_server **ret, struct nx_error **err)
{
	struct nx_server *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return nx_error_set(err, NX_ENOMEM, "start the server");
	s->config = c;
	if ((rc = start(s, err)) < 0) {
		take_down(s);
		return rc;
	}
	*ret = s;
	return 0;
}

const char *nx_server_url(const struct nx_server *s)
{
	return nx_api_url(s->api);
}

bool nx_server_ready(const struct nx_server *s)
{
	return nx_core_ready(s->core);
}

bool nx_server_loaded(const struct nx_server *s)
{
	struct nx_knowledge_state k;

	nx_knowledge_state(s->knowledge, &k);
	return strcmp(k.text, "loading") != 0;
}

int nx_server_announce(struct nx_server *s, struct nx_error **err)
{
	return nx_store_note_address(s->store, nx_server_url(s), err);
}

static void quiet(void *ctx)
{
	struct nx_server *s = ctx;

	atomic_store_explicit(&s->quiet, true, memory_order_release);
}

/* Once, at the end of the program: looking every millisecond is simpler than waiting with a clock of its own. */
static bool wait_quiet(struct nx_server *s, int64_t us)
{
	int64_t until = nx_time_mono_us() + us;

	while (!atomic_load_explicit(&s->quiet, memory_order_acquire)) {
		if (nx_time_mono_us() > until)
			return false;
		usleep(1000);
	}
	return true;
}

bool nx_server_stop(struct nx_server *s, int64_t drain_us)
{
	nx_api_stop(s->api, drain_us);
	nx_core_stop(s->core, quiet, s);
	if (!wait_quiet(s, drain_us)) {
		nx_store_close(s->store);
		return false;
	}
	take_down(s);
	return true;
}
