/*
 * References between steps: {"$ref": pointer} in an input, and the `when` of a step.
 *
 * A pointer (RFC 6901) goes into the task: /input, /metadata/…, /steps/ID/output/…, /steps/ID/state. What it brings from a
 * step carries that step's taint.
 */
#include "base/assert.h"
#include "core/core_internal.h"

#define MAX_DEPTH 64

static yyjson_val *as_ref(yyjson_val *v)
{
	yyjson_val *r = yyjson_is_obj(v) && yyjson_obj_size(v) == 1 ? yyjson_obj_get(v, "$ref") : NULL;
	return yyjson_is_str(r) ? r : NULL;
}

static int visit_value(yyjson_val *v, unsigned depth, int (*visit)(nx_str, void *, struct nx_error **), void *ctx,
		       struct nx_error **err)
{
	yyjson_val *ref = as_ref(v), *key, *item;
	size_t i, n;
	int rc;

	if (ref)
		return visit(nx_json_val_str(ref), ctx, err);
	if (depth > MAX_DEPTH)
		return nx_error_set(err, NX_ELIMIT, "the input is nested deeper than %d", MAX_DEPTH);
	if (yyjson_is_obj(v)) {
		yyjson_obj_foreach (v, i, n, key, item)
			if ((rc = visit_value(item, depth + 1, visit, ctx, err)) < 0)
				return rc;
	} else if (yyjson_is_arr(v)) {
		yyjson_arr_foreach (v, i, n, item)
			if ((rc = visit_value(item, depth + 1, visit, ctx, err)) < 0)
				return rc;
	}
	return 0;
}

int nx_refs_visit(yyjson_val *input, int (*visit)(nx_str pointer, void *ctx, struct nx_error **err), void *ctx,
		  struct nx_error **err)
{
	return input ? visit_value(input, 0, visit, ctx, err) : 0;
}

static const struct nx_step *step_named(const struct nx_task *t, nx_str id)
{
	for (size_t i = 0; i < t->nsteps; i++)
		if (nx_str_eq(t->steps[i].spec->id, id))
			return &t->steps[i];
	return NULL;
}

struct resolver {
	const struct nx_task *task;
	struct nx_arena *arena;
	yyjson_mut_doc *doc;
	bool tainted;
};

static yyjson_mut_val *copy_text(struct resolver *r, nx_str s)
{
	return yyjson_mut_strncpy(r->doc, s.p ? s.p : "", s.n);
}

/* The rest of a pointer within JSON text of ours. NULL value when it leads nowhere. */
static int follow(struct resolver *r, nx_str json, nx_str rest, yyjson_val **ret, struct nx_error **err)
{
	yyjson_val *root;

	*ret = NULL;
	if (!json.p)
		return 0;
	int rc = nx_json_read(r->arena, json, NULL, &root, err);
	if (rc < 0)
		return rc;
	*ret = rest.n == 0 ? root : yyjson_ptr_getn(root, rest.p, rest.n);
	return 0;
}

static int resolve_step(struct resolver *r, nx_str id, nx_str rest, yyjson_mut_val **ret, struct nx_error **err)
{
	const struct nx_step *s = step_named(r->task, id);
	yyjson_val *v;

	if (!s)
		return nx_error_set(err, NX_EINVAL, "there is no step `%.*s`", NX_FMT(id));
	if (nx_str_eq(rest, NX_STR("/state"))) {
		*ret = yyjson_mut_str(r->doc, nx_step_state_names[s->state]);
		return 0;
	}
	if (!nx_str_starts(rest, NX_STR("/output")))
		return nx_error_set(err, NX_EINVAL, "of a step only /output and /state can be referred to");
	int rc = follow(r, s->output, nx_str_slice(rest, sizeof("/output") - 1, rest.n), &v, err);
	if (rc < 0)
		return rc;
	if (!v)
		return nx_error_set(err, NX_EINVAL, "the output of step `%.*s` has no `%.*s`", NX_FMT(id),
				    NX_FMT(rest));
	r->tainted |= s->tainted;
	*ret = yyjson_val_mut_copy(r->doc, v);
	return 0;
}

static int resolve_pointer(struct resolver *r, nx_str pointer, yyjson_mut_val **ret, struct nx_error **err)
{
	nx_str rest = pointer;
	const struct nx_task *t = r->task;

	nx_str_cut(&rest, '/');
	nx_str head = nx_str_cut(&rest, '/');
	*ret = NULL;
	if (nx_str_eq(head, NX_STR("input"))) {
		*ret = copy_text(r, t->request->input);
	} else if (nx_str_eq(head, NX_STR("metadata"))) {
		size_t used = sizeof("/metadata") - 1;
		yyjson_val *v = t->request->metadata;
		if (v && pointer.n > used)
			v = yyjson_ptr_getn(v, pointer.p + used, pointer.n - used);
		*ret = v ? yyjson_val_mut_copy(r->doc, v) : yyjson_mut_null(r->doc);
	} else if (nx_str_eq(head, NX_STR("steps"))) {
		nx_str id = nx_str_cut(&rest, '/');
		size_t used = (size_t)(id.p + id.n - pointer.p);
		return resolve_step(r, id, nx_str_slice(pointer, used, pointer.n), ret, err);
	} else {
		return nx_error_set(err, NX_EINVAL, "$ref `%.*s` must begin with /input, /metadata or /steps",
				    NX_FMT(pointer));
	}
	return *ret ? 0 : nx_error_set(err, NX_ENOMEM, "resolve a reference");
}

static int resolve_value(struct resolver *r, yyjson_val *v, unsigned depth, yyjson_mut_val **ret, struct nx_error **err)
{
	yyjson_val *ref = as_ref(v), *key, *item;
	yyjson_mut_val *out;
	size_t i, n;
	int rc;

	if (ref)
		return resolve_pointer(r, nx_json_val_str(ref), ret, err);
	if (depth > MAX_DEPTH)
		return nx_error_set(err, NX_ELIMIT, "the input is nested deeper than %d", MAX_DEPTH);
	if (yyjson_is_obj(v)) {
		*ret = yyjson_mut_obj(r->doc);
		yyjson_obj_foreach (v, i, n, key, item) {
			if ((rc = resolve_value(r, item, depth + 1, &out, err)) < 0)
				return rc;
			yyjson_mut_obj_add(*ret, yyjson_val_mut_copy(r->doc, key), out);
		}
	} else if (yyjson_is_arr(v)) {
		*ret = yyjson_mut_arr(r->doc);
		yyjson_arr_foreach (v, i, n, item) {
			if ((rc = resolve_value(r, item, depth + 1, &out, err)) < 0)
				return rc;
			yyjson_mut_arr_append(*ret, out);
		}
	} else {
		*ret = yyjson_val_mut_copy(r->doc, v);
	}
	return *ret ? 0 : nx_error_set(err, NX_ENOMEM, "resolve references");
}

int nx_refs_resolve(const struct nx_task *t, yyjson_val *input, struct nx_arena *a, yyjson_val **ret, bool *ret_tainted,
		    struct nx_error **err)
{
	struct resolver r = {.task = t, .arena = a, .doc = nx_json_new(a)};
	yyjson_mut_val *v = NULL;
	nx_str text;
	int rc;

	if (!r.doc)
		return nx_error_set(err, NX_ENOMEM, "resolve references");
	if (!input)
		v = yyjson_mut_obj(r.doc);
	else if ((rc = resolve_value(&r, input, 0, &v, err)) < 0)
		return rc;
	/* Read again, because tools take what a client would have sent: an immutable value within the same limits. */
	if ((rc = nx_json_write(a, v, false, &text, err)) < 0 || (rc = nx_json_read(a, text, NULL, ret, err)) < 0)
		return rc;
	*ret_tainted = r.tainted;
	return 0;
}

/* ---- when ---- */

enum comparison { CMP_TRUTH, CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

struct condition {
	bool negated;
	nx_str pointer, literal;
	enum comparison op;
};

static int parse_condition(nx_str e, struct condition *ret, struct nx_error **err)
{
	static const struct {
		const char *text;
		enum comparison op;
	} ops[] = {{"==", CMP_EQ}, {"!=", CMP_NE}, {"<=", CMP_LE}, {">=", CMP_GE}, {"<", CMP_LT}, {">", CMP_GT}};

	*ret = (struct condition){0};
	e = nx_str_trim(e);
	if (e.n > 0 && e.p[0] == '!') {
		ret->negated = true;
		e = nx_str_trim(nx_str_slice(e, 1, e.n));
	}
	ret->pointer = e;
	for (size_t i = 0; i < nx_countof(ops) && ret->op == CMP_TRUTH; i++) {
		ptrdiff_t at = nx_str_find(e, nx_str_z(ops[i].text));
		if (at < 0)
			continue;
		ret->op = ops[i].op;
		ret->pointer = nx_str_trim(nx_str_slice(e, 0, (size_t)at));
		ret->literal = nx_str_trim(nx_str_slice(e, (size_t)at + strlen(ops[i].text), e.n));
	}
	if (ret->pointer.n == 0 || ret->pointer.p[0] != '/' || (ret->op != CMP_TRUTH && ret->literal.n == 0))
		return nx_error_set(err, NX_EINVAL,
				    "`when` must be [!]POINTER, or POINTER ==|!=|<|<=|>|>= a JSON value, not `%.*s`",
				    NX_FMT(e));
	return 0;
}

int nx_refs_when_check(nx_str expression, struct nx_error **err)
{
	struct condition c;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_val *v;

	int rc = parse_condition(expression, &c, err);
	if (rc < 0 || c.op == CMP_TRUTH)
		return rc;
	if (!a)
		return nx_error_set(err, NX_ENOMEM, "check `when`");
	rc = nx_json_read(a, c.literal, NULL, &v, err);
	return rc < 0 ? nx_error_wrap(err, "`when`: the value compared with") : 0;
}

static bool truth(yyjson_val *v)
{
	if (yyjson_is_bool(v))
		return yyjson_get_bool(v);
	if (yyjson_is_num(v))
		return yyjson_get_num(v) != 0;
	if (yyjson_is_str(v))
		return yyjson_get_len(v) > 0;
	return v && !yyjson_is_null(v) && yyjson_get_len(v) > 0;
}

static int order(yyjson_val *a, yyjson_val *b, int *ret, struct nx_error **err)
{
	if (yyjson_is_num(a) && yyjson_is_num(b)) {
		double x = yyjson_get_num(a), y = yyjson_get_num(b);
		*ret = (x > y) - (x < y);
		return 0;
	}
	if (yyjson_is_str(a) && yyjson_is_str(b)) {
		*ret = nx_str_cmp(nx_json_val_str(a), nx_json_val_str(b));
		return 0;
	}
	return nx_error_set(err, NX_EINVAL, "`when` can order two numbers or two strings only");
}

static int compare(enum comparison op, yyjson_val *a, yyjson_val *b, bool *ret, struct nx_error **err)
{
	int o = 0;

	if (op == CMP_EQ || op == CMP_NE) {
		bool same = yyjson_is_num(a) && yyjson_is_num(b) ? !(yyjson_get_num(a) < yyjson_get_num(b)) &&
									   !(yyjson_get_num(a) > yyjson_get_num(b))
								 : yyjson_equals(a, b);
		*ret = same == (op == CMP_EQ);
		return 0;
	}
	int rc = order(a, b, &o, err);
	if (rc < 0)
		return rc;
	*ret = op == CMP_LT ? o < 0 : op == CMP_LE ? o <= 0 : op == CMP_GT ? o > 0 : o >= 0;
	return 0;
}

int nx_refs_when(const struct nx_task *t, nx_str expression, bool *ret, struct nx_error **err)
{
	struct condition c;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct resolver r = {.task = t, .arena = a};
	yyjson_mut_val *m;
	yyjson_val *left, *right;
	nx_str text;
	int rc;

	if (!a || !(r.doc = nx_json_new(a)))
		return nx_error_set(err, NX_ENOMEM, "evaluate `when`");
	if ((rc = parse_condition(expression, &c, err)) < 0 || (rc = resolve_pointer(&r, c.pointer, &m, err)) < 0 ||
	    (rc = nx_json_write(a, m, false, &text, err)) < 0 || (rc = nx_json_read(a, text, NULL, &left, err)) < 0)
		return rc;
	if (c.op == CMP_TRUTH) {
		*ret = truth(left) != c.negated;
		return 0;
	}
	if ((rc = nx_json_read(a, c.literal, NULL, &right, err)) < 0 || (rc = compare(c.op, left, right, ret, err)) < 0)
		return rc;
	*ret ^= c.negated;
	return 0;
}
