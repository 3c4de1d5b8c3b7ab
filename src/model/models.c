#include "base/assert.h"
#include "base/build.h"
#include "base/clock.h"
#include "base/fault.h"
#include "model/model_internal.h"

#include <stdio.h>
#include <uv.h>

struct nx_models {
	const struct nx_config *config;
	struct nx_openai *openai;
	struct nx_worker *worker;
	struct nx_local_embed *local;

	struct nx_model_provider chat, configured_chat; /* name NULL: none */
	const char *embed_provider;                     /* NULL: embeddings are off */
	const char *embed_name;
	size_t embed_dims;
	char *chat_missing, *embed_missing; /* why a configured model cannot be used; NULL: it can */

	_Atomic uint64_t next_id;
};

static bool is_gguf(const char *name)
{
	return nx_str_ends(nx_str_z(name), NX_STR(".gguf"));
}

/* Keeps why a model is missing: the program runs without it and says so where models are listed. Takes err. */
static int keep_reason(char **ret, struct nx_error *why, struct nx_error **err)
{
	const char *hint = nx_error_get_hint(why);
	int r = asprintf(ret, "%s%s%s", nx_error_message(why), hint[0] != '\0' ? ": " : "", hint);
	nx_error_free(why);
	if (r >= 0)
		return 0;
	*ret = NULL;
	return nx_error_set(err, NX_ENOMEM, "models: out of memory");
}

static int set_worker(struct nx_models *m, struct nx_http_client *net, struct nx_error **err)
{
	struct nx_error *why = NULL;
	nx_auto_free char *path = NULL;
	if (!NX_WITH_LLAMA)
		(void)nx_error_set(&why, NX_EUNSUPPORTED, "this build has no libllama, which %s needs",
				   m->config->model_chat);
	else if (nx_loop_uv(nx_http_client_loop(net)) == NULL)
		(void)nx_error_set(&why, NX_EUNSUPPORTED, "a simulated loop starts no processes");
	else
		(void)nx_model_path(m->config, m->config->model_chat, &path, &why);
	if (why != NULL)
		return keep_reason(&m->chat_missing, why, err);
	int r = nx_worker_new(m->config, nx_http_client_loop(net), path, &m->worker, err);
	if (r == 0)
		m->configured_chat = (struct nx_model_provider){"worker", nx_worker_chat, nx_worker_cancel, m->worker};
	return r;
}

static int set_chat(struct nx_models *m, struct nx_http_client *net, struct nx_error **err)
{
	const char *name = m->config->model_chat;
	if (name[0] == '\0' || net == NULL)
		return 0;
	if (is_gguf(name))
		return set_worker(m, net, err);
	if (m->openai != NULL) {
		m->configured_chat = (struct nx_model_provider){"openai", nx_openai_chat, nx_openai_cancel, m->openai};
		return 0;
	}
	struct nx_error *why = NULL;
	(void)nx_error_set(&why, NX_EMISSING, "model.base_url is not set");
	(void)nx_error_hint(&why, "set it to the endpoint that has %s, or give model.chat the path of a .gguf file",
			    name);
	return keep_reason(&m->chat_missing, why, err);
}

static int set_local_embedding(struct nx_models *m, struct nx_error **err)
{
	struct nx_error *why = NULL;
	nx_auto_free char *path = NULL;
	m->embed_provider = "local";
	m->embed_name = NX_MINILM_NAME;
	m->embed_dims = NX_MINILM_DIMS;
	if (!NX_WITH_LLAMA)
		(void)nx_error_set(&why, NX_EUNSUPPORTED, "this build has no libllama");
	else
		(void)nx_model_path(m->config, NX_MINILM_FILE, &path, &why);
	if (why != NULL)
		return keep_reason(&m->embed_missing, why, err);
	return nx_local_embed_new(path, m->config->model_embedding_idle * NX_USEC_PER_MSEC, &m->local, err);
}

static int set_embedding(struct nx_models *m, struct nx_error **err)
{
	const char *name = m->config->model_embedding;
	if (name[0] == '\0' || strcmp(name, "none") == 0)
		return 0;
	if (strcmp(name, "minilm") == 0)
		return set_local_embedding(m, err);
	m->embed_provider = "openai";
	m->embed_name = name;
	m->embed_dims = (size_t)m->config->model_embedding_dims;
	if (m->embed_dims == 0)
		m->embed_dims = nx_openai_known_dims(nx_str_z(name));
	if (m->embed_dims == 0) {
		(void)nx_error_set(err, NX_EINVAL, "model.embedding is %s, whose dimensions are not known", name);
		return nx_error_hint(err, "set model.embedding_dims to the length of its vectors");
	}
	if (m->openai != NULL)
		return 0;
	struct nx_error *why = NULL;
	(void)nx_error_set(&why, NX_EMISSING, "model.base_url is not set");
	(void)nx_error_hint(&why, "set it to the endpoint that has %s, or model.embedding to minilm", name);
	return keep_reason(&m->embed_missing, why, err);
}

int nx_models_new(const struct nx_config *c, struct nx_http_client *net, struct nx_models **ret, struct nx_error **err)
{
	struct nx_models *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return nx_error_set(err, NX_ENOMEM, "models: out of memory");
	m->config = c;
	int r = 0;
	if (c->model_base_url[0] != '\0' && net != NULL)
		r = nx_openai_new(c, net, &m->openai, err);
	if (r == 0)
		r = set_chat(m, net, err);
	if (r == 0)
		r = set_embedding(m, err);
	if (r != 0) {
		nx_models_free(m);
		return r;
	}
	m->chat = m->configured_chat;
	*ret = m;
	return 0;
}

void nx_models_free(struct nx_models *m)
{
	if (m == NULL)
		return;
	nx_worker_free(m->worker);
	nx_openai_free(m->openai);
	nx_local_embed_free(m->local);
	free(m->chat_missing);
	free(m->embed_missing);
	free(m);
}

void nx_models_set_chat_provider(struct nx_models *m, const struct nx_model_provider *p)
{
	m->chat = p != NULL ? *p : m->configured_chat;
}

bool nx_models_has_chat(const struct nx_models *m)
{
	return m->chat.chat != NULL;
}

static int no_chat(const struct nx_models *m, struct nx_error **err)
{
	if (m->chat_missing != NULL)
		return nx_error_set(err, NX_EMISSING, "chat model %s: %s", m->config->model_chat, m->chat_missing);
	(void)nx_error_set(err, NX_EMISSING, "no chat model is configured");
	return nx_error_hint(err, "set model.chat to the path of a .gguf file, or set model.base_url and model.chat");
}

void nx_chat_start(struct nx_models *m, struct nx_chat *c)
{
	struct nx_error *err = NULL;
	c->id = atomic_fetch_add_explicit(&m->next_id, 1, memory_order_relaxed) + 1; /* only its uniqueness matters */
	const char *provider = nx_models_has_chat(m) ? m->chat.name : "none";
	if (nx_chat_call_begin(c, m->config, provider, &err) != 0 ||
	    (!nx_models_has_chat(m) && no_chat(m, &err) != 0)) {
		nx_chat_finish(c, err);
		return;
	}
	if (NX_FAULT(model_call))
		(void)nx_error_set(&err, NX_ENOMEM, "model call: out of memory");
	if (err != NULL)
		nx_chat_finish(c, err);
	else
		m->chat.chat(m->chat.self, c);
}

void nx_chat_cancel(struct nx_models *m, uint64_t id)
{
	if (m->chat.cancel != NULL)
		m->chat.cancel(m->chat.self, id);
}

bool nx_models_has_embedding(const struct nx_models *m)
{
	return m->embed_provider != NULL && m->embed_missing == NULL && (m->local != NULL || m->openai != NULL);
}

const char *nx_embed_model(const struct nx_models *m)
{
	return nx_models_has_embedding(m) ? m->embed_name : "";
}

size_t nx_embed_dims(const struct nx_models *m)
{
	return nx_models_has_embedding(m) ? m->embed_dims : 0;
}

static int no_embedding(const struct nx_models *m, struct nx_error **err)
{
	if (m->embed_missing != NULL)
		return nx_error_set(err, NX_EMISSING, "embedding model %s: %s", m->embed_name, m->embed_missing);
	return nx_error_set(err, NX_EMISSING, "embeddings are off: set model.embedding to minilm");
}

static int prepare_embed(struct nx_models *m, struct nx_embed *e, struct nx_error **err)
{
	size_t floats = 0;
	if (!nx_models_has_embedding(m))
		return no_embedding(m, err);
	if (NX_FAULT(model_call) || nx_mul_overflows(e->n, m->embed_dims, &floats))
		return nx_error_set(err, NX_ENOMEM, "embed %zu texts: out of memory", e->n);
	e->vectors = nx_arena_array(e->arena, float, floats);
	return e->vectors != NULL || floats == 0 ? 0
						 : nx_error_set(err, NX_ENOMEM, "embed %zu texts: out of memory", e->n);
}

void nx_embed_start(struct nx_models *m, struct nx_embed *e)
{
	struct nx_error *err = NULL;
	e->vectors = NULL;
	e->priv = NULL;
	if (prepare_embed(m, e, &err) != 0)
		nx_embed_finish(e, err);
	else if (m->local != NULL)
		nx_local_embed_start(m->local, e);
	else
		nx_openai_embed(m->openai, e, m->embed_dims);
}

static void run_embed_done(struct nx_msg *msg)
{
	struct nx_embed *e = nx_container_of(msg, struct nx_embed, msg);
	struct nx_error *err = nx_steal(e->priv);
	e->done(e, err);
	nx_error_free(err);
}

void nx_embed_finish(struct nx_embed *e, struct nx_error *err)
{
	e->priv = err;
	e->msg.run = run_embed_done;
	if (e->reply != NULL)
		nx_loop_post(e->reply, &e->msg);
	else
		run_embed_done(&e->msg);
}

struct sync_embed {
	struct nx_embed embed;
	uv_sem_t done;
	struct nx_error *err;
};

static void wake(struct nx_embed *e, struct nx_error *err)
{
	struct sync_embed *s = e->ctx;
	if (err != NULL) {
		s->err = nx_error_copy(err);
		nx_assert(s->err != NULL);
	}
	uv_sem_post(&s->done);
}

int nx_embed_sync(struct nx_models *m, struct nx_arena *a, const nx_str *texts, size_t n, bool is_query, float **ret,
		  struct nx_error **err)
{
	struct sync_embed s = {.embed = {.arena = a, .texts = texts, .n = n, .is_query = is_query, .done = wake}};
	s.embed.ctx = &s;
	nx_assert(uv_sem_init(&s.done, 0) == 0);
	nx_embed_start(m, &s.embed);
	uv_sem_wait(&s.done);
	uv_sem_destroy(&s.done);
	if (s.err != NULL)
		return nx_error_move(err, s.err);
	*ret = s.embed.vectors;
	return 0;
}

static void say_health(const struct nx_model_health *h, struct nx_model_info *ret)
{
	if (h->failing[0] != '\0')
		(void)snprintf(ret->state, sizeof(ret->state), "failing: %s", h->failing);
	else
		(void)snprintf(ret->state, sizeof(ret->state), "%s",
			       h->ready     ? "ready"
			       : h->loading ? "loading"
					    : "idle");
	if (h->context != 0)
		ret->context = h->context;
}

static void describe_chat(struct nx_models *m, struct nx_model_info *ret)
{
	struct nx_model_health h = {.ready = true};
	*ret = (struct nx_model_info){.id = m->config->model_chat, .kind = "chat", .provider = m->chat.name};
	if (ret->provider == NULL) {
		ret->provider = is_gguf(m->config->model_chat) ? "worker" : "openai";
		(void)snprintf(ret->state, sizeof(ret->state), "missing: %s",
			       m->chat_missing != NULL ? m->chat_missing : "it needs the network thread");
		return;
	}
	if (m->worker != NULL && m->chat.self == m->worker)
		nx_worker_health(m->worker, &h);
	else if (m->openai != NULL && m->chat.self == m->openai)
		nx_openai_health(m->openai, &h);
	say_health(&h, ret);
}

static void describe_embedding(struct nx_models *m, struct nx_model_info *ret)
{
	struct nx_model_health h = {.ready = false};
	*ret = (struct nx_model_info){
		.id = m->embed_name, .kind = "embedding", .provider = m->embed_provider, .dims = m->embed_dims};
	if (!nx_models_has_embedding(m)) {
		(void)snprintf(ret->state, sizeof(ret->state), "missing: %s",
			       m->embed_missing != NULL ? m->embed_missing : "it needs the network thread");
		return;
	}
	if (m->local != NULL)
		h.ready = nx_local_embed_loaded(m->local);
	else
		nx_openai_health(m->openai, &h);
	say_health(&h, ret);
}

size_t nx_models_list(struct nx_models *m, struct nx_model_info *ret, size_t max)
{
	size_t n = 0;
	if (m->config->model_chat[0] != '\0' || m->chat.name != NULL) {
		if (n < max)
			describe_chat(m, &ret[n]);
		n++;
	}
	if (m->embed_provider != NULL) {
		if (n < max)
			describe_embedding(m, &ret[n]);
		n++;
	}
	return n;
}

struct loop_call {
	struct nx_msg msg;
	void (*call)(void *arg);
	void *arg;
	uv_sem_t done;
};

static void run_loop_call(struct nx_msg *msg)
{
	struct loop_call *c = nx_container_of(msg, struct loop_call, msg);
	c->call(c->arg);
	uv_sem_post(&c->done);
}

void nx_model_call_on(struct nx_loop *l, void (*call)(void *arg), void *arg)
{
	if (nx_loop_uv(l) == NULL || nx_loop_is_current(l)) {
		call(arg);
		return;
	}
	struct loop_call c = {.msg = {.run = run_loop_call}, .call = call, .arg = arg};
	nx_assert(uv_sem_init(&c.done, 0) == 0);
	nx_loop_post(l, &c.msg);
	uv_sem_wait(&c.done);
	uv_sem_destroy(&c.done);
}
