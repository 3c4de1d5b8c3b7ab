/* What server and driver say to each other: JSON behind four bytes of length, little endian. */
#include "execution/session_internal.h"

static const char png_head[] = "\x89PNG\r\n\x1a\n";

int nx_session_frame_cut(nx_str in, size_t max, nx_str *ret, size_t *ret_used, struct nx_error **err)
{
	if (in.n < NX_SESSION_FRAME_HEAD)
		return 0;
	const unsigned char *b = (const unsigned char *)in.p;
	size_t n = (size_t)b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
	if (n > max)
		return nx_error_set(err, NX_ETOOBIG, "an answer of %zu bytes is more than %zu", n, max);
	if (in.n - NX_SESSION_FRAME_HEAD < n)
		return 0;
	*ret = nx_str_n(in.p + NX_SESSION_FRAME_HEAD, n);
	*ret_used = NX_SESSION_FRAME_HEAD + n;
	return 1;
}

bool nx_session_frame_add(struct nx_buf *out, nx_str json)
{
	const char head[NX_SESSION_FRAME_HEAD] = {(char)(json.n & 255), (char)(json.n >> 8 & 255),
						  (char)(json.n >> 16 & 255), (char)(json.n >> 24 & 255)};
	return json.n <= UINT32_MAX && nx_buf_add(out, head, sizeof(head)) && nx_buf_adds(out, json);
}

/* What says that it is an image must begin like one; else there is none. */
static nx_str take_png(nx_str base64, struct nx_arena *a)
{
	nx_str bytes;
	if (base64.n == 0 || nx_base64_decode(a, base64, &bytes, NULL) < 0 || bytes.n < sizeof(png_head) - 1 ||
	    memcmp(bytes.p, png_head, sizeof(png_head) - 1) != 0)
		return NX_STR_NULL;
	return base64;
}

static int read_outcome(nx_str name, enum nx_session_outcome *ret, struct nx_error **err)
{
	static const char *const names[] = {"ok", "error", "interrupted"};
	for (int i = 0; i < NX_SESSION_OUTCOME_MAX; i++) {
		if (nx_str_eqz(name, names[i])) {
			*ret = (enum nx_session_outcome)i;
			return 0;
		}
	}
	return nx_error_set(err, NX_EPARSE, "the interpreter answered with an unknown outcome");
}

static nx_str member(yyjson_val *o, const char *key)
{
	yyjson_val *v = nx_json_get(o, key);
	return yyjson_is_str(v) ? nx_json_val_str(v) : NX_STR_NULL;
}

int nx_session_answer_read(nx_str json, struct nx_arena *a, struct nx_session_answer *ret, struct nx_error **err)
{
	yyjson_val *root;
	const struct nx_json_limits limits = {.max_bytes = json.n + 1, .max_depth = 4};
	int r = nx_json_read(a, json, &limits, &root, err);
	if (r < 0)
		return nx_error_wrap(err, "the interpreter's answer");
	*ret = (struct nx_session_answer){.is_ready = nx_str_eqz(nx_json_str(root, "op"), "ready")};
	if (ret->is_ready)
		return 0;
	int64_t run = nx_json_int(root, "run", 0), code = nx_json_int(root, "exit_code", -1);
	if (!nx_str_eqz(nx_json_str(root, "op"), "done") || run <= 0 || code < 0 || code > 255)
		return nx_error_set(err, NX_EPARSE, "the interpreter's answer is not one");
	ret->run = (uint64_t)run;
	ret->exit_code = (int)code;
	r = read_outcome(nx_json_str(root, "outcome"), &ret->outcome, err);
	if (r < 0)
		return r;
	yyjson_val *value = nx_json_get(root, "value");
	ret->text = member(value, "text");
	ret->html = member(value, "html");
	ret->png = take_png(member(value, "png"), a);
	return 0;
}

int nx_session_request_write(const struct nx_exec *x, uint64_t run, int64_t most, struct nx_buf *out,
			     struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = a ? nx_json_new(a) : NULL;
	nx_str json;
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for a request to a session");
	yyjson_mut_val *o = yyjson_mut_obj(d);
	yyjson_mut_obj_add_uint(d, o, "run", run);
	yyjson_mut_obj_add_sint(d, o, "most", most);
	nx_json_add_str(d, o, "code", x->code.p ? x->code : NX_STR(""));
	nx_json_add_str(d, o, "stdin", x->stdin_text.p ? x->stdin_text : NX_STR(""));
	int r = nx_json_write(a, o, false, &json, err);
	if (r < 0)
		return r;
	return nx_session_frame_add(out, json) ? 0
					       : nx_error_set(err, NX_ENOMEM, "no memory for a request to a session");
}
