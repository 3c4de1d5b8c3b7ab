/*
 * Changes of the graph: validated whole, written in one transaction, then memory is made to agree (entities.h).
 *
 * What is wrong is all told at once: {"success":false,"inserted_count":0,"errors":[{"index","path","message"}]} is the
 * answer beside an error that points at the first fault.
 */
#include "knowledge/knowledge_internal.h"

#include "base/clock.h"

#define ITEMS_MAX 10000
#define ERRORS_MAX 100
#define ALIASES_MAX 16
#define PROPERTIES_MAX 65536

struct entity {
	nx_str id, type, properties, name;
	nx_str names[2 + ALIASES_MAX]; /* folded, each once */
	size_t nnames;
	double confidence;
	size_t index; /* in the request */
	int64_t key;
};
struct relationship {
	nx_str id, source, target, type, properties;
	double weight, confidence;
	size_t index;
	int64_t key;
};
struct graph_change {
	struct nx_knowledge *k;
	struct nx_knowledge_change *c;
	struct nx_arena *arena; /* the caller's */
	nx_str space;
	struct entity *entities;
	struct relationship *relationships;
	size_t nentities, nrelationships;
	yyjson_mut_doc *doc;
	yyjson_mut_val *errors;
	int64_t now_us;
	struct nx_error *err; /* the first fault */
	/* What else memory has to read again: keys of deleted rows. */
	int64_t gone_entity, gone_relationship;
};

/* ---- validation ---- */

static int report(struct graph_change *g, size_t index, const char *list, const char *member, const char *what)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "/%s/%zu%s%s", list, index, member[0] ? "/" : "", member);
	if (!g->err) {
		(void)nx_error_set(&g->err, NX_EINVAL, "%s", what);
		(void)nx_error_at(&g->err, "%s", path);
	}
	if (yyjson_mut_arr_size(g->errors) >= ERRORS_MAX)
		return NX_EINVAL;
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(g->doc, g->errors);
	if (o) {
		(void)yyjson_mut_obj_add_uint(g->doc, o, "index", index);
		(void)nx_json_add_strz(g->doc, o, "path", path);
		(void)nx_json_add_strz(g->doc, o, "message", what);
	}
	return NX_EINVAL;
}

static bool is_known(yyjson_val *k, const char *const *names)
{
	for (size_t i = 0; names[i]; i++)
		if (yyjson_equals_str(k, names[i]))
			return true;
	return false;
}

static void check_members(struct graph_change *g, yyjson_val *v, size_t index, const char *list,
			  const char *const *names)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	for (yyjson_val *k; (k = yyjson_obj_iter_next(&it));) {
		char what[160];
		if (is_known(k, names))
			continue;
		(void)snprintf(what, sizeof(what), "there is no member \"%.60s\" here", yyjson_get_str(k));
		(void)report(g, index, list, "", what);
	}
}

/* A string of 1 to `max` bytes. */
static nx_str read_string(struct graph_change *g, yyjson_val *v, size_t index, const char *list, const char *member,
			  bool needed, size_t max)
{
	yyjson_val *m = yyjson_obj_get(v, member);
	nx_str s = nx_json_val_str(m);
	if (!m || yyjson_is_null(m)) {
		if (needed)
			(void)report(g, index, list, member, "it is missing");
		return NX_STR_NULL;
	}
	if (!yyjson_is_str(m))
		(void)report(g, index, list, member, "it must be a string");
	else if (nx_str_trim(s).n == 0 || s.n > max)
		(void)report(g, index, list, member, "it must be 1 to 512 bytes long and not blank");
	return s;
}

static double read_number(struct graph_change *g, yyjson_val *v, size_t index, const char *list, const char *member,
			  double max)
{
	yyjson_val *m = yyjson_obj_get(v, member);
	if (!m || yyjson_is_null(m))
		return 1;
	double d = yyjson_get_num(m);
	if (!yyjson_is_num(m) || !(d >= 0 && d <= max))
		(void)report(g, index, list, member,
			     max > 1 ? "it must be a number from 0 to 1000000" : "it must be a number from 0 to 1");
	return d;
}

static nx_str read_properties(struct graph_change *g, yyjson_val *v, size_t index, const char *list)
{
	yyjson_val *m = yyjson_obj_get(v, "properties");
	nx_str s = NX_STR("{}");
	if (!m || yyjson_is_null(m))
		return s;
	if (!yyjson_is_obj(m))
		(void)report(g, index, list, "properties", "it must be an object");
	else if (nx_json_write_val(g->arena, m, false, &s, NULL) < 0 || s.n > PROPERTIES_MAX)
		(void)report(g, index, list, "properties", "it is longer than 65536 bytes");
	return s;
}

static void add_name(struct graph_change *g, struct entity *e, nx_str name)
{
	nx_str folded;
	if (e->nnames == nx_countof(e->names) || nx_name_fold(name, g->arena, &folded, NULL) < 0 || folded.n == 0 ||
	    folded.n > NX_NAME_BYTES_MAX)
		return;
	for (size_t i = 0; i < e->nnames; i++)
		if (nx_str_eq(e->names[i], folded))
			return;
	e->names[e->nnames++] = folded;
}

static void read_names(struct graph_change *g, struct entity *e, yyjson_val *properties)
{
	e->name = nx_json_str(properties, "name");
	if (e->name.n)
		add_name(g, e, e->name);
	add_name(g, e, e->id);
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach (nx_json_get(properties, "aliases"), i, n, v)
		if (i < ALIASES_MAX && yyjson_is_str(v))
			add_name(g, e, nx_json_val_str(v));
}

static void read_entity(struct graph_change *g, yyjson_val *v, size_t index, nx_str id)
{
	static const char *const members[] = {"id",         "type",       "properties", "embeddings",
					      "confidence", "created_at", "updated_at", NULL};
	struct entity *e = &g->entities[g->nentities++];
	e->index = index;
	if (!yyjson_is_obj(v)) {
		(void)report(g, index, "entities", "", "it must be an object");
		return;
	}
	check_members(g, v, index, "entities", members);
	e->id = id.p && !yyjson_obj_get(v, "id") ? id
						 : read_string(g, v, index, "entities", "id", true, NX_NAME_BYTES_MAX);
	if (id.p && e->id.p && !nx_str_eq(id, e->id))
		(void)report(g, index, "entities", "id", "it is not the id of the path");
	if (nx_str_starts(e->id, NX_STR("name:")))
		(void)report(g, index, "entities", "id",
			     "ids that begin with name: belong to names found in documents");
	e->type = read_string(g, v, index, "entities", "type", true, NX_NAME_BYTES_MAX);
	e->properties = read_properties(g, v, index, "entities");
	e->confidence = read_number(g, v, index, "entities", "confidence", 1);
	if (e->id.p)
		read_names(g, e, yyjson_obj_get(v, "properties"));
}

static void read_relationship(struct graph_change *g, yyjson_val *v, size_t index, nx_str id)
{
	static const char *const members[] = {"id",     "source_id",  "target_id",  "relationship_type", "properties",
					      "weight", "confidence", "created_at", "updated_at",        NULL};
	static const char list[] = "relationships";
	struct relationship *r = &g->relationships[g->nrelationships++];
	r->index = index;
	if (!yyjson_is_obj(v)) {
		(void)report(g, index, list, "", "it must be an object");
		return;
	}
	check_members(g, v, index, list, members);
	r->id = id.p && !yyjson_obj_get(v, "id") ? id : read_string(g, v, index, list, "id", true, NX_NAME_BYTES_MAX);
	if (id.p && r->id.p && !nx_str_eq(id, r->id))
		(void)report(g, index, list, "id", "it is not the id of the path");
	r->source = read_string(g, v, index, list, "source_id", true, NX_NAME_BYTES_MAX);
	r->target = read_string(g, v, index, list, "target_id", true, NX_NAME_BYTES_MAX);
	r->type = read_string(g, v, index, list, "relationship_type", true, NX_NAME_BYTES_MAX);
	r->properties = read_properties(g, v, index, list);
	r->weight = read_number(g, v, index, list, "weight", 1e6);
	r->confidence = read_number(g, v, index, list, "confidence", 1);
}

static int entity_order(const void *a, const void *b)
{
	return nx_str_cmp((*(struct entity *const *)a)->id, (*(struct entity *const *)b)->id);
}

static int relationship_order(const void *a, const void *b)
{
	return nx_str_cmp((*(struct relationship *const *)a)->id, (*(struct relationship *const *)b)->id);
}

static void check_twice(struct graph_change *g)
{
	struct entity **e = nx_arena_array(g->arena, struct entity *, g->nentities + 1);
	struct relationship **r = nx_arena_array(g->arena, struct relationship *, g->nrelationships + 1);
	if (!e || !r)
		return; /* twice the same is then two updates */
	for (size_t i = 0; i < g->nentities; i++)
		e[i] = &g->entities[i];
	for (size_t i = 0; i < g->nrelationships; i++)
		r[i] = &g->relationships[i];
	qsort(e, g->nentities, sizeof(*e), entity_order);
	qsort(r, g->nrelationships, sizeof(*r), relationship_order);
	for (size_t i = 1; i < g->nentities; i++)
		if (nx_str_eq(e[i - 1]->id, e[i]->id))
			(void)report(g, nx_max(e[i]->index, e[i - 1]->index), "entities", "id", "the id is used twice");
	for (size_t i = 1; i < g->nrelationships; i++)
		if (nx_str_eq(r[i - 1]->id, r[i]->id))
			(void)report(g, nx_max(r[i]->index, r[i - 1]->index), "relationships", "id",
				     "the id is used twice");
}

/* ---- writing: on the writer thread ---- */

static int find_entity(struct graph_change *g, struct nx_db *db, nx_str id, bool found_too, int64_t *ret,
		       struct nx_error **err)
{
	nx_auto_error struct nx_error *none = NULL;
	int r = nx_db_get_int(db, "SELECT id FROM entities WHERE tenant_id = $1 AND space = $2 AND name = $3",
			      NX_PARAMS(nx_v_int(g->c->tenant), nx_v_text(g->space), nx_v_text(id)), ret, &none);
	if (r == NX_ENOTFOUND && found_too) {
		nx_id uid;
		nx_error_free(nx_steal(none));
		if (nx_id_parse(id, &uid))
			r = nx_db_get_int(
				db, "SELECT id FROM entities WHERE tenant_id = $1 AND space = $2 AND uid = $3",
				NX_PARAMS(nx_v_int(g->c->tenant), nx_v_text(g->space), nx_v_id(&uid)), ret, &none);
	}
	if (r == NX_ENOTFOUND)
		return 0;
	return r < 0 ? nx_error_move(err, nx_steal(none)) : 1;
}

/* The row: that of the id, else a name found in documents that the entity bears, else a new one. */
static int entity_row(struct graph_change *g, struct nx_db *db, struct entity *e, struct nx_error **err)
{
	int r = find_entity(g, db, e->id, false, &e->key, err);
	for (size_t i = 0; r == 0 && i < e->nnames; i++) {
		char *z = nx_arena_printf(g->arena, "name:%.*s", NX_FMT(e->names[i]));
		if (!z)
			return nx_error_set(err, NX_ENOMEM, "no memory for an entity");
		r = find_entity(g, db, nx_str_z(z), false, &e->key, err);
	}
	return r;
}

static int insert_entity(struct graph_change *g, struct nx_db *db, struct entity *e, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	nx_id uid = nx_id_new();
	int r = nx_db_query(
		db,
		"INSERT INTO entities(uid, tenant_id, space, name, type, properties, confidence, origin, created_at,"
		" updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'client', $8, $8) RETURNING id",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(g->c->tenant), nx_v_text(g->space), nx_v_text(e->id),
			  nx_v_text(e->type), nx_v_text(e->properties), nx_v_real(e->confidence), nx_v_int(g->now_us)),
		&rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r <= 0)
		return r < 0 ? r : nx_error_set(err, NX_EINTERNAL, "an insert gave no row back");
	e->key = nx_rows_int(rows, 0);
	while (r > 0)
		r = nx_rows_next(rows, err);
	return r;
}

static int write_names(struct graph_change *g, struct nx_db *db, const struct entity *e, struct nx_error **err)
{
	int r = nx_db_exec(db, "DELETE FROM entity_names WHERE entity_id = $1", NX_PARAMS(nx_v_int(e->key)), err);
	for (size_t i = 0; r == 0 && i < e->nnames; i++)
		r = nx_db_exec(
			db, "INSERT INTO entity_names(entity_id, tenant_id, folded, surface) VALUES ($1, $2, $3, $4)",
			NX_PARAMS(nx_v_int(e->key), nx_v_int(g->c->tenant), nx_v_text(e->names[i]),
				  nx_v_text(e->name.n ? e->name : e->id)),
			err);
	return r;
}

static int write_entity(struct graph_change *g, struct nx_db *db, struct entity *e, struct nx_error **err)
{
	int r = entity_row(g, db, e, err);
	if (r == 0)
		r = insert_entity(g, db, e, err);
	else if (r > 0)
		r = nx_db_exec(
			db,
			"UPDATE entities SET name = $3, type = $4, properties = $5, confidence = $6, origin = 'client',"
			" updated_at = $7 WHERE id = $1 AND tenant_id = $2",
			NX_PARAMS(nx_v_int(e->key), nx_v_int(g->c->tenant), nx_v_text(e->id), nx_v_text(e->type),
				  nx_v_text(e->properties), nx_v_real(e->confidence), nx_v_int(g->now_us)),
			err);
	return r < 0 ? r : write_names(g, db, e, err);
}

static int find_end(struct graph_change *g, struct nx_db *db, const struct relationship *r, const char *member,
		    nx_str id, int64_t *ret, struct nx_error **err)
{
	int e = find_entity(g, db, id, true, ret, err);
	if (e != 0)
		return e < 0 ? e : 0;
	char *what = nx_arena_printf(g->arena, "no entity has the id %.*s", NX_FMT(id));
	(void)report(g, r->index, "relationships", member, what ? what : "no such entity");
	return nx_error_move(err, nx_error_copy(g->err));
}

static int write_relationship(struct graph_change *g, struct nx_db *db, struct relationship *r, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int64_t source = 0, target = 0;
	nx_id uid = nx_id_new();
	int e = find_end(g, db, r, "source_id", r->source, &source, err);
	if (e == 0)
		e = find_end(g, db, r, "target_id", r->target, &target, err);
	if (e < 0)
		return e;
	e = nx_db_query(
		db,
		"INSERT INTO relationships(uid, tenant_id, space, name, source_id, target_id, type, properties, weight,"
		" confidence, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)"
		" ON CONFLICT(tenant_id, space, name) DO UPDATE SET source_id = excluded.source_id,"
		" target_id = excluded.target_id, type = excluded.type, properties = excluded.properties,"
		" weight = excluded.weight, confidence = excluded.confidence, updated_at = excluded.updated_at"
		" RETURNING id",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(g->c->tenant), nx_v_text(g->space), nx_v_text(r->id),
			  nx_v_int(source), nx_v_int(target), nx_v_text(r->type), nx_v_text(r->properties),
			  nx_v_real(r->weight), nx_v_real(r->confidence), nx_v_int(g->now_us)),
		&rows, err);
	if (e == 0)
		e = nx_rows_next(rows, err);
	if (e <= 0)
		return e < 0 ? e : nx_error_set(err, NX_EINTERNAL, "an insert gave no row back");
	r->key = nx_rows_int(rows, 0);
	while (e > 0)
		e = nx_rows_next(rows, err);
	return e;
}

static int answer_graph(struct graph_change *g, bool success, struct nx_error **err)
{
	yyjson_mut_val *o = yyjson_mut_obj(g->doc);
	size_t n = success ? g->nentities + g->nrelationships : 0;
	bool ok = o && yyjson_mut_obj_add_bool(g->doc, o, "success", success) &&
		  yyjson_mut_obj_add_uint(g->doc, o, "inserted_count", n) &&
		  yyjson_mut_obj_add_val(g->doc, o, "errors", g->errors);
	return nx_json_write(g->arena, ok ? o : NULL, false, &g->c->answer, err);
}

static int apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	int r = 0;
	for (size_t i = 0; i < g->nentities && r == 0; i++)
		r = write_entity(g, db, &g->entities[i], err);
	for (size_t i = 0; i < g->nrelationships && r == 0; i++)
		r = write_relationship(g, db, &g->relationships[i], err);
	if (r == 0)
		r = answer_graph(g, true, err);
	return r < 0 ? r : nx_tx_hook_run(c->hook, db, NX_ID_NONE, c->answer, err);
}

/* ---- the way ---- */

static void sync_run(struct nx_job *j)
{
	struct nx_knowledge_change *c = nx_container_of(j, struct nx_knowledge_change, job);
	struct graph_change *g = c->priv;
	struct nx_partition *p;
	struct nx_db *db = nx_store_reader(g->k->store);
	if (g->err)
		return;
	int r = nx_knowledge_partition(g->k, c->tenant, g->space, &p, &g->err);
	for (size_t i = 0; i < g->nentities && r == 0; i++)
		r = nx_graph_sync_entity(p, db, g->entities[i].key, &g->err);
	for (size_t i = 0; i < g->nrelationships && r == 0; i++)
		r = nx_graph_sync_relationship(p, db, g->relationships[i].key, &g->err);
	if (r == 0 && g->gone_entity)
		r = nx_graph_sync_entity(p, db, g->gone_entity, &g->err);
	if (r == 0 && g->gone_relationship)
		(void)nx_graph_sync_relationship(p, db, g->gone_relationship, &g->err);
}

static void done(struct nx_job *j)
{
	struct nx_knowledge_change *c = nx_container_of(j, struct nx_knowledge_change, job);
	struct graph_change *g = c->priv;
	struct nx_error *err = g->err;
	c->priv = NULL;
	nx_knowledge_leave(g->k);
	c->done(c, err);
	nx_error_free(err);
}

static void post_sync(struct graph_change *g)
{
	g->c->job = (struct nx_job){.run = sync_run, .done = done, .reply = g->c->reply, .is_long = true};
	nx_workers_post(g->k->workers, &g->c->job);
}

static void written(struct nx_write *w, struct nx_error *err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	if (err && !g->err)
		g->err = nx_error_copy(err);
	if (err && yyjson_mut_arr_size(g->errors))
		(void)answer_graph(g, false, NULL);
	post_sync(g);
}

static void no_memory(struct nx_job *j)
{
}

static void no_memory_done(struct nx_job *j)
{
	struct nx_knowledge_change *c = nx_container_of(j, struct nx_knowledge_change, job);
	nx_auto_error struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_ENOMEM, "no memory for a change of the graph");
	c->done(c, err);
}

static struct graph_change *begin(struct nx_knowledge *k, struct nx_knowledge_change *c, size_t nentities,
				  size_t nrelationships)
{
	struct graph_change *g = nx_arena_new_of(c->arena, struct graph_change);
	if (g) {
		*g = (struct graph_change){.k = k,
					   .c = c,
					   .arena = c->arena,
					   .now_us = nx_time_wall_us(),
					   .space = c->space.p ? c->space : NX_STR("")};
		g->entities = nx_arena_array(c->arena, struct entity, nentities + 1);
		g->relationships = nx_arena_array(c->arena, struct relationship, nrelationships + 1);
		g->doc = nx_json_new(c->arena);
		g->errors = g->doc ? yyjson_mut_arr(g->doc) : NULL;
	}
	c->priv = g;
	c->answer = NX_STR_NULL;
	if (g && g->entities && g->relationships && g->errors) {
		nx_knowledge_enter(k);
		return g;
	}
	c->job = (struct nx_job){.run = no_memory, .done = no_memory_done, .reply = c->reply};
	nx_workers_post(k->workers, &c->job);
	return NULL;
}

static void go(struct graph_change *g, int (*apply_fn)(struct nx_write *w, struct nx_db *db, struct nx_error **err))
{
	bool big = g->nentities + g->nrelationships > 100;
	if (g->err) {
		(void)answer_graph(g, false, NULL);
		post_sync(g);
		return;
	}
	g->c->write =
		(struct nx_write){.lane = big ? NX_LANE_BULK : NX_LANE_INTERACTIVE, .apply = apply_fn, .done = written};
	nx_store_write(g->k->store, &g->c->write);
}

static size_t size_of(yyjson_val *body, const char *list, struct nx_error **err)
{
	yyjson_val *v = nx_json_get(body, list);
	if (v && !yyjson_is_null(v) && !yyjson_is_arr(v)) {
		(void)nx_error_set(err, NX_EINVAL, "it must be a list");
		(void)nx_error_at(err, "/%s", list);
	}
	if (yyjson_arr_size(v) > ITEMS_MAX && !*err) {
		(void)nx_error_set(err, NX_ELIMIT, "%zu items in one request; the limit is %d", yyjson_arr_size(v),
				   ITEMS_MAX);
		(void)nx_error_at(err, "/%s", list);
	}
	return *err ? 0 : yyjson_arr_size(v);
}

void nx_knowledge_graph_put(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	struct nx_error *err = NULL;
	size_t ne = size_of(c->body, "entities", &err), nr = size_of(c->body, "relationships", &err), i, n;
	if (!err && ne + nr == 0)
		(void)nx_error_set(&err, NX_EINVAL, "there are neither entities nor relationships");
	struct graph_change *g = begin(k, c, ne, nr);
	if (!g) {
		nx_error_free(err);
		return;
	}
	g->err = err;
	yyjson_val *v;
	if (ne)
		yyjson_arr_foreach (nx_json_get(c->body, "entities"), i, n, v)
			read_entity(g, v, i, NX_STR_NULL);
	if (nr)
		yyjson_arr_foreach (nx_json_get(c->body, "relationships"), i, n, v)
			read_relationship(g, v, i, NX_STR_NULL);
	check_twice(g);
	go(g, apply);
}

/* ---- one object: its own JSON is the answer, and faults are told by its members ---- */

/* "/entities/0/type" → "/type". */
static void strip_index(struct graph_change *g)
{
	const char *p = nx_error_pointer(g->err);
	if (!g->err || p[0] != '/')
		return;
	const char *second = strchr(p + 1, '/');
	const char *third = second ? strchr(second + 1, '/') : NULL;
	struct nx_error *e = NULL;
	(void)nx_error_set(&e, nx_error_code(g->err), "%s", nx_error_message(g->err));
	(void)nx_error_at(&e, "%s", third ? third : "");
	nx_error_free(g->err);
	g->err = e;
}

static int apply_one(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	bool entity = g->nentities != 0;
	int r = entity ? write_entity(g, db, &g->entities[0], err)
		       : write_relationship(g, db, &g->relationships[0], err);
	if (r == 0)
		r = entity ? nx_entity_json(db, c->tenant, g->space, c->id, c->arena, &c->answer, err)
			   : nx_relationship_json(db, c->tenant, g->space, c->id, c->arena, &c->answer, err);
	return r < 0 ? r : nx_tx_hook_run(c->hook, db, NX_ID_NONE, c->answer, err);
}

static void put_one(struct nx_knowledge *k, struct nx_knowledge_change *c, bool entity)
{
	struct graph_change *g = begin(k, c, 1, 1);
	if (!g)
		return;
	if (nx_str_trim(c->id).n == 0 || c->id.n > NX_NAME_BYTES_MAX)
		(void)nx_error_set(&g->err, NX_EINVAL, "an id is 1 to %d bytes long", NX_NAME_BYTES_MAX);
	else if (entity)
		read_entity(g, c->body, 0, c->id);
	else
		read_relationship(g, c->body, 0, c->id);
	strip_index(g);
	go(g, apply_one);
}

void nx_knowledge_entity_put(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	put_one(k, c, true);
}

void nx_knowledge_relationship_put(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	put_one(k, c, false);
}

static int answer_deleted(struct nx_knowledge_change *c, struct nx_db *db, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	bool ok = o && nx_json_add_str(d, o, "id", c->id) && yyjson_mut_obj_add_bool(d, o, "deleted", true);
	int r = nx_json_write(c->arena, ok ? o : NULL, false, &c->answer, err);
	return r < 0 ? r : nx_tx_hook_run(c->hook, db, NX_ID_NONE, c->answer, err);
}

/* The name that the entity leaves behind when documents mention it; false when there is none, or it exists already. */
static int name_left_behind(struct graph_change *g, struct nx_db *db, int64_t key, nx_str *ret_id,
			    nx_str *ret_properties, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	yyjson_mut_doc *d = nx_json_new(g->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	int r = nx_db_query(
		db,
		"SELECT 'name:' || n.folded, n.surface FROM entity_names n WHERE n.entity_id = $1 AND n.tenant_id = $2"
		" AND EXISTS (SELECT 1 FROM mentions m WHERE m.entity_id = $1)"
		" AND NOT EXISTS (SELECT 1 FROM entities e WHERE e.tenant_id = $2 AND e.space = $3"
		" AND e.name = 'name:' || n.folded) ORDER BY length(n.folded) DESC LIMIT 1",
		NX_PARAMS(nx_v_int(key), nx_v_int(g->c->tenant), nx_v_text(g->space)), &rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r <= 0)
		return r;
	*ret_id = nx_rows_textdup(rows, 0, g->arena);
	if (!o || !ret_id->p || !nx_json_add_str(d, o, "name", nx_rows_text(rows, 1)))
		return nx_error_set(err, NX_ENOMEM, "no memory for an entity");
	r = nx_json_write(g->arena, o, false, ret_properties, err);
	return r < 0 ? r : 1;
}

/* An entity whose name documents mention becomes that name again; its relationships go. */
static int delete_entity(struct graph_change *g, struct nx_db *db, int64_t key, struct nx_error **err)
{
	struct nx_value id[] = {nx_v_int(key), nx_v_int(g->c->tenant)};
	nx_str name = NX_STR_NULL, properties = NX_STR_NULL;
	int r = nx_db_exec(db, "DELETE FROM relationships WHERE (source_id = $1 OR target_id = $1) AND tenant_id = $2",
			   id, 2, err);
	if (r < 0)
		return r;
	int is_name = name_left_behind(g, db, key, &name, &properties, err);
	if (is_name < 0)
		return is_name;
	r = nx_db_exec(db, "DELETE FROM entity_names WHERE entity_id = $1 AND tenant_id = $2", id, 2, err);
	if (r < 0)
		return r;
	if (!is_name)
		return nx_db_exec(db, "DELETE FROM entities WHERE id = $1 AND tenant_id = $2", id, 2, err);
	return nx_db_exec(
		db,
		"UPDATE entities SET origin = 'found', type = 'NAME', confidence = 1.0, name = $3, properties = $4"
		" WHERE id = $1 AND tenant_id = $2",
		NX_PARAMS(id[0], id[1], nx_v_text(name), nx_v_text(properties)), err);
}

static int apply_delete_entity(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	int r = find_entity(g, db, c->id, true, &g->gone_entity, err);
	if (r <= 0)
		return r < 0 ? r : nx_error_set(err, NX_ENOTFOUND, "no entity has the id %.*s", NX_FMT(c->id));
	r = delete_entity(g, db, g->gone_entity, err);
	return r < 0 ? r : answer_deleted(c, db, err);
}

static int apply_delete_relationship(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	nx_auto_error struct nx_error *none = NULL;
	int r = nx_db_get_int(db, "SELECT id FROM relationships WHERE tenant_id = $1 AND space = $2 AND name = $3",
			      NX_PARAMS(nx_v_int(c->tenant), nx_v_text(g->space), nx_v_text(c->id)),
			      &g->gone_relationship, &none);
	if (r == NX_ENOTFOUND)
		return nx_error_set(err, NX_ENOTFOUND, "no relationship has the id %.*s", NX_FMT(c->id));
	if (r < 0)
		return nx_error_move(err, nx_steal(none));
	r = nx_db_exec(db, "DELETE FROM relationships WHERE id = $1 AND tenant_id = $2",
		       NX_PARAMS(nx_v_int(g->gone_relationship), nx_v_int(c->tenant)), err);
	return r < 0 ? r : answer_deleted(c, db, err);
}

void nx_knowledge_entity_delete(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	struct graph_change *g = begin(k, c, 0, 0);
	if (g)
		go(g, apply_delete_entity);
}

void nx_knowledge_relationship_delete(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	struct graph_change *g = begin(k, c, 0, 0);
	if (g)
		go(g, apply_delete_relationship);
}
