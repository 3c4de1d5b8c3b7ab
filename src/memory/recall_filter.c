/*
 * Filters of a recall, as those of a search: over what memory itself knows of an item (agent_id, layer, occurred_at, role),
 * and for every other name over the metadata of its turn. Names are compared with a value or {"in"}, times as times.
 */
#include "memory/recall_internal.h"

static const char *const own[] = {"agent_id", "layer", "occurred_at", "role", NULL};
static const char *const layers[] = {"working", "episodic", "semantic", "procedural", "turn", NULL};
static const char *const roles[] = {"user", "assistant", "system", "tool", "plan", NULL};

static bool is_one_of(nx_str s, const char *const *list)
{
	for (; *list; list++)
		if (nx_str_eqz(s, *list))
			return true;
	return false;
}

/* What an own field is compared with, before and after: a time becomes its microseconds. */
static int check_value(const char *field, yyjson_mut_val *v, struct nx_error **err)
{
	bool layer = strcmp(field, "layer") == 0, role = strcmp(field, "role") == 0;
	nx_str s = yyjson_mut_is_str(v) ? nx_str_n(yyjson_mut_get_str(v), yyjson_mut_get_len(v)) : NX_STR_NULL;
	int64_t at;

	if (strcmp(field, "occurred_at") == 0) {
		if (!s.p || nx_time_parse(s, &at, NULL) < 0)
			return nx_error_set(err, NX_EINVAL,
					    "\"occurred_at\" is compared with RFC 3339 times, as 2026-03-01T12:00:00Z");
		(void)yyjson_mut_set_sint(v, at);
		return 0;
	}
	if (!s.p)
		return nx_error_set(err, NX_EINVAL, "\"%s\" is compared with strings", field);
	if (layer && !is_one_of(s, layers))
		return nx_error_set(
			err, NX_EINVAL,
			"there is no such layer; there are working, episodic, semantic, procedural and turn");
	if (role && !is_one_of(s, roles))
		return nx_error_set(err, NX_EINVAL,
				    "there is no such role; there are user, assistant, system, tool and plan");
	return 0;
}

static int check_comparison(const char *field, const char *name, yyjson_mut_val *v, struct nx_error **err)
{
	yyjson_mut_arr_iter it;
	int rc = 0;

	if (strcmp(name, "in") != 0)
		return strcmp(field, "occurred_at") == 0
			       ? check_value(field, v, err)
			       : nx_error_set(err, NX_EINVAL, "\"%s\" is compared with a value or {\"in\"}", field);
	(void)yyjson_mut_arr_iter_init(v, &it);
	for (yyjson_mut_val *one; rc == 0 && (one = yyjson_mut_arr_iter_next(&it));)
		rc = check_value(field, one, err);
	return rc;
}

static int check_own(const char *field, yyjson_mut_val *condition, struct nx_error **err)
{
	yyjson_mut_obj_iter it;
	int rc = 0;

	if (!condition)
		return 0;
	if (!yyjson_mut_is_obj(condition))
		rc = check_value(field, condition, err);
	(void)yyjson_mut_obj_iter_init(condition, &it);
	for (yyjson_mut_val *k; rc == 0 && (k = yyjson_mut_obj_iter_next(&it));) {
		const char *name = yyjson_mut_get_str(k);
		rc = name ? check_comparison(field, name, yyjson_mut_obj_iter_get_val(k), err) : 0;
	}
	return rc < 0 ? nx_error_at(err, "/filters/%s", field) : 0;
}

int nx_recall_read_filters(struct recall *c, struct nx_error **err)
{
	struct nx_arena *a = c->r->arena;
	yyjson_val *spec = c->r->filters;
	struct nx_filter *plain;
	nx_str text;
	int rc = nx_filter_new(spec, a, &plain, err); /* the rules that all filters share */

	nx_filter_done(plain);
	if (rc < 0 || !plain)
		return rc;
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *copy = d ? yyjson_val_mut_copy(d, spec) : NULL;
	if (!copy)
		return nx_error_set(err, NX_ENOMEM, "no memory for filters");
	for (size_t i = 0; own[i]; i++)
		if ((rc = check_own(own[i], yyjson_mut_obj_get(copy, own[i]), err)) < 0)
			return rc;
	if ((rc = nx_json_write(a, copy, false, &text, err)) < 0 || (rc = nx_json_read(a, text, NULL, &spec, err)) < 0)
		return rc;
	return nx_filter_new(spec, a, &c->filter, err);
}

static bool holds_str(const struct recall *c, const char *field, nx_str s)
{
	yyjson_val v = {0};

	return nx_filter_holds(c->filter, field, s.p && yyjson_set_strn(&v, s.p, s.n) ? &v : NULL);
}

bool nx_recall_wants_layer(const struct recall *c, const char *layer)
{
	return holds_str(c, "layer", nx_str_z(layer));
}

bool nx_recall_accepts(const struct recall *c, const struct recall_subject *s)
{
	yyjson_val at = {0};

	if (!c->filter)
		return true;
	(void)yyjson_set_sint(&at, s->at);
	return holds_str(c, "layer", nx_str_z(s->layer)) && holds_str(c, "role", s->role) &&
	       holds_str(c, "agent_id", s->agent) && nx_filter_holds(c->filter, "occurred_at", &at) &&
	       nx_filter_metadata(c->filter, s->metadata, own);
}
