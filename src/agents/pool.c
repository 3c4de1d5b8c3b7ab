/* The pool: who there is, who is fittest, and what each has done. */
#include "agents/agents_internal.h"
#include "base/assert.h"
#include "base/asset.h"
#include "base/log.h"
#include "monitoring/monitoring.h"

#include <stdio.h>

NX_ASSETS(agents);

struct nx_agent *nx_agents_find(struct nx_agents *g, int64_t tenant, nx_str name)
{
	struct nx_agent *builtin = NULL;

	for (struct nx_agent *a = g->agents; a; a = a->next) {
		if (!nx_str_eq(a->spec->name, name))
			continue;
		if (a->tenant == tenant)
			return a; /* a tenant's own stands before the built-in one of that name */
		if (a->tenant == 0)
			builtin = a;
	}
	return builtin;
}

static void agent_free(struct nx_agent *a)
{
	if (a->refs == 0)
		nx_arena_free(a->arena);
}

/* Takes it out of the list; a run that holds it keeps it alive. */
static void remove_agent(struct nx_agents *g, int64_t tenant, nx_str name)
{
	for (struct nx_agent **p = &g->agents; *p; p = &(*p)->next)
		if ((*p)->tenant == tenant && nx_str_eq((*p)->spec->name, name)) {
			struct nx_agent *old = *p;
			*p = old->next;
			old->replaced = true;
			agent_free(old);
			return;
		}
}

static int make_agent(int64_t tenant, nx_str json, struct nx_agent **ret, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	struct nx_agent *a = arena ? nx_arena_new_of(arena, struct nx_agent) : NULL;
	yyjson_val *v;
	int rc;

	if (!a)
		return nx_error_set(err, NX_ENOMEM, "load an agent");
	a->tenant = tenant;
	a->json = nx_str_dup(arena, json);
	if ((rc = nx_json_read(arena, a->json, NULL, &v, err)) < 0 ||
	    (rc = nx_agent_spec_decode(v, arena, &a->spec, err)) < 0)
		return rc;
	a->arena = nx_steal(arena);
	*ret = a;
	return 0;
}

int nx_agents_put(struct nx_agents *g, int64_t tenant, nx_str json, struct nx_error **err)
{
	struct nx_agent *a;
	int rc = make_agent(tenant, json, &a, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&g->mutex);
	remove_agent(g, tenant, a->spec->name);
	a->next = g->agents;
	g->agents = a;
	pthread_mutex_unlock(&g->mutex);
	return 0;
}

void nx_agents_drop(struct nx_agents *g, int64_t tenant, nx_str name)
{
	pthread_mutex_lock(&g->mutex);
	remove_agent(g, tenant, name);
	pthread_mutex_unlock(&g->mutex);
}

struct nx_agent *nx_agent_hold(struct nx_agents *g, int64_t tenant, nx_str name)
{
	pthread_mutex_lock(&g->mutex);
	struct nx_agent *a = nx_agents_find(g, tenant, name);
	if (a)
		a->refs++;
	pthread_mutex_unlock(&g->mutex);
	return a;
}

void nx_agent_unhold(struct nx_agents *g, struct nx_agent *a)
{
	pthread_mutex_lock(&g->mutex);
	nx_assert(a->refs > 0);
	a->refs--;
	if (a->replaced)
		agent_free(a);
	pthread_mutex_unlock(&g->mutex);
}

/* ---- loading ---- */

static int load_builtin(struct nx_agents *g, struct nx_error **err)
{
	for (size_t i = 0; i < nx_assets_agents.count; i++) {
		const struct nx_asset *f = &nx_assets_agents.items[i];
		nx_auto_arena struct nx_arena *a = nx_arena_new(0);
		yyjson_val *v;
		nx_str json;
		int rc;
		if (!a)
			return nx_error_set(err, NX_ENOMEM, "load the built-in agents");
		if ((rc = nx_yaml_read(a, nx_str_n((const char *)f->data, f->size), NULL, &v, err)) < 0 ||
		    (rc = nx_json_write_val(a, v, false, &json, err)) < 0 || (rc = nx_agents_put(g, 0, json, err)) < 0)
			return nx_error_wrap(err, "agent %s", f->path);
	}
	return 0;
}

static int load_stored(struct nx_agents *g, struct nx_db *db, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	int rc = nx_db_query(db, "SELECT tenant_id, spec FROM agents ORDER BY id", NX_NO_PARAMS, &r, err);

	while (rc >= 0 && (rc = nx_rows_next(r, err)) > 0) {
		nx_auto_error struct nx_error *bad = NULL;
		if (nx_agents_put(g, nx_rows_int(r, 0), nx_rows_text(r, 1), &bad) < 0)
			nx_log_warn("agents", "a stored agent cannot be used", NX_LERR(bad));
	}
	return rc;
}

static int load_history(struct nx_agents *g, struct nx_db *db, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	int rc =
		nx_db_query(db,
			    "SELECT tenant_id, agent, capability, runs, successes, wall_us, cpu_us, max_memory, errors "
			    "FROM agent_stats",
			    NX_NO_PARAMS, &r, err);

	while (rc >= 0 && (rc = nx_rows_next(r, err)) > 0) {
		struct nx_agent_history *h =
			nx_agent_history(g, nx_rows_int(r, 0), nx_rows_text(r, 1), nx_rows_text(r, 2), true);
		if (!h)
			return nx_error_set(err, NX_ENOMEM, "load the agents' history");
		h->runs = nx_rows_int(r, 3);
		h->successes = nx_rows_int(r, 4);
		h->wall_us = nx_rows_int(r, 5);
		h->cpu_us = nx_rows_int(r, 6);
		h->max_memory = nx_rows_int(r, 7);
		h->errors = nx_rows_int(r, 8);
	}
	return rc;
}

static int load(struct nx_agents *g, struct nx_error **err)
{
	struct nx_db *db = NULL;
	int rc;

	if ((rc = load_builtin(g, err)) < 0 || !g->p.store)
		return rc;
	if ((rc = nx_store_reader_new(g->p.store, &db, err)) < 0)
		return rc;
	rc = load_stored(g, db, err);
	if (rc >= 0)
		rc = load_history(g, db, err);
	nx_store_reader_free(db);
	return rc;
}

static int add_tools(struct nx_agents *g, struct nx_error **err)
{
	int rc = nx_tools_add_text(g, err);

	if (rc == 0 && g->p.knowledge)
		rc = nx_tools_add_knowledge(g, err);
	if (rc == 0 && g->p.memory)
		rc = nx_tools_add_memory(g, err);
	if (rc == 0 && g->p.execution)
		rc = nx_tools_add_code(g, err);
	return rc;
}

int nx_agents_new(const struct nx_agent_parts *p, struct nx_agents **ret, struct nx_error **err)
{
	struct nx_agents *g = calloc(1, sizeof(*g));

	if (!g || !(g->tools = nx_tools_new())) {
		free(g);
		return nx_error_set(err, NX_ENOMEM, "start the agents");
	}
	g->p = *p;
	pthread_mutex_init(&g->mutex, NULL);
	int rc = add_tools(g, err);
	if (rc == 0)
		rc = load(g, err);
	if (rc < 0) {
		nx_agents_free(g);
		return rc;
	}
	*ret = g;
	return 0;
}

void nx_agents_free(struct nx_agents *g)
{
	if (!g)
		return;
	for (struct nx_agent *a = g->agents, *next; a; a = next) {
		next = a->next;
		nx_arena_free(a->arena);
	}
	for (struct nx_agent_history *h = g->history, *next; h; h = next) {
		next = h->next;
		free(h->agent);
		free(h->capability);
		free(h);
	}
	nx_tools_free(g->tools);
	pthread_mutex_destroy(&g->mutex);
	free(g);
}

struct nx_tools *nx_agents_tools(struct nx_agents *g)
{
	return g->tools;
}

/* ---- choosing ---- */

static bool visible(const struct nx_agents *g, const struct nx_agent *a, int64_t tenant)
{
	if (a->tenant == tenant)
		return true;
	return a->tenant == 0 && nx_agents_find((struct nx_agents *)g, tenant, a->spec->name) == a;
}

static void add_candidate(yyjson_mut_doc *d, yyjson_mut_val *list, const struct nx_agent *a,
			  const struct nx_agent_fitness *f)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);

	nx_json_add_str(d, o, "agent", a->spec->name);
	yyjson_mut_obj_add_real(d, o, "fitness", f->fitness);
	yyjson_mut_obj_add_real(d, o, "capability", f->capability);
	yyjson_mut_obj_add_real(d, o, "performance", f->performance);
	yyjson_mut_obj_add_real(d, o, "efficiency", f->efficiency);
	yyjson_mut_obj_add_real(d, o, "reliability", f->reliability);
}

static struct nx_agent *best_of(struct nx_agents *g, int64_t tenant, const nx_str *capabilities, size_t n,
				yyjson_mut_doc *d, yyjson_mut_val *list, struct nx_agent_fitness *ret)
{
	struct nx_agent *best = NULL;

	for (struct nx_agent *a = g->agents; a; a = a->next) {
		struct nx_agent_fitness f;
		if (!visible(g, a, tenant))
			continue;
		nx_agent_fitness(g, tenant, a, capabilities, n, &f);
		if (f.capability <= 0)
			continue;
		add_candidate(d, list, a, &f);
		/* a tie goes to the name that sorts first, so that the choice can be repeated */
		if (!best || f.fitness > ret->fitness ||
		    (f.fitness >= ret->fitness && nx_str_cmp(a->spec->name, best->spec->name) < 0)) {
			best = a;
			*ret = f;
		}
	}
	return best;
}

static int describe(const struct nx_agent *best, const struct nx_agent_fitness *f, nx_str capability, size_t others,
		    struct nx_arena *a, struct nx_agent_choice *ret, struct nx_error **err)
{
	char *why = nx_arena_printf(
		a,
		"fittest of %zu for %.*s: fitness %.2f = 0.4·%.2f capability + 0.3·%.2f performance + "
		"0.2·%.2f efficiency + 0.1·%.2f reliability",
		others, NX_FMT(capability), f->fitness, f->capability, f->performance, f->efficiency, f->reliability);

	ret->agent = nx_str_zdup(a, best->spec->name);
	ret->fitness = f->fitness;
	ret->capability = f->capability;
	ret->performance = f->performance;
	ret->efficiency = f->efficiency;
	ret->reliability = f->reliability;
	ret->why = nx_str_z(why);
	return why && ret->agent ? 0 : nx_error_set(err, NX_ENOMEM, "choose an agent");
}

int nx_agents_choose(struct nx_agents *g, int64_t tenant, const nx_str *capabilities, size_t n, struct nx_arena *a,
		     struct nx_agent_choice *ret, struct nx_error **err)
{
	struct nx_agent_fitness f = {0};
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *list = d ? yyjson_mut_arr(d) : NULL;
	int rc;

	if (!list)
		return nx_error_set(err, NX_ENOMEM, "choose an agent");
	pthread_mutex_lock(&g->mutex);
	struct nx_agent *best = best_of(g, tenant, capabilities, n, d, list, &f);
	if (best)
		rc = describe(best, &f, capabilities[0], yyjson_mut_arr_size(list), a, ret, err);
	else
		rc = nx_error_set(err, NX_EINVAL, "no agent can do `%.*s`: GET /v1/agents lists what each can",
				  NX_FMT(capabilities[0]));
	pthread_mutex_unlock(&g->mutex);
	return rc < 0 ? rc : nx_json_write(a, list, false, &ret->candidates, err);
}

bool nx_agents_exists(struct nx_agents *g, int64_t tenant, nx_str name)
{
	pthread_mutex_lock(&g->mutex);
	bool yes = nx_agents_find(g, tenant, name) != NULL;
	pthread_mutex_unlock(&g->mutex);
	return yes;
}

enum nx_effects nx_agents_effects(struct nx_agents *g, int64_t tenant, nx_str name)
{
	enum nx_effects e = NX_EFFECTS_NONE;

	pthread_mutex_lock(&g->mutex);
	const struct nx_agent *a = nx_agents_find(g, tenant, name);
	for (size_t i = 0; a && i < a->spec->tools.n; i++) {
		const struct nx_tool *t = nx_tools_find(g->tools, *nx_list_at(a->spec->tools, nx_str, i));
		if (t && t->effects > e)
			e = t->effects;
	}
	pthread_mutex_unlock(&g->mutex);
	return a ? e : NX_EFFECTS_ONCE;
}

/* ---- history ---- */

void nx_agents_record(struct nx_agents *g, int64_t tenant, nx_str agent, nx_str capability, bool ok,
		      const struct nx_usage *u)
{
	char name[65];

	snprintf(name, sizeof(name), "%.*s", NX_FMT(agent));
	nx_monitoring_agent_step(name, ok, (double)u->wall_us / 1e6, u->cpu_us, u->max_memory);
	pthread_mutex_lock(&g->mutex);
	struct nx_agent_history *h = nx_agent_history(g, tenant, agent, capability, true);
	if (h) {
		h->runs++;
		h->successes += ok;
		h->errors += !ok;
		h->wall_us += u->wall_us;
		h->cpu_us += u->cpu_us;
		h->max_memory = nx_max(h->max_memory, u->max_memory);
	}
	pthread_mutex_unlock(&g->mutex);
}

int nx_agents_record_tx(struct nx_db *db, int64_t tenant, nx_str agent, nx_str capability, bool ok,
			const struct nx_usage *u, int64_t now_us, struct nx_error **err)
{
	return nx_db_exec(
		db,
		"INSERT INTO agent_stats(tenant_id, agent, capability, runs, successes, wall_us, cpu_us, max_memory, "
		"errors, updated_at) VALUES($1,$2,$3,1,$4,$5,$6,$7,$8,$9) "
		"ON CONFLICT(tenant_id, agent, capability) DO UPDATE SET runs=agent_stats.runs+1, "
		"successes=agent_stats.successes+$4, wall_us=agent_stats.wall_us+$5, cpu_us=agent_stats.cpu_us+$6, "
		"max_memory=max(agent_stats.max_memory, $7), errors=agent_stats.errors+$8, updated_at=$9",
		NX_PARAMS(nx_v_int(tenant), nx_v_text(agent), nx_v_text(capability), nx_v_int(ok), nx_v_int(u->wall_us),
			  nx_v_int(u->cpu_us), nx_v_int(u->max_memory), nx_v_int(!ok), nx_v_int(now_us)),
		err);
}
