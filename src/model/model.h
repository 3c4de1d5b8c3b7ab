/*
 * Models: chat and embeddings, behind one interface with several providers.
 *
 * A provider is a table of functions. "openai" speaks to any OpenAI-compatible endpoint over the net loop (chat with
 * streaming and tools, embeddings); "local" runs the pinned MiniLM encoder by libllama in the server, on embedder threads
 * that exist only while they are needed; "worker" runs a chat GGUF that the user names in a `nexus model-worker` process,
 * so that an abort there is one failed call. Tests add a scripted one.
 *
 * Calls are started from any thread and finish on the loop they name. Retries live here and nowhere else: exponential with
 * jitter, Retry-After honoured, a circuit breaker per endpoint.
 */
#ifndef NX_MODEL_MODEL_H
#define NX_MODEL_MODEL_H

#include "base/config.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/trace.h"

struct nx_models;

struct nx_chat_tool_call {
	nx_str id, name, arguments; /* arguments: JSON text, as the model wrote it: unchecked */
};
struct nx_chat_message {
	enum { NX_ROLE_SYSTEM, NX_ROLE_USER, NX_ROLE_ASSISTANT, NX_ROLE_TOOL } role;
	nx_str content;
	nx_str tool_call_id;             /* role tool */
	struct nx_chat_tool_call *calls; /* role assistant */
	size_t ncalls;
};
struct nx_chat_tool {
	nx_str name, description, parameters; /* parameters: JSON Schema */
};

struct nx_chat {
	struct nx_arena *arena; /* the answer is allocated here */
	nx_str model;           /* empty: the configured one */
	struct nx_chat_message *messages;
	size_t nmessages;
	struct nx_chat_tool *tools;
	size_t ntools;
	int64_t max_tokens; /* 0: the config's */
	double temperature; /* below 0: the model's default */
	int64_t timeout_us; /* 0: the config's */
	struct nx_trace_ctx trace;
	void (*on_delta)(struct nx_chat *c, nx_str text); /* on `reply`, in order, before done; may be NULL */
	void (*done)(struct nx_chat *c, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;

	/* the answer */
	nx_str text;
	struct nx_chat_tool_call *calls;
	size_t ncalls;
	const char *finish; /* "stop", "length", "tool_calls" */
	int64_t input_tokens, cached_tokens, output_tokens, usd_micros;
	uint64_t id;       /* for cancel; set by nx_chat_start */
	struct nx_msg msg; /* private */
	void *priv;        /* private */
};

int nx_models_new(const struct nx_config *c, struct nx_http_client *net, struct nx_models **ret, struct nx_error **err);
void nx_models_free(struct nx_models *m);

bool nx_models_has_chat(const struct nx_models *m);
void nx_chat_start(struct nx_models *m, struct nx_chat *c);
void nx_chat_cancel(struct nx_models *m, uint64_t id); /* done comes with NX_ECANCELLED */

/* Embeddings: unit-length float32 rows of nx_embed_dims. */
struct nx_embed {
	struct nx_arena *arena;
	const nx_str *texts;
	size_t n;
	bool is_query; /* goes before passages that wait */
	void (*done)(struct nx_embed *e, struct nx_error *err);
	struct nx_loop *reply; /* NULL: on the embedder thread */
	void *ctx;

	float *vectors; /* n × dims */
	struct nx_msg msg;
	void *priv;
};
bool nx_models_has_embedding(const struct nx_models *m);
const char *nx_embed_model(const struct nx_models *m); /* "minilm-l6-v2"; the key of stored vectors */
size_t nx_embed_dims(const struct nx_models *m);       /* 384 */
void nx_embed_start(struct nx_models *m, struct nx_embed *e);
/* Blocks; for workers and the command line, never on a loop. */
int nx_embed_sync(struct nx_models *m, struct nx_arena *a, const nx_str *texts, size_t n, bool is_query, float **ret,
		  struct nx_error **err);

struct nx_model_info {
	const char *id, *kind, *provider, *state; /* kind "chat" or "embedding"; state "ready", "idle", "missing: …" */
	size_t dims, context;
};
size_t nx_models_list(struct nx_models *m, struct nx_model_info *ret, size_t max);

/* The program of `nexus model-worker`: reads requests on descriptor 3 as JSON lines, answers likewise. */
int nx_model_worker_main(int argc, char **argv);

/* A provider of one's own (tests; later issues). */
struct nx_model_provider {
	const char *name;
	void (*chat)(void *self, struct nx_chat *c); /* must lead to exactly one nx_chat_finish */
	void (*cancel)(void *self, uint64_t id);
	void *self;
};
void nx_models_set_chat_provider(struct nx_models *m, const struct nx_model_provider *p);
void nx_chat_finish(struct nx_chat *c, struct nx_error *err); /* takes err; any thread */

#endif
