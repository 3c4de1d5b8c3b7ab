#include "model/generator_internal.h"

#include "base/assert.h"
#include "base/id.h"
#include "model/llama_internal.h"

#include <llama.h>
#include <stdio.h>

#define BATCH_TOKENS 256
#define STOP_EVERY 16 /* nodes of the graph between two looks at should_stop; a look is a system call */
#define DEFAULT_TEMPERATURE 0.7

struct nx_generator {
	struct llama_model *model;
	struct llama_context *llama;
	const struct llama_vocab *vocab;
	uint32_t context;
	llama_token *tokens; /* of the prompt, then of the answer; `context` of them */
	uint32_t ntokens;
	llama_token *held; /* what the context's memory holds */
	uint32_t nheld;
	struct nx_generation *now; /* the one under way, for the abort callback */
	unsigned nodes;
	bool is_stopping;
};

static bool look_for_stop(void *generator)
{
	struct nx_generator *g = generator;
	if (g->now == NULL || g->is_stopping || ++g->nodes % STOP_EVERY != 0)
		return g->is_stopping;
	g->is_stopping = g->now->should_stop(g->now->ctx);
	return g->is_stopping;
}

static int open_context(struct nx_generator *g, uint32_t context, int threads, struct nx_error **err)
{
	int32_t trained = llama_model_n_ctx_train(g->model);
	struct llama_context_params p = llama_context_default_params();
	g->context = trained > 0 ? nx_min(context, (uint32_t)trained) : context;
	p.n_ctx = g->context;
	p.n_batch = p.n_ubatch = BATCH_TOKENS;
	p.n_threads = p.n_threads_batch = threads;
	p.no_perf = true;
	p.abort_callback = look_for_stop;
	p.abort_callback_data = g;
	g->llama = llama_init_from_model(g->model, p);
	g->tokens = calloc(g->context, sizeof(*g->tokens));
	g->held = calloc(g->context, sizeof(*g->held));
	if (g->llama == NULL || g->tokens == NULL || g->held == NULL)
		return nx_error_set(err, NX_ENOMEM, "no context of %u tokens: %s", g->context, nx_llama_said());
	return 0;
}

int nx_generator_open(const char *path, uint32_t context, int threads, struct nx_generator **ret, struct nx_error **err)
{
	nx_llama_init();
	nx_llama_hush();
	struct nx_generator *g = calloc(1, sizeof(*g));
	if (g == NULL)
		return nx_error_set(err, NX_ENOMEM, "load %s: out of memory", path);
	struct llama_model_params p = llama_model_default_params();
	p.n_gpu_layers = 0;
	g->model = llama_model_load_from_file(path, p);
	int r = 0;
	if (g->model == NULL)
		r = nx_error_set(err, NX_ECORRUPT, "%s is no model that can be loaded: %s", path, nx_llama_said());
	else if (!llama_model_has_decoder(g->model) || llama_model_has_encoder(g->model))
		r = nx_error_set(err, NX_ETYPE, "%s is not a chat model", path);
	else
		r = open_context(g, context, threads, err);
	if (r != 0) {
		nx_generator_close(g);
		return r;
	}
	g->vocab = llama_model_get_vocab(g->model);
	*ret = g;
	return 0;
}

void nx_generator_close(struct nx_generator *g)
{
	if (g == NULL)
		return;
	llama_free(g->llama);
	llama_model_free(g->model);
	free(g->tokens);
	free(g->held);
	free(g);
}

uint32_t nx_generator_context(const struct nx_generator *g)
{
	return g->context;
}

/* ---- the prompt ---- */

static int out_of_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "model worker: out of memory");
}

#define MARK "\x02%zu\x03" /* stands for the text of a message; no template makes one */

static const char *const roles[] = {[NX_ROLE_SYSTEM] = "system",
				    [NX_ROLE_USER] = "user",
				    [NX_ROLE_ASSISTANT] = "assistant",
				    [NX_ROLE_TOOL] = "tool"};

/* The template's text with a mark for each message. */
static int apply_template(struct nx_generator *g, struct nx_arena *a, const struct nx_generation *n, nx_str *ret,
			  struct nx_error **err)
{
	struct llama_chat_message *m = nx_arena_array(a, struct llama_chat_message, n->nmessages);
	size_t size = 4096 + n->nmessages * 256;
	char *text = nx_arena_alloc(a, size);
	for (size_t i = 0; m != NULL && i < n->nmessages; i++) {
		m[i].role = roles[n->messages[i].role];
		m[i].content = nx_arena_printf(a, MARK, i);
		if (m[i].content == NULL)
			return out_of_memory(err);
	}
	if (m == NULL || text == NULL)
		return out_of_memory(err);
	const char *own = llama_model_chat_template(g->model, NULL);
	int32_t used =
		llama_chat_apply_template(own != NULL ? own : "chatml", m, n->nmessages, true, text, (int32_t)size);
	if (used < 0) /* a template that libllama does not know: the most usual one */
		used = llama_chat_apply_template("chatml", m, n->nmessages, true, text, (int32_t)size);
	if (used < 0 || (size_t)used > size)
		return nx_error_set(err, NX_EUNSUPPORTED, "the model's chat template cannot be used");
	*ret = nx_str_n(text, (size_t)used);
	return 0;
}

static int add_tokens(struct nx_generator *g, nx_str text, bool with_special, struct nx_error **err)
{
	int32_t room = (int32_t)(g->context - g->ntokens);
	int32_t n = text.n <= INT32_MAX ? llama_tokenize(g->vocab, text.p, (int32_t)text.n, g->tokens + g->ntokens,
							 room, with_special && g->ntokens == 0, with_special)
					: INT32_MIN;
	if (n < 0 || n >= room)
		return nx_error_set(err, NX_ETOOBIG, "the messages are longer than the model's context of %u tokens",
				    g->context);
	g->ntokens += (uint32_t)n;
	return 0;
}

/* Cuts the template's text at its marks: what is between them is the template's, a mark is a message's text. */
static int tokenize_prompt(struct nx_generator *g, struct nx_arena *a, const struct nx_generation *n,
			   struct nx_error **err)
{
	nx_str rest;
	int r = apply_template(g, a, n, &rest, err);
	g->ntokens = 0;
	while (r == 0 && rest.n > 0) {
		nx_str part = nx_str_cut(&rest, '\x02');
		if (part.n > 0)
			r = add_tokens(g, part, true, err);
		int64_t i = -1;
		if (r != 0 || rest.n == 0)
			break;
		if (!nx_str_to_i64(nx_str_cut(&rest, '\x03'), &i) || i < 0 || (size_t)i >= n->nmessages)
			return nx_error_set(err, NX_EINTERNAL, "the chat template lost a message");
		if (n->messages[i].content.n > 0)
			r = add_tokens(g, n->messages[i].content, false, err);
	}
	if (r == 0 && g->ntokens == 0)
		r = nx_error_set(err, NX_EINVAL, "the prompt is empty");
	return r;
}

/* ---- the forward passes ---- */

/* Keeps what the memory already holds of the prompt, but for the last token, whose output is needed. */
static uint32_t keep_prefix(struct nx_generator *g)
{
	uint32_t n = 0;
	while (n < g->nheld && n + 1 < g->ntokens && g->held[n] == g->tokens[n])
		n++;
	llama_memory_t memory = llama_get_memory(g->llama);
	if (!llama_memory_seq_rm(memory, 0, (llama_pos)n, -1)) { /* some architectures cannot forget a part */
		llama_memory_clear(memory, false);
		n = 0;
	}
	g->nheld = n;
	return n;
}

static int feed(struct nx_generator *g, llama_token *tokens, uint32_t n, struct nx_error **err)
{
	for (uint32_t from = 0; from < n;) {
		uint32_t size = nx_min(n - from, (uint32_t)BATCH_TOKENS);
		int r = llama_decode(g->llama, llama_batch_get_one(tokens + from, (int32_t)size));
		if (g->is_stopping)
			return nx_error_set(err, NX_ECANCELLED, "cancelled");
		if (r != 0)
			return nx_error_set(err, NX_EINTERNAL, "the model failed with %d: %s", r, nx_llama_said());
		memcpy(g->held + g->nheld, tokens + from, size * sizeof(*tokens));
		g->nheld += size;
		from += size;
	}
	return 0;
}

static struct llama_sampler *new_sampler(double temperature)
{
	struct llama_sampler *chain = llama_sampler_chain_init(llama_sampler_chain_default_params());
	if (temperature < 0)
		temperature = DEFAULT_TEMPERATURE;
	if (temperature == 0) {
		llama_sampler_chain_add(chain, llama_sampler_init_greedy());
		return chain;
	}
	llama_sampler_chain_add(chain, llama_sampler_init_top_k(40));
	llama_sampler_chain_add(chain, llama_sampler_init_top_p(0.95F, 1));
	llama_sampler_chain_add(chain, llama_sampler_init_min_p(0.05F, 1));
	llama_sampler_chain_add(chain, llama_sampler_init_temp((float)temperature));
	llama_sampler_chain_add(chain, llama_sampler_init_dist((uint32_t)nx_random_u64()));
	return chain;
}

/* ---- the answer ---- */

/* Bytes at the end of `s` that begin a code point and do not end it. */
static size_t count_unfinished(nx_str s)
{
	for (size_t back = 1; back <= 3 && back <= s.n; back++) {
		unsigned char b = (unsigned char)s.p[s.n - back];
		if ((b & 0xc0) == 0x80)
			continue;
		size_t need = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc0 ? 2 : 1;
		return need > back ? back : 0;
	}
	return 0;
}

/* Shows what is whole of the pending bytes; a NUL, which JSON lines may not carry, as a space. */
static int show(struct nx_generation *n, struct nx_buf *pending, bool all, struct nx_error **err)
{
	size_t whole = pending->n - (all ? 0 : count_unfinished(nx_buf_str(pending)));
	if (whole == 0)
		return 0;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (size_t i = 0; i < whole; i++)
		if (pending->p[i] == '\0')
			pending->p[i] = ' ';
	nx_str text = a != NULL ? nx_utf8_repair(a, nx_str_n(pending->p, whole)) : NX_STR_NULL;
	if (text.p == NULL)
		return out_of_memory(err);
	int r = n->on_text(text, n->ctx, err);
	nx_buf_consume(pending, whole);
	return r;
}

static int add_piece(struct nx_generator *g, llama_token t, struct nx_buf *pending, struct nx_error **err)
{
	char piece[256];
	int32_t n = llama_token_to_piece(g->vocab, t, piece, sizeof(piece), 0, false);
	if (n < 0)
		return nx_error_set(err, NX_EINTERNAL, "a token of %d bytes", -n);
	return nx_buf_add(pending, piece, (size_t)n) ? 0 : out_of_memory(err);
}

static int generate(struct nx_generator *g, struct nx_generation *n, struct llama_sampler *s, struct nx_buf *pending,
		    struct nx_error **err)
{
	int r = 0;
	n->finish = "length";
	while (r == 0 && n->output_tokens < n->max_tokens && g->nheld < g->context) {
		llama_token t = llama_sampler_sample(s, g->llama, -1);
		if (llama_vocab_is_eog(g->vocab, t)) {
			n->finish = "stop";
			break;
		}
		n->output_tokens++;
		r = add_piece(g, t, pending, err);
		if (r == 0)
			r = show(n, pending, false, err);
		if (r == 0 && n->should_stop(n->ctx))
			r = nx_error_set(err, NX_ECANCELLED, "cancelled");
		if (r == 0 && n->output_tokens < n->max_tokens)
			r = feed(g, &t, 1, err);
	}
	return r == 0 ? show(n, pending, true, err) : r;
}

int nx_generator_run(struct nx_generator *g, struct nx_generation *n, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_buf struct nx_buf pending = NX_BUF_INIT;
	if (a == NULL)
		return out_of_memory(err);
	nx_llama_hush();
	g->now = n;
	g->is_stopping = false;
	int r = tokenize_prompt(g, a, n, err);
	if (r == 0) {
		n->cached_tokens = keep_prefix(g);
		n->input_tokens = g->ntokens;
		r = feed(g, g->tokens + g->nheld, g->ntokens - g->nheld, err);
	}
	struct llama_sampler *s = r == 0 ? new_sampler(n->temperature) : NULL;
	if (s != NULL) {
		r = generate(g, n, s, &pending, err);
		llama_sampler_free(s);
	}
	g->now = NULL;
	return r;
}
