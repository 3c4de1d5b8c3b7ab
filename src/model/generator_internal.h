/*
 * A chat model from a GGUF file, through libllama; in the model worker only.
 *
 * The prompt is made by the model's own chat template (llama_chat_apply_template). The template sees a mark in the place of
 * each message's text, and the text itself is tokenized apart with special tokens off: a document that contains "<|im_end|>"
 * can therefore not end its message and speak as somebody else.
 *
 * What the context holds of the last prompt and answer is kept, so that the next turn of a conversation costs only what is
 * new. Sampling: top-k 40, top-p 0.95, min-p 0.05, then the temperature; at temperature 0 the likeliest token.
 */
#ifndef NX_MODEL_GENERATOR_INTERNAL_H
#define NX_MODEL_GENERATOR_INTERNAL_H

#include "model/model.h"

struct nx_generator;

/* `context`: tokens, cut to what the model was trained for. NX_ECORRUPT, NX_ENOMEM; NX_EUNSUPPORTED without libllama. */
int nx_generator_open(const char *path, uint32_t context, int threads, struct nx_generator **ret,
		      struct nx_error **err);
void nx_generator_close(struct nx_generator *g);
uint32_t nx_generator_context(const struct nx_generator *g);

struct nx_generation {
	const struct nx_chat_message *messages;
	size_t nmessages;
	int64_t max_tokens;
	double temperature;             /* below 0: 0.7 */
	bool (*should_stop)(void *ctx); /* asked every few milliseconds */
	int (*on_text)(nx_str text, void *ctx,
		       struct nx_error **err); /* whole code points; an error ends the generation */
	void *ctx;

	const char *finish; /* "stop" or "length" */
	int64_t input_tokens, cached_tokens, output_tokens;
};
/* NX_ETOOBIG when the messages do not fit in the context, NX_ECANCELLED when should_stop said so. */
int nx_generator_run(struct nx_generator *g, struct nx_generation *n, struct nx_error **err);

#endif
