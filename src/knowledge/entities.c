#include "knowledge/entities.h"

#include "knowledge/knowledge_internal.h"

void nx_entities_done(struct nx_entities *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		free((char *)e->v[i].id.p);
	free(e->v);
	free(e->relations);
	free(e->version_of);
	free(e->versions);
	nx_map_done(&e->by_key);
	nx_map_done(&e->by_id);
	nx_map_done(&e->relation_by_key);
	nx_text_index_done(&e->text);
	*e = (struct nx_entities){0};
}

uint32_t nx_entity_find(const struct nx_partition *p, nx_str id)
{
	uint32_t term = nx_partition_find_term(p, NX_TERM_ENTITY, id);
	uint32_t i = term ? nx_map_get(&p->entities.by_id, term) : NX_MAP_NONE;
	return i != NX_MAP_NONE && p->entities.v[i].alive ? i : NX_MAP_NONE;
}

/* ---- what a row says ---- */

struct row {
	nx_id uid;
	nx_str id, type, properties;
	nx_str name, text; /* from the properties */
	nx_str *names;     /* folded */
	size_t nnames;
	struct nx_term *terms;
	size_t nterms;
};

static void add_strings(struct nx_buf *b, yyjson_val *v, int depth)
{
	size_t i, n;
	yyjson_val *k, *x;
	if (yyjson_is_str(v)) {
		nx_buf_adds(b, nx_json_val_str(v));
		nx_buf_addz(b, "\n");
	} else if (yyjson_is_arr(v) && depth < 4) {
		yyjson_arr_foreach (v, i, n, x)
			add_strings(b, x, depth + 1);
	} else if (yyjson_is_obj(v) && depth < 4) {
		yyjson_obj_foreach (v, i, n, k, x)
			add_strings(b, x, depth + 1);
	}
}

static int read_properties(struct row *r, struct nx_arena *a, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_auto_stemmer struct nx_stemmer *s = nx_stemmer_new();
	yyjson_val *v;
	int e = nx_json_read(a, r->properties, NULL, &v, err);
	if (e < 0)
		return e;
	r->name = nx_json_str(v, "name").n ? nx_json_str(v, "name") : r->id;
	nx_buf_addf(&b, "%.*s\n%.*s\n", NX_FMT(r->id), NX_FMT(r->type));
	add_strings(&b, v, 0);
	r->text = nx_str_dup(a, nx_buf_str(&b));
	if (!s || nx_buf_failed(&b) || !r->text.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for an entity");
	return nx_text_analyse(s, r->text, a, &r->terms, &r->nterms, err);
}

static int read_names(struct row *r, struct nx_db *db, int64_t key, struct nx_arena *a, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int e = nx_db_query(db, "SELECT folded FROM entity_names WHERE entity_id = $1 LIMIT 32",
			    NX_PARAMS(nx_v_int(key)), &rows, err);
	r->names = nx_arena_array(a, nx_str, 32);
	if (e == 0 && !r->names)
		return nx_error_set(err, NX_ENOMEM, "no memory for an entity");
	while (e == 0 && (e = nx_rows_next(rows, err)) > 0) {
		r->names[r->nnames] = nx_rows_textdup(rows, 0, a);
		e = r->names[r->nnames++].p ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for an entity");
	}
	return e;
}

/* 1: there is a row of a client's; 0: none. */
static int read_row(struct nx_db *db, int64_t key, struct nx_arena *a, struct row *ret, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int e = nx_db_query(db, "SELECT uid, name, type, properties FROM entities WHERE id = $1 AND origin = 'client'",
			    NX_PARAMS(nx_v_int(key)), &rows, err);
	if (e < 0 || (e = nx_rows_next(rows, err)) <= 0)
		return e;
	*ret = (struct row){.uid = nx_rows_id(rows, 0),
			    .id = nx_rows_textdup(rows, 1, a),
			    .type = nx_rows_textdup(rows, 2, a),
			    .properties = nx_rows_textdup(rows, 3, a)};
	if (!ret->id.p || !ret->type.p || !ret->properties.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for an entity");
	e = read_properties(ret, a, err);
	if (e == 0)
		e = read_names(ret, db, key, a, err);
	return e < 0 ? e : 1;
}

/* ---- memory made to agree ---- */

static void hide(struct nx_entities *e, uint32_t i)
{
	if (i == NX_MAP_NONE || !e->v[i].alive)
		return;
	e->v[i].alive = false;
	e->alive--;
}

static int no_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "no memory for an entity");
}

static int new_entity(struct nx_partition *p, int64_t key, uint32_t *ret, struct nx_error **err)
{
	struct nx_entities *e = &p->entities;
	*ret = nx_map_get(&e->by_key, (uint64_t)key);
	if (*ret != NX_MAP_NONE)
		return 0;
	if (e->n == e->cap) {
		uint32_t cap = e->cap ? 2 * e->cap : 32;
		struct nx_entity *v = realloc(e->v, cap * sizeof(*v));
		if (!v)
			return no_memory(err);
		e->v = v;
		uint32_t *versions = realloc(e->versions, cap * sizeof(*versions));
		if (!versions)
			return no_memory(err);
		e->versions = versions;
		e->cap = cap;
	}
	e->v[e->n] = (struct nx_entity){.key = key};
	if (!nx_map_reserve(&e->by_key, 1))
		return no_memory(err);
	int r = nx_partition_add_node(p, NX_NODE_ENTITY, e->n, &e->v[e->n].node, err);
	if (r < 0)
		return r;
	(void)nx_map_set(&e->by_key, (uint64_t)key, e->n);
	*ret = e->n++;
	return 0;
}

static int set_names(struct nx_partition *p, struct nx_entity *e, const struct row *r, struct nx_error **err)
{
	char *copy = malloc(r->id.n + r->name.n + 1);
	uint32_t term = nx_partition_add_term(p, NX_TERM_ENTITY, r->id);
	if (!copy || !term || !nx_map_set(&p->entities.by_id, term, (uint32_t)(e - p->entities.v))) {
		free(copy);
		return no_memory(err);
	}
	memcpy(copy, r->id.p, r->id.n);
	memcpy(copy + r->id.n, r->name.p, r->name.n);
	free((char *)e->id.p);
	e->id = nx_str_n(copy, r->id.n);
	e->name = nx_str_n(copy + r->id.n, r->name.n);
	return 0;
}

static bool bears(const struct nx_partition *p, uint32_t node, uint32_t name)
{
	struct nx_edge x;
	for (struct nx_edge_iter it = nx_graph_edges(&p->graph, node); nx_edge_next(&it, &x);)
		if (x.label == NX_EDGE_BEARS && x.to == name)
			return true;
	return false;
}

static int link_names(struct nx_partition *p, uint32_t entity, const struct row *r, struct nx_error **err)
{
	uint32_t node = p->entities.v[entity].node, name;
	for (size_t i = 0; i < r->nnames; i++) {
		int e = nx_partition_name_node(p, r->names[i], &name, err);
		if (e == 0 && !bears(p, node, name))
			e = nx_graph_add_edge(&p->graph, node, name, NX_EDGE_BEARS, NX_EDGE_BEARS + NX_EDGE_BACK,
					      entity, 1, err);
		if (e < 0)
			return e;
	}
	return 0;
}

/* Its words get a slot of their own; the slot before it is outdated. */
static int index_text(struct nx_partition *p, uint32_t entity, const struct row *r, struct nx_error **err)
{
	struct nx_entities *e = &p->entities;
	if (e->nversions == e->versions_cap) {
		uint32_t cap = e->versions_cap ? 2 * e->versions_cap : 32;
		uint32_t *v = realloc(e->version_of, cap * sizeof(*v));
		if (!v)
			return no_memory(err);
		e->version_of = v;
		e->versions_cap = cap;
	}
	int rc = nx_text_index_add(&e->text, e->nversions, e->v[entity].key, r->terms, r->nterms, NULL, 0, err);
	if (rc < 0)
		return rc;
	e->version_of[e->nversions] = entity;
	e->versions[entity] = e->nversions++;
	return 0;
}

static int apply_row(struct nx_partition *p, int64_t key, const struct row *r, struct nx_error **err)
{
	uint32_t i;
	int e = new_entity(p, key, &i, err);
	if (e == 0)
		e = set_names(p, &p->entities.v[i], r, err);
	if (e == 0)
		e = link_names(p, i, r, err);
	if (e == 0)
		e = index_text(p, i, r, err);
	if (e < 0)
		return e;
	p->entities.v[i].uid = r->uid;
	p->entities.alive += !p->entities.v[i].alive;
	p->entities.v[i].alive = true;
	return 0;
}

int nx_graph_sync_entity(struct nx_partition *p, struct nx_db *db, int64_t key, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct row r;
	if (!a)
		return no_memory(err);
	pthread_mutex_lock(&p->builder);
	int e = read_row(db, key, a, &r, err);
	pthread_rwlock_wrlock(&p->lock);
	if (e > 0)
		e = apply_row(p, key, &r, err);
	else if (e == 0)
		hide(&p->entities, nx_map_get(&p->entities.by_key, (uint64_t)key));
	pthread_rwlock_unlock(&p->lock);
	pthread_mutex_unlock(&p->builder);
	return e;
}

/* ---- relationships ---- */

struct relation_row {
	int64_t source, target;
	nx_str type;
	double weight;
};

static int read_relation(struct nx_db *db, int64_t key, struct nx_arena *a, struct relation_row *ret,
			 struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int e = nx_db_query(db, "SELECT source_id, target_id, type, weight FROM relationships WHERE id = $1",
			    NX_PARAMS(nx_v_int(key)), &rows, err);
	if (e < 0 || (e = nx_rows_next(rows, err)) <= 0)
		return e;
	*ret = (struct relation_row){.source = nx_rows_int(rows, 0),
				     .target = nx_rows_int(rows, 1),
				     .type = nx_rows_textdup(rows, 2, a),
				     .weight = nx_rows_real(rows, 3)};
	return ret->type.p ? 1 : no_memory(err);
}

static void hide_relation(struct nx_entities *e, uint32_t i)
{
	if (i == NX_MAP_NONE || !e->relations[i].alive)
		return;
	e->relations[i].alive = false;
	e->relations_alive--;
}

static int add_relation(struct nx_partition *p, int64_t key, struct nx_relation r, struct nx_error **err)
{
	struct nx_entities *e = &p->entities;
	if (e->nrelations == e->relations_cap) {
		uint32_t cap = e->relations_cap ? 2 * e->relations_cap : 32;
		struct nx_relation *v = realloc(e->relations, cap * sizeof(*v));
		if (!v)
			return no_memory(err);
		e->relations = v;
		e->relations_cap = cap;
	}
	if (!nx_map_reserve(&e->relation_by_key, 1))
		return no_memory(err);
	int rc = nx_graph_add_edge(&p->graph, e->v[r.source].node, e->v[r.target].node, NX_EDGE_RELATION,
				   NX_EDGE_RELATION + NX_EDGE_BACK, e->nrelations, r.weight, err);
	if (rc < 0)
		return rc;
	e->relations[e->nrelations] = r;
	(void)nx_map_set(&e->relation_by_key, (uint64_t)key, e->nrelations++);
	e->relations_alive++;
	return 0;
}

/* A relationship whose ends or weight changed is a new edge; the old one is dead. */
static int apply_relation(struct nx_partition *p, int64_t key, const struct relation_row *row, struct nx_error **err)
{
	struct nx_entities *e = &p->entities;
	uint32_t old = nx_map_get(&e->relation_by_key, (uint64_t)key);
	struct nx_relation r = {.key = key, .weight = (float)row->weight, .alive = true};
	r.source = nx_map_get(&e->by_key, (uint64_t)row->source);
	r.target = nx_map_get(&e->by_key, (uint64_t)row->target);
	if (r.source == NX_MAP_NONE || r.target == NX_MAP_NONE)
		return 0; /* an end is on its way out */
	r.type = nx_partition_add_term(p, NX_TERM_TYPE, row->type);
	if (!r.type)
		return no_memory(err);
	if (old != NX_MAP_NONE && e->relations[old].alive) {
		const struct nx_relation *o = &e->relations[old];
		if (o->source == r.source && o->target == r.target && o->type == r.type && o->weight >= r.weight &&
		    o->weight <= r.weight)
			return 0;
	}
	hide_relation(e, old);
	return add_relation(p, key, r, err);
}

int nx_graph_sync_relationship(struct nx_partition *p, struct nx_db *db, int64_t key, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct relation_row row;
	if (!a)
		return no_memory(err);
	pthread_mutex_lock(&p->builder);
	int e = read_relation(db, key, a, &row, err);
	pthread_rwlock_wrlock(&p->lock);
	if (e > 0)
		e = apply_relation(p, key, &row, err);
	else if (e == 0)
		hide_relation(&p->entities, nx_map_get(&p->entities.relation_by_key, (uint64_t)key));
	pthread_rwlock_unlock(&p->lock);
	pthread_mutex_unlock(&p->builder);
	return e;
}
