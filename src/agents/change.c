/* Agents as the API shows and changes them. */
#include "agents/agents_internal.h"

static void add_history(struct nx_agents *g, int64_t tenant, const struct nx_agent *a, yyjson_mut_doc *d,
			yyjson_mut_val *o)
{
	yyjson_mut_val *stats = yyjson_mut_obj_add_arr(d, o, "stats");

	for (const struct nx_agent_history *h = g->history; h; h = h->next) {
		if (h->tenant != tenant || !nx_str_eqz(a->spec->name, h->agent))
			continue;
		yyjson_mut_val *s = yyjson_mut_arr_add_obj(d, stats);
		nx_json_add_strz(d, s, "capability", h->capability);
		yyjson_mut_obj_add_int(d, s, "runs", h->runs);
		yyjson_mut_obj_add_int(d, s, "errors", h->errors);
		yyjson_mut_obj_add_real(d, s, "success_rate", h->runs ? (double)h->successes / (double)h->runs : 1);
		yyjson_mut_obj_add_real(d, s, "response_ms",
					h->runs ? (double)h->wall_us / 1000.0 / (double)h->runs : 0);
		yyjson_mut_obj_add_real(d, s, "cpu_ms", h->runs ? (double)h->cpu_us / 1000.0 / (double)h->runs : 0);
		yyjson_mut_obj_add_int(d, s, "memory_bytes", h->max_memory);
	}
}

static yyjson_mut_val *agent_json(struct nx_agents *g, int64_t tenant, const struct nx_agent *a, struct nx_arena *arena,
				  yyjson_mut_doc *d)
{
	yyjson_val *spec;
	yyjson_mut_val *o = yyjson_mut_obj(d);

	nx_json_add_str(d, o, "name", a->spec->name);
	nx_json_add_str(d, o, "description", a->spec->description);
	nx_json_add_strz(d, o, "origin", a->tenant ? "stored" : "builtin");
	if (nx_json_read(arena, a->json, NULL, &spec, NULL) == 0)
		nx_json_add_val(d, o, "spec", spec);
	add_history(g, tenant, a, d, o);
	return o;
}

int nx_agents_list_json(struct nx_agents *g, int64_t tenant, struct nx_arena *a, nx_str *ret_items,
			struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *list = d ? yyjson_mut_arr(d) : NULL;

	if (!list)
		return nx_error_set(err, NX_ENOMEM, "list agents");
	pthread_mutex_lock(&g->mutex);
	for (const struct nx_agent *x = g->agents; x; x = x->next)
		if (x->tenant == tenant || (x->tenant == 0 && nx_agents_find(g, tenant, x->spec->name) == x))
			yyjson_mut_arr_prepend(list, agent_json(g, tenant, x, a, d));
	pthread_mutex_unlock(&g->mutex);
	return nx_json_write(a, list, false, ret_items, err);
}

int nx_agents_get_json(struct nx_agents *g, int64_t tenant, nx_str name, struct nx_arena *a, nx_str *ret,
		       struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = NULL;

	if (!d)
		return nx_error_set(err, NX_ENOMEM, "read an agent");
	pthread_mutex_lock(&g->mutex);
	const struct nx_agent *x = nx_agents_find(g, tenant, name);
	if (x)
		o = agent_json(g, tenant, x, a, d);
	pthread_mutex_unlock(&g->mutex);
	if (!x)
		return nx_error_set(err, NX_ENOTFOUND, "there is no agent `%.*s`", NX_FMT(name));
	return nx_json_write(a, o, false, ret, err);
}

/* ---- changes ---- */

struct change {
	struct nx_agents *agents;
	nx_str json;
	nx_id uid;
};

static int apply_put(struct nx_agent_change *c, struct nx_db *db, struct nx_error **err)
{
	struct change *w = c->priv;
	int64_t now = nx_time_wall_us();

	return nx_db_exec(
		db,
		"INSERT INTO agents(uid, tenant_id, name, spec, origin, created_at, updated_at) "
		"VALUES($1,$2,$3,$4,'api',$5,$5) "
		"ON CONFLICT(tenant_id, name) DO UPDATE SET spec=excluded.spec, updated_at=excluded.updated_at",
		NX_PARAMS(nx_v_id(&w->uid), nx_v_int(c->tenant), nx_v_text(c->name), nx_v_text(w->json), nx_v_int(now)),
		err);
}

static int apply_delete(struct nx_agent_change *c, struct nx_db *db, struct nx_error **err)
{
	int rc = nx_db_exec(db, "DELETE FROM agents WHERE tenant_id=$1 AND name=$2",
			    NX_PARAMS(nx_v_int(c->tenant), nx_v_text(c->name)), err);
	if (rc < 0)
		return rc;
	if (nx_db_changes(db) == 0)
		return nx_error_set(err, NX_ENOTFOUND, "there is no stored agent `%.*s`", NX_FMT(c->name));
	return 0;
}

static int apply(struct nx_write *write, struct nx_db *db, struct nx_error **err)
{
	struct nx_agent_change *c = nx_container_of(write, struct nx_agent_change, write);
	struct change *w = c->priv;
	int rc = c->spec ? apply_put(c, db, err) : apply_delete(c, db, err);

	return rc < 0 ? rc : nx_tx_hook_run(c->hook, db, w->uid, c->answer, err);
}

static void committed(struct nx_write *write, struct nx_error *err)
{
	struct nx_agent_change *c = nx_container_of(write, struct nx_agent_change, write);
	struct change *w = c->priv;
	nx_auto_error struct nx_error *own = NULL;

	if (!err && !c->spec)
		nx_agents_drop(w->agents, c->tenant, c->name);
	else if (!err)
		nx_agents_put(w->agents, c->tenant, w->json, &own);
	c->done(c, err ? err : own);
}

static int prepare(struct nx_agents *g, struct nx_agent_change *c, struct nx_error **err)
{
	struct change *w = c->priv = nx_arena_new_of(c->arena, struct change);
	struct nx_agent_spec *spec;
	int rc;

	if (!w)
		return nx_error_set(err, NX_ENOMEM, "store an agent");
	w->agents = g;
	w->uid = nx_id_new();
	c->answer = NX_STR("{\"ok\":true}");
	if (!c->spec)
		return 0;
	if ((rc = nx_agent_spec_decode(c->spec, c->arena, &spec, err)) < 0 ||
	    (rc = nx_json_write_val(c->arena, c->spec, false, &w->json, err)) < 0)
		return rc;
	if (c->name.n > 0 && !nx_str_eq(c->name, spec->name)) {
		nx_error_set(err, NX_EINVAL, "the spec's name `%.*s` is not the one in the path", NX_FMT(spec->name));
		return nx_error_at(err, "/name");
	}
	c->name = spec->name;
	char *answer = nx_arena_printf(c->arena, "{\"name\":\"%.*s\"}", NX_FMT(spec->name));
	c->answer = nx_str_z(answer);
	return answer ? 0 : nx_error_set(err, NX_ENOMEM, "store an agent");
}

void nx_agents_change(struct nx_agents *g, struct nx_agent_change *c)
{
	nx_auto_error struct nx_error *err = NULL;

	if (prepare(g, c, &err) < 0) {
		c->done(c, err);
		return;
	}
	c->write = (struct nx_write){.lane = NX_LANE_INTERACTIVE, .apply = apply, .done = committed, .reply = c->reply};
	nx_store_write(g->p.store, &c->write);
}
