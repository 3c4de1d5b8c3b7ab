#include "base/json.h"
#include "model/openai_internal.h"

#define MAX_SAID 300

/* The endpoint's own words: {"error":{"message","code"}}, {"error":"…"}, {"message":"…"}, or the body. */
static void read_words(struct nx_arena *a, nx_str body, nx_str *ret_message, nx_str *ret_code)
{
	yyjson_val *v = NULL;
	*ret_code = NX_STR("");
	*ret_message = body;
	if (nx_json_read(a, body, NULL, &v, NULL) != 0)
		return;
	yyjson_val *e = nx_json_get(v, "error");
	nx_str message = yyjson_is_str(e) ? nx_json_val_str(e) : nx_json_str(yyjson_is_obj(e) ? e : v, "message");
	*ret_code = nx_json_str(e, "code");
	if (message.n != 0)
		*ret_message = message;
}

/* The key is nobody's business, even when the endpoint repeats it. */
static nx_str redact(struct nx_arena *a, nx_str s, const char *key)
{
	size_t n = strlen(key);
	if (n < 4)
		return s;
	for (ptrdiff_t at; s.p != NULL && (at = nx_str_find(s, nx_str_n(key, n))) >= 0;) {
		nx_str tail = nx_str_slice(s, (size_t)at + n, s.n);
		s = nx_str_z(nx_arena_printf(a, "%.*s[key]%.*s", (int)at, s.p, NX_FMT(tail)));
	}
	return s;
}

/* One line that may be shown and logged. */
static nx_str clean(struct nx_arena *a, nx_str s, const char *key)
{
	nx_str t = nx_utf8_repair(a, nx_str_slice(s, 0, 4 * MAX_SAID));
	t = nx_str_dup(a, nx_utf8_truncate(nx_str_trim(redact(a, t, key)), MAX_SAID));
	for (size_t i = 0; t.p != NULL && i < t.n; i++)
		if ((unsigned char)t.p[i] < ' ' || t.p[i] == 0x7f)
			((char *)t.p)[i] = ' ';
	return t.n != 0 && t.p != NULL ? t : NX_STR("(it said nothing)");
}

static int say(const struct nx_exchange *x, int status, nx_str said, struct nx_error **err)
{
	switch (status) {
	case 401:
	case 403:
		(void)nx_error_set(err, NX_EPROVIDER, "the endpoint refuses the key (%d): %.*s", status, NX_FMT(said));
		return nx_error_hint(err, "set model.api_key (NEXUS_MODEL_API_KEY) to a key that it takes");
	case 404:
		(void)nx_error_set(err, NX_EPROVIDER, "the endpoint has no model %.*s, or not this path (404): %.*s",
				   NX_FMT(x->model), NX_FMT(said));
		return nx_error_hint(
			err,
			"check the model's name, and that model.base_url ends with /v1 where the endpoint wants it");
	case 413:
		return nx_error_set(err, NX_EPROVIDER, "the request is too long for the endpoint (413): %.*s",
				    NX_FMT(said));
	case 429:
		(void)nx_error_set(err, NX_EBUSY, "the endpoint's rate limit is reached (429): %.*s", NX_FMT(said));
		return nx_error_hint(err, "try again later, or lower core.max_running");
	default: break;
	}
	if (status >= 500)
		return nx_error_set(err, NX_EPROVIDER, "the endpoint failed (%d): %.*s", status, NX_FMT(said));
	if (status >= 300 && status < 400) {
		(void)nx_error_set(err, NX_EPROVIDER, "the endpoint sends us elsewhere (%d)", status);
		return nx_error_hint(err, "set model.base_url to where it really is");
	}
	return nx_error_set(err, NX_EPROVIDER, "the endpoint refuses the request (%d): %.*s", status, NX_FMT(said));
}

int nx_openai_status_error(const struct nx_openai *o, const struct nx_exchange *x, int status, nx_str body,
			   bool *ret_retry, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str message = NX_STR(""), code = NX_STR("");
	if (a != NULL)
		read_words(a, body, &message, &code);
	nx_str said = a != NULL ? clean(a, message, o->config->model_api_key) : NX_STR("(out of memory)");
	bool is_broke = nx_str_eqz(code, "insufficient_quota");
	*ret_retry = status == 408 || status == 409 || (status == 429 && !is_broke) || status >= 500;
	if (is_broke)
		return nx_error_set(err, NX_EPROVIDER, "the account of the endpoint has no quota left (%d): %.*s",
				    status, NX_FMT(said));
	return say(x, status, said, err);
}

bool nx_openai_adapt(struct nx_openai *o, int status, nx_str body)
{
	if (status != 400 && status != 422)
		return false;
	if (!o->lacks_stream_options && nx_str_find(body, NX_STR("stream_options")) >= 0)
		return o->lacks_stream_options = true;
	if (!o->wants_completion_tokens && nx_str_find(body, NX_STR("max_completion_tokens")) >= 0)
		return o->wants_completion_tokens = true;
	return false;
}
