#include "model/llama_internal.h"

#include <llama.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

static _Thread_local char said[256];

/* The first line of the first error names the cause; what follows is "failed to load" and the like. */
static void keep_complaint(enum ggml_log_level level, const char *text, void *user)
{
	(void)user;
	if (level != GGML_LOG_LEVEL_ERROR || said[0] != '\0')
		return;
	size_t n = strcspn(text, "\n");
	if (n >= sizeof(said))
		n = sizeof(said) - 1;
	memcpy(said, text, n);
	said[n] = '\0';
}

static void start(void)
{
	llama_log_set(keep_complaint, NULL);
	llama_backend_init();
}

void nx_llama_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, start);
}

const char *nx_llama_said(void)
{
	return said;
}

void nx_llama_hush(void)
{
	said[0] = '\0';
}
