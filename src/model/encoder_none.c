/* The encoder of a build without libllama: it says so. */
#include "model/encoder_internal.h"

#include "base/assert.h"

int nx_encoder_model_load(const char *path, size_t dims, struct nx_encoder_model **ret, struct nx_error **err)
{
	(void)dims;
	(void)ret;
	return nx_error_set(err, NX_EUNSUPPORTED, "%s: this build has no libllama; build with -Dllama=enabled", path);
}

void nx_encoder_model_free(struct nx_encoder_model *m)
{
	nx_assert(m == NULL);
}

int nx_encoder_new(const struct nx_encoder_model *m, struct nx_encoder **ret, struct nx_error **err)
{
	(void)m;
	(void)ret;
	return nx_error_set(err, NX_EUNSUPPORTED, "this build has no libllama");
}

void nx_encoder_free(struct nx_encoder *e)
{
	nx_assert(e == NULL);
}

int nx_encoder_run(struct nx_encoder *e, nx_str text, float *ret, struct nx_error **err)
{
	(void)e;
	(void)text;
	(void)ret;
	return nx_error_set(err, NX_EUNSUPPORTED, "this build has no libllama");
}
