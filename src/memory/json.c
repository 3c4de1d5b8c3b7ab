/* Memories as the API shows them. */
#include "memory/memory_internal.h"

static yyjson_mut_val *item_json(const struct nx_memory_item *m, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);
	char text[NX_ID_TEXT];

	nx_json_add_id(d, o, "id", m->id);
	nx_json_add_strz(d, o, "layer", m->layer);
	nx_json_add_str(d, o, "role", m->role);
	nx_json_add_str(d, o, "text", m->text);
	yyjson_mut_obj_add_real(d, o, "score", m->score);
	yyjson_mut_obj_add_real(d, o, "importance", m->importance);
	nx_json_add_time(d, o, "occurred_at", m->occurred_at);
	nx_json_add_str(d, o, "why", m->why);
	yyjson_mut_val *sources = yyjson_mut_obj_add_arr(d, o, "sources");
	for (size_t i = 0; i < m->nsources; i++) {
		nx_id_format(m->sources[i], text);
		yyjson_mut_arr_add_strcpy(d, sources, text);
	}
	yyjson_mut_obj_add_bool(d, o, "tainted", m->tainted);
	return o;
}

static void add_list(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, const struct nx_memory_item *items,
		     size_t n)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, key);

	for (size_t i = 0; i < n; i++)
		yyjson_mut_arr_append(list, item_json(&items[i], d));
}

yyjson_mut_val *nx_memory_recall_json(const struct nx_memory_recall *r, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);

	add_list(d, o, "working", r->working, r->nworking);
	add_list(d, o, "episodic", r->episodic, r->nepisodic);
	add_list(d, o, "semantic", r->semantic, r->nsemantic);
	add_list(d, o, "procedural", r->procedural, r->nprocedural);
	add_list(d, o, "ranked", r->ranked, r->nranked);
	return o;
}
