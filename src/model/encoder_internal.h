/*
 * The pinned sentence encoder: all-MiniLM-L6-v2 (Reimers and Gurevych 2019, Wang et al. 2020) through libllama.
 *
 * A model is the weights and the vocabulary, read-only and shared; an encoder is a context of one thread's own. A text
 * becomes at most 256 word pieces — the length its authors evaluate with; the attention over more would cost more than it
 * tells — then one forward pass, the mean over its pieces, and a vector of length 1.
 *
 * One text a pass, never several in a batch: from 16 pieces on a batch is no faster (measured: 127 against 117 to 139
 * texts a second at 16 pieces, 34 against 29 to 36 at 64), and what a text is batched with changes the last bits of its
 * vector, up to the third digit. So the same text has the same vector, whatever else is embedded.
 *
 * Nothing of libllama is touched before the first model is loaded.
 */
#ifndef NX_MODEL_ENCODER_INTERNAL_H
#define NX_MODEL_ENCODER_INTERNAL_H

#include "base/str.h"

#define NX_ENCODER_MAX_TOKENS 256
/* No text of 256 word pieces is longer, unless it is mostly white space: the tokenizer sees no more of it. */
#define NX_ENCODER_MAX_BYTES 16384

struct nx_encoder_model;
struct nx_encoder;

/* NX_EMISSING, NX_ETYPE (not this encoder), NX_ECORRUPT, or NX_EUNSUPPORTED in a build without libllama. */
int nx_encoder_model_load(const char *path, size_t dims, struct nx_encoder_model **ret, struct nx_error **err);
void nx_encoder_model_free(struct nx_encoder_model *m); /* after its encoders */

int nx_encoder_new(const struct nx_encoder_model *m, struct nx_encoder **ret, struct nx_error **err);
void nx_encoder_free(struct nx_encoder *e);
/* NX_EENCODING when the text is not UTF-8. Writes `dims` floats. */
int nx_encoder_run(struct nx_encoder *e, nx_str text, float *ret, struct nx_error **err);

#endif
