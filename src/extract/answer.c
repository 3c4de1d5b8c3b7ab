/*
 * The words between the server and the program that reads foreign formats: its arguments, and its answer.
 *
 *   {"title":…,"unit":"page","text":…,"blocks":[[kind,level,start,length,from,to],…]}
 *   {"error":{"code":"NX-TYPE","message":…,"hint":…}}
 * The answer comes from a process that has read what an enemy wrote: every number is checked, every text is bounded.
 */
#include "base/json.h"
#include "base/macros.h"
#include "extract/extract.h"

#define ANSWER_SLACK 65536
#define BLOCK_JSON_MAX 80 /* bytes of one block */
#define MESSAGE_MAX 500

char **nx_extract_arguments(enum nx_format f, const struct nx_extract_limits *l, struct nx_arena *a)
{
	char **v = nx_arena_array(a, char *, 8);
	if (!v)
		return NULL;
	v[0] = nx_arena_strdup(a, "nexus-extract");
	v[1] = nx_arena_strdup(a, nx_format_name(f));
	v[2] = nx_arena_printf(a, "%zu", l->max_text);
	v[3] = nx_arena_printf(a, "%zu", l->max_blocks);
	v[4] = nx_arena_printf(a, "%zu", l->max_expanded);
	v[5] = nx_arena_printf(a, "%u", l->max_ratio);
	v[6] = nx_arena_printf(a, "%u", l->max_depth);
	for (int i = 0; i < 7; i++)
		if (!v[i])
			return NULL;
	return v;
}

static int is_broken(struct nx_error **err)
{
	return nx_error_set(err, NX_EPARSE, "the program that reads documents gave an answer that is not one");
}

/* Only what a document can be guilty of; the rest is ours. */
static int reported_error(yyjson_val *e, struct nx_error **err)
{
	static const int codes[] = {NX_ETYPE,  NX_ETOOBIG,      NX_ELIMIT,   NX_EENCODING, NX_EPARSE,
				    NX_ENOMEM, NX_EUNSUPPORTED, NX_EMISSING, NX_EFORBIDDEN};
	nx_str name = nx_json_str(e, "code"), hint = nx_utf8_truncate(nx_json_str(e, "hint"), MESSAGE_MAX);
	nx_str message = nx_utf8_truncate(nx_json_str(e, "message"), MESSAGE_MAX);
	int code = NX_ETYPE;
	for (size_t i = 0; i < nx_countof(codes); i++)
		if (nx_str_eqz(name, nx_error_info(codes[i])->name))
			code = codes[i];
	nx_error_set(err, code, "%.*s", NX_FMT(message));
	return hint.n ? nx_error_hint(err, "%.*s", NX_FMT(hint)) : code;
}

static bool read_number(yyjson_val *row, size_t i, uint64_t max, uint64_t *ret)
{
	yyjson_val *v = yyjson_arr_get(row, i);
	if (!yyjson_is_uint(v) || yyjson_get_uint(v) > max)
		return false;
	*ret = yyjson_get_uint(v);
	return true;
}

static bool is_boundary(nx_str text, size_t at)
{
	return at == text.n || ((unsigned char)text.p[at] & 0xc0) != 0x80;
}

static bool read_block(yyjson_val *row, nx_str text, size_t least, struct nx_block *ret)
{
	uint64_t kind, level, start, length, from, to;
	if (!read_number(row, 0, NX_BLOCK_MAX - 1, &kind) || !read_number(row, 1, 255, &level) ||
	    !read_number(row, 2, text.n, &start) || !read_number(row, 3, text.n, &length) ||
	    !read_number(row, 4, UINT32_MAX, &from) || !read_number(row, 5, UINT32_MAX, &to))
		return false;
	if (start < least || length == 0 || length > text.n - start || to < from || !is_boundary(text, start) ||
	    !is_boundary(text, start + length))
		return false;
	*ret = (struct nx_block){.start = (uint32_t)start,
				 .length = (uint32_t)length,
				 .from = (uint32_t)from,
				 .to = (uint32_t)to,
				 .kind = (uint8_t)kind,
				 .level = (uint8_t)level};
	return true;
}

static int read_blocks(yyjson_val *list, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *d,
		       struct nx_error **err)
{
	size_t n = yyjson_arr_size(list), least = 0;
	if (!yyjson_is_arr(list) || n > l->max_blocks)
		return is_broken(err);
	d->blocks = nx_arena_array(a, struct nx_block, n + 1);
	if (!d->blocks)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu parts", n);
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *row; (row = yyjson_arr_iter_next(&it));) {
		struct nx_block *b = &d->blocks[d->nblocks];
		if (!read_block(row, d->text, least, b))
			return is_broken(err);
		least = b->start + b->length;
		d->nblocks++;
	}
	return 0;
}

int nx_extract_read_answer(nx_str json, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *ret,
			   struct nx_error **err)
{
	nx_auto_error struct nx_error *why = NULL;
	struct nx_extracted d = {0};
	struct nx_json_limits limits = {.max_bytes = 6 * l->max_text + BLOCK_JSON_MAX * l->max_blocks + ANSWER_SLACK,
					.max_depth = 8};
	yyjson_val *root;
	if (nx_json_read(a, json, &limits, &root, &why) < 0)
		return is_broken(err);
	yyjson_val *error = nx_json_get(root, "error");
	if (yyjson_is_obj(error))
		return reported_error(error, err);
	d.title = nx_utf8_truncate(nx_json_str(root, "title"), MESSAGE_MAX);
	d.text = nx_json_str(root, "text");
	if (d.text.n == 0 || d.text.n > l->max_text)
		return is_broken(err);
	nx_str unit = nx_json_str(root, "unit");
	for (unsigned i = 0; i < NX_PLACE_MAX; i++)
		if (nx_str_eqz(unit, nx_place_names[i]))
			d.unit = (enum nx_place_unit)i;
	int r = read_blocks(nx_json_get(root, "blocks"), l, a, &d, err);
	if (r == 0)
		*ret = d;
	return r;
}
