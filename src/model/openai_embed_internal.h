/* The answer of POST /embeddings. */
#ifndef NX_MODEL_OPENAI_EMBED_INTERNAL_H
#define NX_MODEL_OPENAI_EMBED_INTERNAL_H

#include "base/str.h"

/* Writes n unit-length vectors of `dims`. NX_EPROVIDER when one is missing, given twice, of another length or zero. */
int nx_openai_read_embeddings(nx_str body, size_t n, size_t dims, float *ret, struct nx_error **err);

#endif
