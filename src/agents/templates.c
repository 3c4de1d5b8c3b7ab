/* Templates in a rule's inputs: text is put into strings, never run. */
#include "agents/agents_internal.h"

struct filler {
	const struct nx_template_scope *scope;
	struct nx_arena *arena;
	yyjson_mut_doc *doc;
};

/* The value a name stands for: a string in *ret_text, or any value in *ret_val. False when there is none. */
static bool look_up(const struct nx_template_scope *s, nx_str name, nx_str *ret_text, yyjson_val **ret_val)
{
	nx_str rest = name, head = nx_str_cut(&rest, '.');
	int64_t n;

	*ret_val = NULL;
	*ret_text = NX_STR_NULL;
	if (nx_str_eqz(name, "input"))
		*ret_text = s->input;
	else if (nx_str_eqz(name, "intent"))
		*ret_text = s->intent;
	else if (nx_str_eqz(name, "user_id"))
		*ret_text = s->user_id.p ? s->user_id : NX_STR("");
	else if (nx_str_eqz(name, "session"))
		*ret_text = s->session.p ? s->session : NX_STR("");
	else if (nx_str_eqz(head, "data"))
		*ret_val = s->data ? yyjson_obj_getn(s->data, rest.p, rest.n) : NULL;
	else if (nx_str_eqz(head, "calls") && nx_str_to_i64(nx_str_cut(&rest, '.'), &n) && n >= 0 &&
		 (size_t)n < s->ncalls)
		*ret_val = yyjson_obj_getn(s->calls[n], rest.p, rest.n);
	if (*ret_val && yyjson_is_str(*ret_val))
		*ret_text = nx_json_val_str(*ret_val);
	return ret_text->p || *ret_val;
}

static bool find_hole(nx_str s, size_t from, size_t *ret_open, size_t *ret_close)
{
	ptrdiff_t open = nx_str_find(nx_str_slice(s, from, s.n), NX_STR("{{"));
	if (open < 0)
		return false;
	*ret_open = from + (size_t)open;
	ptrdiff_t close = nx_str_find(nx_str_slice(s, *ret_open, s.n), NX_STR("}}"));
	*ret_close = *ret_open + (size_t)close;
	return close >= 0;
}

static nx_str hole_name(nx_str s, size_t open, size_t close)
{
	return nx_str_trim(nx_str_slice(s, open + 2, close));
}

static yyjson_mut_val *fill_text(struct filler *f, nx_str s)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	size_t at = 0, open, close;
	nx_str text;
	yyjson_val *v;

	while (find_hole(s, at, &open, &close)) {
		nx_buf_adds(&b, nx_str_slice(s, at, open));
		if (look_up(f->scope, hole_name(s, open, close), &text, &v)) {
			if (!text.p)
				(void)nx_json_write_val(f->arena, v, false, &text, NULL);
			nx_buf_adds(&b, text);
		}
		at = close + 2;
	}
	nx_buf_adds(&b, nx_str_slice(s, at, s.n));
	return nx_buf_failed(&b) ? NULL : yyjson_mut_strncpy(f->doc, b.p ? b.p : "", b.n);
}

/* A string that is one hole takes the value as it is; an absent one leaves the member out (NULL and *ret_absent). */
static yyjson_mut_val *fill_string(struct filler *f, nx_str s, bool *ret_absent)
{
	size_t open, close;
	nx_str text;
	yyjson_val *v;

	if (!find_hole(s, 0, &open, &close))
		return yyjson_mut_strncpy(f->doc, s.p, s.n);
	if (open != 0 || close + 2 != s.n)
		return fill_text(f, s);
	if (!look_up(f->scope, hole_name(s, open, close), &text, &v)) {
		*ret_absent = true;
		return NULL;
	}
	return v ? yyjson_val_mut_copy(f->doc, v) : yyjson_mut_strncpy(f->doc, text.p, text.n);
}

static yyjson_mut_val *fill(struct filler *f, yyjson_val *v, unsigned depth, bool *ret_absent)
{
	yyjson_val *key, *item;
	yyjson_mut_val *out, *child;
	size_t i, n;

	*ret_absent = false;
	if (yyjson_is_str(v))
		return fill_string(f, nx_json_val_str(v), ret_absent);
	if (depth > 16 || (!yyjson_is_obj(v) && !yyjson_is_arr(v)))
		return yyjson_val_mut_copy(f->doc, v);
	if (yyjson_is_obj(v)) {
		out = yyjson_mut_obj(f->doc);
		yyjson_obj_foreach (v, i, n, key, item)
			if ((child = fill(f, item, depth + 1, ret_absent)) != NULL)
				yyjson_mut_obj_add(out, yyjson_val_mut_copy(f->doc, key), child);
	} else {
		out = yyjson_mut_arr(f->doc);
		yyjson_arr_foreach (v, i, n, item)
			if ((child = fill(f, item, depth + 1, ret_absent)) != NULL)
				yyjson_mut_arr_append(out, child);
	}
	*ret_absent = false;
	return out;
}

int nx_template_fill(yyjson_val *v, const struct nx_template_scope *s, struct nx_arena *a, yyjson_val **ret,
		     struct nx_error **err)
{
	struct filler f = {.scope = s, .arena = a, .doc = nx_json_new(a)};
	bool absent;
	nx_str text;

	if (!f.doc)
		return nx_error_set(err, NX_ENOMEM, "fill a template");
	yyjson_mut_val *out = fill(&f, v, 0, &absent);
	int rc = nx_json_write(a, out, false, &text, err);
	return rc < 0 ? rc : nx_json_read(a, text, NULL, ret, err);
}
