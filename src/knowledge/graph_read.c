/* Entities and relationships of a request, and all that is wrong with them. */
#include "knowledge/graph_change.h"

#define ERRORS_MAX 100
#define PROPERTIES_MAX 65536

int nx_change_report(struct graph_change *g, size_t index, const char *list, const char *member, const char *what)
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
		(void)nx_change_report(g, index, list, "", what);
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
			(void)nx_change_report(g, index, list, member, "it is missing");
		return NX_STR_NULL;
	}
	if (!yyjson_is_str(m))
		(void)nx_change_report(g, index, list, member, "it must be a string");
	else if (nx_str_trim(s).n == 0 || s.n > max)
		(void)nx_change_report(g, index, list, member, "it must be 1 to 512 bytes long and not blank");
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
		(void)nx_change_report(g, index, list, member,
				       max > 1 ? "it must be a number from 0 to 1000000"
					       : "it must be a number from 0 to 1");
	return d;
}

static nx_str read_properties(struct graph_change *g, yyjson_val *v, size_t index, const char *list)
{
	yyjson_val *m = yyjson_obj_get(v, "properties");
	nx_str s = NX_STR("{}");
	if (!m || yyjson_is_null(m))
		return s;
	if (!yyjson_is_obj(m))
		(void)nx_change_report(g, index, list, "properties", "it must be an object");
	else if (nx_json_write_val(g->arena, m, false, &s, NULL) < 0 || s.n > PROPERTIES_MAX)
		(void)nx_change_report(g, index, list, "properties", "it is longer than 65536 bytes");
	return s;
}

static void add_name(struct graph_change *g, struct change_entity *e, nx_str name)
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

static void read_names(struct graph_change *g, struct change_entity *e, yyjson_val *properties)
{
	e->name = nx_json_str(properties, "name");
	if (e->name.n)
		add_name(g, e, e->name);
	add_name(g, e, e->id);
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach (nx_json_get(properties, "aliases"), i, n, v)
		if (i < NX_CHANGE_ALIASES_MAX && yyjson_is_str(v))
			add_name(g, e, nx_json_val_str(v));
}

void nx_change_read_entity(struct graph_change *g, yyjson_val *v, size_t index, nx_str id)
{
	static const char *const members[] = {"id",         "type",       "properties", "embeddings",
					      "confidence", "created_at", "updated_at", NULL};
	struct change_entity *e = &g->entities[g->nentities++];
	e->index = index;
	if (!yyjson_is_obj(v)) {
		(void)nx_change_report(g, index, "entities", "", "it must be an object");
		return;
	}
	check_members(g, v, index, "entities", members);
	e->id = id.p && !yyjson_obj_get(v, "id") ? id
						 : read_string(g, v, index, "entities", "id", true, NX_NAME_BYTES_MAX);
	if (id.p && e->id.p && !nx_str_eq(id, e->id))
		(void)nx_change_report(g, index, "entities", "id", "it is not the id of the path");
	if (nx_str_starts(e->id, NX_STR("name:")))
		(void)nx_change_report(g, index, "entities", "id",
				       "ids that begin with name: belong to names found in documents");
	e->type = read_string(g, v, index, "entities", "type", true, NX_NAME_BYTES_MAX);
	e->properties = read_properties(g, v, index, "entities");
	e->confidence = read_number(g, v, index, "entities", "confidence", 1);
	if (e->id.p)
		read_names(g, e, yyjson_obj_get(v, "properties"));
}

void nx_change_read_relationship(struct graph_change *g, yyjson_val *v, size_t index, nx_str id)
{
	static const char *const members[] = {"id",     "source_id",  "target_id",  "relationship_type", "properties",
					      "weight", "confidence", "created_at", "updated_at",        NULL};
	static const char list[] = "relationships";
	struct change_relationship *r = &g->relationships[g->nrelationships++];
	r->index = index;
	if (!yyjson_is_obj(v)) {
		(void)nx_change_report(g, index, list, "", "it must be an object");
		return;
	}
	check_members(g, v, index, list, members);
	r->id = id.p && !yyjson_obj_get(v, "id") ? id : read_string(g, v, index, list, "id", true, NX_NAME_BYTES_MAX);
	if (id.p && r->id.p && !nx_str_eq(id, r->id))
		(void)nx_change_report(g, index, list, "id", "it is not the id of the path");
	r->source = read_string(g, v, index, list, "source_id", true, NX_NAME_BYTES_MAX);
	r->target = read_string(g, v, index, list, "target_id", true, NX_NAME_BYTES_MAX);
	r->type = read_string(g, v, index, list, "relationship_type", true, NX_NAME_BYTES_MAX);
	r->properties = read_properties(g, v, index, list);
	r->weight = read_number(g, v, index, list, "weight", 1e6);
	r->confidence = read_number(g, v, index, list, "confidence", 1);
}

static int entity_order(const void *a, const void *b)
{
	return nx_str_cmp((*(struct change_entity *const *)a)->id, (*(struct change_entity *const *)b)->id);
}

static int relationship_order(const void *a, const void *b)
{
	return nx_str_cmp((*(struct change_relationship *const *)a)->id, (*(struct change_relationship *const *)b)->id);
}

void nx_change_check_twice(struct graph_change *g)
{
	struct change_entity **e = nx_arena_array(g->arena, struct change_entity *, g->nentities + 1);
	struct change_relationship **r = nx_arena_array(g->arena, struct change_relationship *, g->nrelationships + 1);
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
			(void)nx_change_report(g, nx_max(e[i]->index, e[i - 1]->index), "entities", "id",
					       "the id is used twice");
	for (size_t i = 1; i < g->nrelationships; i++)
		if (nx_str_eq(r[i - 1]->id, r[i]->id))
			(void)nx_change_report(g, nx_max(r[i]->index, r[i - 1]->index), "relationships", "id",
					       "the id is used twice");
}
