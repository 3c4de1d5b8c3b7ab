#include "model/encoder_internal.h"

#include "base/fault.h"
#include "model/llama_internal.h"

#include <llama.h>
#include <math.h>

struct nx_encoder_model {
	struct llama_model *llama;
	size_t dims;
};

struct nx_encoder {
	struct llama_context *llama;
	const struct llama_vocab *vocab;
	size_t dims;
	llama_token *tokens; /* of the whole text, before the cut */
	int32_t ntokens_max;
	struct llama_batch batch;
};

static int check_kind(const struct llama_model *m, size_t dims, const char *path, struct nx_error **err)
{
	int32_t width = llama_model_n_embd(m);
	if (width != (int32_t)dims || llama_model_n_ctx_train(m) < NX_ENCODER_MAX_TOKENS)
		return nx_error_set(
			err, NX_ETYPE,
			"%s is not the encoder it should be: %d dimensions and a context of %d, not %zu and %d", path,
			width, llama_model_n_ctx_train(m), dims, NX_ENCODER_MAX_TOKENS);
	return 0;
}

int nx_encoder_model_load(const char *path, size_t dims, struct nx_encoder_model **ret, struct nx_error **err)
{
	if (access(path, R_OK) != 0)
		return nx_error_set(err, NX_EMISSING, "%s cannot be read: run scripts/setup, or copy the model there",
				    path);
	if (NX_FAULT(model_load))
		return nx_error_set(err, NX_ENOMEM, "load %s: out of memory", path);
	nx_llama_init();
	nx_llama_hush();
	struct nx_encoder_model *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return nx_error_set(err, NX_ENOMEM, "load %s: out of memory", path);
	struct llama_model_params p = llama_model_default_params();
	p.n_gpu_layers = 0;
	p.use_extra_bufts = false; /* repacking would copy the weights out of the mapped file */
	m->dims = dims;
	m->llama = llama_model_load_from_file(path, p);
	int r = m->llama == NULL
			? nx_error_set(err, NX_ECORRUPT, "%s is no model that can be loaded: %s", path, nx_llama_said())
			: check_kind(m->llama, dims, path, err);
	if (r != 0) {
		nx_encoder_model_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void nx_encoder_model_free(struct nx_encoder_model *m)
{
	if (m == NULL)
		return;
	llama_model_free(m->llama);
	free(m);
}

static struct llama_context *new_context(const struct nx_encoder_model *m)
{
	struct llama_context_params p = llama_context_default_params();
	p.n_ctx = p.n_batch = p.n_ubatch = NX_ENCODER_MAX_TOKENS;
	p.n_seq_max = 1;
	p.n_threads = p.n_threads_batch = 1;
	p.embeddings = true;
	p.pooling_type = LLAMA_POOLING_TYPE_MEAN;
	p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
	p.no_perf = true;
	return llama_init_from_model(m->llama, p);
}

int nx_encoder_new(const struct nx_encoder_model *m, struct nx_encoder **ret, struct nx_error **err)
{
	nx_llama_hush();
	struct nx_encoder *e = calloc(1, sizeof(*e));
	if (e == NULL)
		return nx_error_set(err, NX_ENOMEM, "encoder: out of memory");
	e->dims = m->dims;
	e->vocab = llama_model_get_vocab(m->llama);
	e->ntokens_max = 1024;
	e->tokens = malloc((size_t)e->ntokens_max * sizeof(*e->tokens));
	e->batch = llama_batch_init(NX_ENCODER_MAX_TOKENS, 0, 1);
	e->llama = e->tokens != NULL ? new_context(m) : NULL;
	if (e->llama == NULL) {
		nx_encoder_free(e);
		return nx_error_set(err, NX_ENOMEM, "encoder: no context: %s", nx_llama_said());
	}
	*ret = e;
	return 0;
}

void nx_encoder_free(struct nx_encoder *e)
{
	if (e == NULL)
		return;
	llama_free(e->llama);
	llama_batch_free(e->batch);
	free(e->tokens);
	free(e);
}

static int grow_tokens(struct nx_encoder *e, int32_t n, struct nx_error **err)
{
	llama_token *t = n > 0 ? realloc(e->tokens, (size_t)n * sizeof(*t)) : NULL;
	if (t == NULL)
		return nx_error_set(err, NX_ENOMEM, "encoder: out of memory for %d word pieces", n);
	e->tokens = t;
	e->ntokens_max = n;
	return 0;
}

/* The pieces of the text between [CLS] and [SEP], cut to what the model takes. Returns their number, or an error. */
static int tokenize(struct nx_encoder *e, nx_str text, struct nx_error **err)
{
	int32_t n = llama_tokenize(e->vocab, text.p, (int32_t)text.n, e->tokens, e->ntokens_max, true, false);
	if (n < 0) {
		int r = grow_tokens(e, n == INT32_MIN ? 0 : -n, err);
		if (r != 0)
			return r;
		n = llama_tokenize(e->vocab, text.p, (int32_t)text.n, e->tokens, e->ntokens_max, true, false);
	}
	if (n < 1)
		return nx_error_set(err, NX_EINTERNAL, "encoder: the tokenizer gave %d pieces", n);
	if (n > NX_ENCODER_MAX_TOKENS) {
		e->tokens[NX_ENCODER_MAX_TOKENS - 1] = e->tokens[n - 1];
		n = NX_ENCODER_MAX_TOKENS;
	}
	return n;
}

static void fill_batch(struct nx_encoder *e, int32_t n)
{
	e->batch.n_tokens = n;
	for (int32_t i = 0; i < n; i++) {
		e->batch.token[i] = e->tokens[i];
		e->batch.pos[i] = i;
		e->batch.n_seq_id[i] = 1;
		e->batch.seq_id[i][0] = 0;
		e->batch.logits[i] = 1;
	}
}

static int normalize(const float *v, size_t n, float *ret, struct nx_error **err)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)v[i] * (double)v[i];
	if (!isfinite(sum) || sum <= 0)
		return nx_error_set(err, NX_EINTERNAL, "encoder: a vector without a direction (squared length %g)",
				    sum);
	double scale = 1 / sqrt(sum);
	for (size_t i = 0; i < n; i++)
		ret[i] = (float)((double)v[i] * scale);
	return 0;
}

int nx_encoder_run(struct nx_encoder *e, nx_str text, float *ret, struct nx_error **err)
{
	/* The tokenizer throws at bytes that are not UTF-8. */
	text = nx_utf8_truncate(text, NX_ENCODER_MAX_BYTES);
	ptrdiff_t bad = nx_utf8_invalid_at(text);
	if (bad >= 0)
		return nx_error_set(err, NX_EENCODING, "text to embed is not UTF-8: byte %td", bad);

	nx_llama_hush();
	int32_t n = tokenize(e, text.n ? text : NX_STR(""), err);
	if (n < 0)
		return n;
	fill_batch(e, n);
	int r = llama_encode(e->llama, e->batch);
	const float *v = r == 0 ? llama_get_embeddings_seq(e->llama, 0) : NULL;
	if (v == NULL)
		return nx_error_set(err, NX_EINTERNAL, "encoder: failed with %d: %s", r, nx_llama_said());
	return normalize(v, e->dims, ret, err);
}
