/* How base starts a thread. */
#ifndef NX_BASE_THREAD_INTERNAL_H
#define NX_BASE_THREAD_INTERNAL_H

#include "base/error.h"

#include <pthread.h>

/* A joinable thread called "nx-NAME" (cut at 15 bytes) with every signal blocked: signals belong to the main thread. */
int nx_thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg, struct nx_error **err);

#endif
