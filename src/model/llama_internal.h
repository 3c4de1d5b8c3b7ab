/* libllama as this process uses it: started once, quiet, its last complaint kept for our error messages. */
#ifndef NX_MODEL_LLAMA_INTERNAL_H
#define NX_MODEL_LLAMA_INTERNAL_H

/* Idempotent; any thread. Before every first call into libllama. */
void nx_llama_init(void);
/* The first error it reported on this thread since nx_llama_hush, on one line; "" when there was none. */
const char *nx_llama_said(void);
void nx_llama_hush(void);

#endif
