/* The body of POST /chat/completions. */
#ifndef NX_MODEL_OPENAI_CHAT_INTERNAL_H
#define NX_MODEL_OPENAI_CHAT_INTERNAL_H

#include "model/model.h"

struct nx_openai_dialect {
	nx_str model;
	int64_t max_tokens;
	bool lacks_stream_options;    /* endpoints that refuse what they do not know */
	bool wants_completion_tokens; /* "max_completion_tokens" in the place of "max_tokens" */
};

/* Appends the JSON. NX_EINVAL when a message is not UTF-8 or a tool's parameters are no JSON object. */
int nx_openai_chat_body(const struct nx_chat *c, const struct nx_openai_dialect *d, struct nx_buf *ret,
			struct nx_error **err);

#endif
