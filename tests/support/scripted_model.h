/*
 * A chat model that says what a script tells it to, at once and on the calling thread: for tests of what uses a model.
 *
 *	answers:                          # YAML or JSON; tried in order, each answers once
 *	  - when: weather                 # only if the last message contains this
 *	    text: It rains.
 *	    pieces: 3                     # text comes in so many deltas (1)
 *	    finish: stop                  # default: tool_calls when there are calls, else stop
 *	    usage: {input: 10, output: 3}
 *	    repeat: true                  # any number of times
 *	  - calls:
 *	      - {id: c1, name: math.eval, arguments: {expression: 1+1}}
 *	  - error: {code: NX-PROVIDER, message: the endpoint is down}
 *	  - hang: true                    # until it is cancelled
 *
 * A call for which nothing is left fails with NX_EPROVIDER, naming the message. Safe to use from several threads.
 */
#ifndef TESTS_SUPPORT_SCRIPTED_MODEL_H
#define TESTS_SUPPORT_SCRIPTED_MODEL_H

#include "model/model.h"

struct nx_scripted_model;

/* NX_EPARSE, NX_EINVAL with the place of what is wrong. */
int nx_scripted_model_new(nx_str script, struct nx_scripted_model **ret, struct nx_error **err);
void nx_scripted_model_free(struct nx_scripted_model *s); /* after the models that use it; cancels what hangs */
/* For nx_models_set_chat_provider. */
const struct nx_model_provider *nx_scripted_model_provider(const struct nx_scripted_model *s);

/* What it was asked so far. */
struct nx_scripted_call {
	nx_str last;   /* the last message */
	nx_str system; /* the first message with the role system; empty: none */
	size_t nmessages, ntools;
};
size_t nx_scripted_model_count(struct nx_scripted_model *s);
struct nx_scripted_call nx_scripted_model_call(struct nx_scripted_model *s, size_t i);

#endif
