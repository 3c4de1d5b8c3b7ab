/*
 * What the providers share. The registry (models.c) decides which provider takes a call and does the part that is the
 * same for all: ids, spans, metrics, the price, and the way back to the caller's loop.
 */
#ifndef NX_MODEL_MODEL_INTERNAL_H
#define NX_MODEL_MODEL_INTERNAL_H

#include "model/model.h"

#define NX_MINILM_NAME "minilm-l6-v2"
#define NX_MINILM_FILE "all-MiniLM-L6-v2-bf16.gguf"
#define NX_MINILM_DIMS 384

/* What a provider can say of itself; any thread. */
struct nx_model_health {
	bool ready, loading;
	char failing[256]; /* "": it is not */
	size_t context;
};

struct nx_openai;
struct nx_worker;
struct nx_local_embed;

/* openai_chat.c, openai_embed.c: everything but `new` and `start` happens on the net loop. */
int nx_openai_new(const struct nx_config *c, struct nx_http_client *net, struct nx_openai **ret, struct nx_error **err);
void nx_openai_free(struct nx_openai *o);
void nx_openai_chat(void *openai, struct nx_chat *c);
void nx_openai_cancel(void *openai, uint64_t id);
void nx_openai_embed(struct nx_openai *o, struct nx_embed *e, size_t dims);
void nx_openai_health(struct nx_openai *o, struct nx_model_health *ret);
/* Dimensions of the embedding models that everybody knows; 0 for others. */
size_t nx_openai_known_dims(nx_str model);

/* worker.c: everything but `new` happens on the net loop. */
int nx_worker_new(const struct nx_config *c, struct nx_loop *loop, const char *path, struct nx_worker **ret,
		  struct nx_error **err);
void nx_worker_free(struct nx_worker *w);
void nx_worker_chat(void *worker, struct nx_chat *c);
void nx_worker_cancel(void *worker, uint64_t id);
void nx_worker_health(struct nx_worker *w, struct nx_model_health *ret);
/* Tests: the program to start instead of this one. The string is the caller's. NULL: this one. */
void nx_worker_set_program(const char *path);

/* Cores this process may use: 1 to 16. */
unsigned nx_model_count_cores(void);

/* local_embed.c. `idle_us`: how long a thread waits for work before it leaves and gives its memory back. */
int nx_local_embed_new(const char *path, int64_t idle_us, struct nx_local_embed **ret, struct nx_error **err);
void nx_local_embed_free(struct nx_local_embed *l);
void nx_local_embed_start(struct nx_local_embed *l, struct nx_embed *e);
bool nx_local_embed_loaded(struct nx_local_embed *l);

/* chat_call.c: the part of a call that is the same for all providers. Before the provider sees it; NX_ENOMEM leaves a call
 * that can only be finished. */
int nx_chat_call_begin(struct nx_chat *c, const struct nx_config *config, const char *provider, struct nx_error **err);
nx_str nx_chat_model(const struct nx_chat *c, const struct nx_config *config); /* what was asked for, or the default */

/* Ends an embedding: fills nothing, takes err, runs e->done where it belongs. Any thread. */
void nx_embed_finish(struct nx_embed *e, struct nx_error *err);

/* Runs `call(arg)` on the loop and waits until it has returned; in place when the loop is the caller's or simulated. */
void nx_model_call_on(struct nx_loop *l, void (*call)(void *arg), void *arg);

#endif
