/*
 * Models: chat and embeddings, behind one interface with several providers.
 *
 * A provider is a table of functions. "openai" speaks to any OpenAI-compatible endpoint over the net loop (chat with
 * streaming and tools, embeddings); "local" runs the pinned MiniLM encoder by libllama in the server, on embedder threads
 * that exist only while they are needed; "worker" runs a chat GGUF that the user names in a `nexus model-worker` process,
 * so that an abort there is one failed call. Tests add a scripted one.
 *
 * Calls are started from any thread and finish on the loop they name. Retries live here and nowhere else: exponential with
 * jitter, Retry-After honoured, a circuit breaker per endpoint. A call is not repeated once a part of its answer was
 * shown.
 *
 * A call's struct, and all that it points to, belongs to the caller, stays unchanged and outlives `done`. What comes back
 * is allocated in `arena` on the thread that runs `done` (vectors: on the thread that starts the call), so an arena that
 * belongs to the reply loop stays with it. The error given to `done` is freed after it returns.
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
	struct nx_loop *reply; /* NULL: on the provider's thread, or within nx_chat_start when the call cannot start */
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

/* Loads no model and starts no thread. `net` may be NULL: there are then no chat models but one's own, and embeddings are
 * local. NX_EINVAL when a model option makes no sense. */
int nx_models_new(const struct nx_config *c, struct nx_http_client *net, struct nx_models **ret, struct nx_error **err);
/* Cancels what is under way (each call still gets its done). Before nx_http_client_free, and on no loop's thread. */
void nx_models_free(struct nx_models *m);

bool nx_models_has_chat(const struct nx_models *m);
void nx_chat_start(struct nx_models *m, struct nx_chat *c);
void nx_chat_cancel(struct nx_models *m, uint64_t id); /* done comes with NX_ECANCELLED */

/* Embeddings: unit-length float32 rows of nx_embed_dims. The same text gives the same bytes whatever it is embedded with.
 * Local: text past 256 word pieces has no part in its vector. */
struct nx_embed {
	struct nx_arena *arena;
	const nx_str *texts;
	size_t n;
	bool is_query; /* goes before passages that wait */
	void (*done)(struct nx_embed *e, struct nx_error *err);
	struct nx_loop *reply; /* NULL: on the embedder's thread, or within nx_embed_start when the call cannot start */
	void *ctx;

	float *vectors; /* n × dims */
	struct nx_msg msg;
	void *priv;
};
bool nx_models_has_embedding(const struct nx_models *m);
const char *nx_embed_model(
	const struct nx_models *m);              /* "minilm-l6-v2"; the key of stored vectors. "" when there is none */
size_t nx_embed_dims(const struct nx_models *m); /* 384; 0 when there is none */
void nx_embed_start(struct nx_models *m, struct nx_embed *e);
/* Blocks; for workers and the command line, never on a loop. */
int nx_embed_sync(struct nx_models *m, struct nx_arena *a, const nx_str *texts, size_t n, bool is_query, float **ret,
		  struct nx_error **err);

struct nx_model_info {
	const char *id, *kind, *provider; /* kind "chat" or "embedding"; they live as long as the models */
	/* "ready", "idle" (loaded at its first use), "loading", "missing: …" with what to do, "failing: …" with when it is
	 * tried again. */
	char state[384];
	size_t dims, context; /* 0: unknown, or of no meaning */
};
/* Any thread. The number of models, of which at most `max` are written. */
size_t nx_models_list(struct nx_models *m, struct nx_model_info *ret, size_t max);

/*
 * Where a model's file is: `name` itself when it has a slash, else the first of
 *   1. models/ in the data directory,
 *   2. the directory given to the build (meson -Dmodels_dir=…; by default that of the pinned downloads),
 *   3. models/ in the cache: $NEXUS_CACHE, $XDG_CACHE_HOME/nexus or ~/.cache/nexus
 * that has it. The path is malloc'ed. NX_EMISSING with the places that were looked at, and what to do.
 */
int nx_model_path(const struct nx_config *c, const char *name, char **ret, struct nx_error **err);

/* The program of `nexus model-worker`: reads requests on descriptor 3 as JSON lines, answers likewise. Returns the exit
 * status. */
int nx_model_worker_main(int argc, char **argv);

/* A provider of one's own (tests; later issues). */
struct nx_model_provider {
	const char *name;
	void (*chat)(void *self, struct nx_chat *c); /* must lead to exactly one nx_chat_finish */
	void (*cancel)(void *self, uint64_t id);     /* of any call, also of one that it does not have (any more) */
	void *self;
};
/* Before the first call. Copies the table; NULL takes the configured one again. */
void nx_models_set_chat_provider(struct nx_models *m, const struct nx_model_provider *p);
/* A piece of the answer, for on_delta; copied. */
void nx_chat_delta(struct nx_chat *c, nx_str text);
/* Takes err. Without one, the answer's members were set before; they need to live no longer than this call. Any thread. */
void nx_chat_finish(struct nx_chat *c, struct nx_error *err);

#endif
