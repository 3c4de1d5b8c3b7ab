/* The generator of a build without libllama: it says so. */
#include "base/assert.h"
#include "model/generator_internal.h"

int nx_generator_open(const char *path, uint32_t context, int threads, struct nx_generator **ret, struct nx_error **err)
{
	(void)context;
	(void)threads;
	(void)ret;
	return nx_error_set(err, NX_EUNSUPPORTED, "%s: this build has no libllama; build with -Dllama=enabled", path);
}

void nx_generator_close(struct nx_generator *g)
{
	nx_assert(g == NULL);
}

uint32_t nx_generator_context(const struct nx_generator *g)
{
	(void)g;
	return 0;
}

int nx_generator_run(struct nx_generator *g, struct nx_generation *n, struct nx_error **err)
{
	(void)g;
	(void)n;
	return nx_error_set(err, NX_EUNSUPPORTED, "this build has no libllama");
}
