/*
 * Filters. Over documents they are evaluated inside the search, and only for documents that would be among the best; the
 * verdict is kept for the rest of the search.
 */
#include "knowledge/knowledge_internal.h"

#define FIELDS_MAX 16
#define IN_MAX 100

struct nx_filter {
	yyjson_val *spec;
	struct nx_map verdicts; /* of documents, by number + 1 */
	struct nx_arena *scratch;
};

static bool is_scalar(yyjson_val *v)
{
	return yyjson_is_str(v) || yyjson_is_num(v) || yyjson_is_bool(v) || yyjson_is_null(v);
}

static int check_condition(const char *field, yyjson_val *v, struct nx_error **err)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	for (yyjson_val *k; (k = yyjson_obj_iter_next(&it));) {
		yyjson_val *x = yyjson_obj_iter_get_val(k);
		bool ok;
		if (yyjson_equals_str(k, "in"))
			ok = yyjson_is_arr(x) && yyjson_arr_size(x) <= IN_MAX;
		else if (yyjson_equals_str(k, "gte") || yyjson_equals_str(k, "lte"))
			ok = yyjson_is_str(x) || yyjson_is_num(x);
		else
			return nx_error_set(err, NX_EINVAL,
					    "\"%s\" is no comparison; there are \"in\", \"gte\" and \"lte\"",
					    yyjson_get_str(k));
		if (!ok)
			return nx_error_set(err, NX_EINVAL, "\"%s\" of \"%s\" must be %s", yyjson_get_str(k), field,
					    yyjson_equals_str(k, "in") ? "a list of at most 100 values"
								       : "a string or a number");
	}
	return 0;
}

int nx_filter_new(yyjson_val *spec, struct nx_arena *a, struct nx_filter **ret, struct nx_error **err)
{
	*ret = NULL;
	if (!spec || yyjson_is_null(spec) || (yyjson_is_obj(spec) && yyjson_obj_size(spec) == 0))
		return 0;
	if (!yyjson_is_obj(spec) || yyjson_obj_size(spec) > FIELDS_MAX) {
		(void)nx_error_set(err, NX_EINVAL, "filters must be an object of at most %d fields", FIELDS_MAX);
		return nx_error_at(err, "/filters");
	}
	yyjson_obj_iter it = yyjson_obj_iter_with(spec);
	for (yyjson_val *k; (k = yyjson_obj_iter_next(&it));) {
		yyjson_val *v = yyjson_obj_iter_get_val(k);
		int r = yyjson_is_obj(v) ? check_condition(yyjson_get_str(k), v, err)
			: is_scalar(v)
				? 0
				: nx_error_set(err, NX_EINVAL, "a filter is a value or {\"in\",\"gte\",\"lte\"}");
		if (r < 0)
			return nx_error_at(err, "/filters/%s", yyjson_get_str(k));
	}
	struct nx_filter *f = nx_arena_new_of(a, struct nx_filter);
	if (!f || !(f->scratch = nx_arena_new(0)))
		return nx_error_set(err, NX_ENOMEM, "no memory for filters");
	f->spec = spec;
	*ret = f;
	return 0;
}

void nx_filter_done(struct nx_filter *f)
{
	if (!f)
		return;
	nx_map_done(&f->verdicts);
	nx_arena_free(f->scratch);
}

static bool equals(yyjson_val *a, yyjson_val *b)
{
	if (yyjson_is_num(a) && yyjson_is_num(b)) {
		double x = yyjson_get_num(a), y = yyjson_get_num(b);
		return x >= y && x <= y;
	}
	return yyjson_equals(a, b);
}

/* A list matches when one of its members does. */
static bool any_equals(yyjson_val *have, yyjson_val *want)
{
	if (!yyjson_is_arr(have))
		return equals(have, want);
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach (have, i, n, v)
		if (equals(v, want))
			return true;
	return false;
}

/* Below 0, 0 or above, as `have` compares with `want`; false when they have no order. */
static bool compare(yyjson_val *have, yyjson_val *want, int *ret)
{
	if (yyjson_is_num(have) && yyjson_is_num(want)) {
		double x = yyjson_get_num(have), y = yyjson_get_num(want);
		*ret = x < y ? -1 : x > y;
		return true;
	}
	if (yyjson_is_str(have) && yyjson_is_str(want)) {
		*ret = nx_str_cmp(nx_json_val_str(have), nx_json_val_str(want));
		return true;
	}
	return false;
}

static bool holds(yyjson_val *have, yyjson_val *condition)
{
	int c;
	if (!yyjson_is_obj(condition))
		return any_equals(have, condition);
	yyjson_val *in = yyjson_obj_get(condition, "in"), *gte = yyjson_obj_get(condition, "gte"),
		   *lte = yyjson_obj_get(condition, "lte");
	if (gte && (!compare(have, gte, &c) || c < 0))
		return false;
	if (lte && (!compare(have, lte, &c) || c > 0))
		return false;
	if (!in)
		return true;
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach (in, i, n, v)
		if (any_equals(have, v))
			return true;
	return false;
}

bool nx_filter_holds(const struct nx_filter *f, const char *field, yyjson_val *have)
{
	yyjson_val *condition = f ? yyjson_obj_get(f->spec, field) : NULL;

	return !condition || (have && holds(have, condition));
}

static bool is_one_of(nx_str name, const char *const *list)
{
	for (; list && *list; list++)
		if (nx_str_eqz(name, *list))
			return true;
	return false;
}

bool nx_filter_metadata(struct nx_filter *f, nx_str metadata, const char *const *except)
{
	yyjson_val *m = NULL;

	if (!f)
		return true;
	nx_arena_reset(f->scratch);
	yyjson_obj_iter it = yyjson_obj_iter_with(f->spec);
	for (yyjson_val *k; (k = yyjson_obj_iter_next(&it));) {
		if (is_one_of(nx_json_val_str(k), except))
			continue;
		if (!m && (metadata.n == 0 || nx_json_read(f->scratch, metadata, NULL, &m, NULL) < 0))
			return false;
		yyjson_val *have = yyjson_obj_get(m, yyjson_get_str(k));
		if (!have || !holds(have, yyjson_obj_iter_get_val(k)))
			return false;
	}
	return true;
}

bool nx_filter_accepts(struct nx_filter *f, const struct nx_partition *p, uint32_t slot)
{
	if (!f)
		return true;
	uint32_t doc = p->slots[slot].doc;
	uint32_t known = nx_map_get(&f->verdicts, (uint64_t)doc + 1);
	if (known != NX_MAP_NONE)
		return known;
	bool verdict = nx_filter_metadata(f, p->docs[doc].metadata, NULL);
	(void)nx_map_set(&f->verdicts, (uint64_t)doc + 1, verdict);
	return verdict;
}
