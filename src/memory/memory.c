#include "memory/memory_internal.h"

int nx_memory_new(const struct nx_config *c, struct nx_store *s, struct nx_workers *w, struct nx_knowledge *k,
		  struct nx_models *models, struct nx_memory **ret, struct nx_error **err)
{
	struct nx_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return nx_error_set(err, NX_ENOMEM, "start the memory");
	*m = (struct nx_memory){.config = c, .store = s, .workers = w, .knowledge = k, .models = models};
	*ret = m;
	return 0;
}

void nx_memory_free(struct nx_memory *m)
{
	free(m);
}
