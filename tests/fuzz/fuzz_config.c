/* nexus.yaml, the environment, and the texts of sizes and times. */
#include "base/assert.h"
#include "base/config.h"

static void check_written(struct nx_config *c)
{
	for (size_t i = 0; i < nx_config_noptions; i++) {
		const struct nx_config_option *o = &nx_config_options[i];
		if (o->flags & NX_CONFIG_SECRET)
			continue;
		const char *text = nx_config_text(c, o, c->arena);
		nx_assert(text != NULL);
		nx_assert(nx_config_set(c, o->name, nx_str_z(text), NX_ORIGIN_FLAG, NULL) == 0);
	}
}

static void check_units(nx_str s)
{
	char text[NX_UNITS_TEXT];
	int64_t v, again;
	if (nx_size_parse(s, &v, NULL) == 0) {
		nx_size_format(v, text);
		nx_assert(v >= 0 && nx_size_parse(nx_str_z(text), &again, NULL) == 0 && again == v);
	}
	if (nx_duration_parse(s, &v, NULL) == 0) {
		nx_duration_format(v, text);
		nx_assert(v >= 0 && nx_duration_parse(nx_str_z(text), &again, NULL) == 0 && again == v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL, *env_err = NULL;
	struct nx_config *c = NULL, *from_env = NULL;
	nx_str s = nx_str_n((const char *)data, n);
	const char *environment[] = {"HOME=/home/u", NULL, NULL};
	nx_assert(a != NULL && nx_config_load(NULL, environment, &c, NULL) == 0);
	if (nx_config_read(c, s, "nexus.yaml", &err) == 0)
		check_written(c);
	nx_config_free(c);

	/* What begins like a variable is one too. */
	environment[1] = nx_str_starts(s, NX_STR("NEXUS_")) ? nx_str_zdup(a, s) : NULL;
	if (environment[1] != NULL && nx_config_load(NULL, environment, &from_env, &env_err) == 0)
		nx_config_free(from_env);
	check_units(s);
	return 0;
}
