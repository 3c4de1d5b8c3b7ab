/* Embeddings of an endpoint: requests of up to 64 texts, one after the other, each vector made unit length. */
#include "base/clock.h"
#include "base/json.h"
#include "model/openai_embed_internal.h"
#include "model/openai_internal.h"

#include <math.h>

#define BATCH_TEXTS 64
#define BATCH_BYTES (256 * 1024) /* of text; a longer one goes alone */

struct embed_exchange {
	struct nx_exchange exchange;
	struct nx_embed *embed;
	size_t dims;
	size_t from, n; /* the texts of the request in hand */
};

static struct embed_exchange *embed_of(struct nx_exchange *x)
{
	return nx_container_of(x, struct embed_exchange, exchange);
}

size_t nx_openai_known_dims(nx_str model)
{
	static const struct {
		const char *name;
		size_t dims;
	} known[] = {
		{"text-embedding-3-small", 1536}, {"text-embedding-3-large", 3072}, {"text-embedding-ada-002", 1536}};
	for (size_t i = 0; i < nx_countof(known); i++)
		if (nx_str_eqz(model, known[i].name))
			return known[i].dims;
	return 0;
}

static size_t count_batch(const struct nx_embed *e, size_t from)
{
	size_t n = 0, bytes = 0;
	while (from + n < e->n && n < BATCH_TEXTS && (n == 0 || bytes + e->texts[from + n].n <= BATCH_BYTES))
		bytes += e->texts[from + n++].n;
	return n;
}

static int add_texts(yyjson_mut_doc *d, yyjson_mut_val *root, const struct embed_exchange *c, struct nx_error **err)
{
	yyjson_mut_val *list = yyjson_mut_arr(d);
	for (size_t i = 0; i < c->n; i++) {
		nx_str t = c->embed->texts[c->from + i];
		int r = nx_utf8_check(t, "text to embed", err);
		if (r != 0)
			return r;
		/* An empty input is refused by most endpoints. */
		if (!yyjson_mut_arr_add_strncpy(d, list, t.n != 0 ? t.p : " ", t.n != 0 ? t.n : 1))
			return nx_error_set(err, NX_ENOMEM, "embedding request: out of memory");
	}
	return yyjson_mut_obj_add_val(d, root, "input", list)
		       ? 0
		       : nx_error_set(err, NX_ENOMEM, "embedding request: out of memory");
}

static int build_embed(struct nx_exchange *x, struct nx_buf *ret, struct nx_error **err)
{
	struct embed_exchange *c = embed_of(x);
	c->n = count_batch(c->embed, c->from);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = a != NULL ? nx_json_new(a) : NULL;
	yyjson_mut_val *root = d != NULL ? yyjson_mut_obj(d) : NULL;
	nx_str text = NX_STR("");
	bool ok = nx_json_add_str(d, root, "model", x->model) && nx_json_add_strz(d, root, "encoding_format", "float");
	if (ok && x->openai->config->model_embedding_dims != 0 && nx_openai_known_dims(x->model) != 0)
		ok = yyjson_mut_obj_add_uint(d, root, "dimensions", c->dims); /* only these models can shorten theirs */
	if (!ok)
		return nx_error_set(err, NX_ENOMEM, "embedding request: out of memory");
	int r = add_texts(d, root, c, err);
	if (r == 0)
		r = nx_json_write(a, root, false, &text, err);
	if (r == 0 && !nx_buf_adds(ret, text))
		r = nx_error_set(err, NX_ENOMEM, "embedding request: out of memory");
	return r;
}

static int read_vector(yyjson_val *list, size_t dims, float *ret, struct nx_error **err)
{
	double sum = 0;
	size_t i, n;
	yyjson_val *v;
	if (yyjson_arr_size(list) != dims) {
		(void)nx_error_set(err, NX_EPROVIDER, "the endpoint's vectors have %zu dimensions, not %zu",
				   yyjson_arr_size(list), dims);
		return nx_error_hint(err, "set model.embedding_dims to what the model gives");
	}
	yyjson_arr_foreach (list, i, n, v)
		sum += yyjson_get_num(v) * yyjson_get_num(v);
	if (!isfinite(sum) || sum <= 0)
		return nx_error_set(err, NX_EPROVIDER, "the endpoint gave a vector without a direction");
	yyjson_arr_foreach (list, i, n, v)
		ret[i] = (float)(yyjson_get_num(v) / sqrt(sum));
	return 0;
}

int nx_openai_read_embeddings(nx_str body, size_t n, size_t dims, float *ret, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_val *v = NULL, *item;
	size_t i, max, seen = 0;
	if (a == NULL)
		return nx_error_set(err, NX_ENOMEM, "embeddings: out of memory");
	if (nx_json_read(a, body, NULL, &v, NULL) != 0 || !yyjson_is_arr(nx_json_get(v, "data")))
		return nx_error_set(err, NX_EPROVIDER, "the endpoint's answer holds no embeddings");
	unsigned char *has = nx_arena_calloc(a, n + 1, 1);
	if (has == NULL)
		return nx_error_set(err, NX_ENOMEM, "embeddings: out of memory");
	yyjson_arr_foreach (nx_json_get(v, "data"), i, max, item) {
		int64_t at = nx_json_int(item, "index", (int64_t)i);
		if (at < 0 || (size_t)at >= n || has[at])
			return nx_error_set(err, NX_EPROVIDER, "the endpoint gave a vector for text %lld of %zu",
					    (long long)at, n);
		int r = read_vector(nx_json_get(item, "embedding"), dims, ret + (size_t)at * dims, err);
		if (r != 0)
			return r;
		has[at] = 1;
		seen++;
	}
	return seen == n ? 0 : nx_error_set(err, NX_EPROVIDER, "the endpoint gave %zu vectors for %zu texts", seen, n);
}

static int take_embed(struct nx_exchange *x, nx_str body, bool *ret_more, struct nx_error **err)
{
	struct embed_exchange *c = embed_of(x);
	int r = nx_openai_read_embeddings(body, c->n, c->dims, c->embed->vectors + c->from * c->dims, err);
	if (r != 0)
		return r;
	c->from += c->n;
	*ret_more = c->from < c->embed->n;
	return 0;
}

static void end_embed(struct nx_exchange *x, struct nx_error *err)
{
	struct embed_exchange *c = embed_of(x);
	nx_embed_finish(c->embed, err);
	free(c);
}

static const struct nx_exchange_kind embed_kind = {build_embed, NULL, take_embed, end_embed};

void nx_openai_embed(struct nx_openai *o, struct nx_embed *e, size_t dims)
{
	struct embed_exchange *c = e->n != 0 ? calloc(1, sizeof(*c)) : NULL;
	if (c == NULL) {
		struct nx_error *err = NULL;
		if (e->n != 0)
			(void)nx_error_set(&err, NX_ENOMEM, "embed: out of memory");
		nx_embed_finish(e, err);
		return;
	}
	c->embed = e;
	c->dims = dims;
	c->exchange = (struct nx_exchange){.kind = &embed_kind,
					   .openai = o,
					   .url = o->embed_url,
					   .model = nx_str_z(o->config->model_embedding),
					   .timeout_us = o->config->model_timeout * NX_USEC_PER_MSEC};
	nx_openai_exchange_start(&c->exchange);
}
