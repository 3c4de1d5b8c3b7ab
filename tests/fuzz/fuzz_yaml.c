/* YAML: whatever is read can be written as JSON, which our reader then takes; memory stays in proportion. */
#include "base/assert.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_json_limits limits = {.max_depth = 20};
	yyjson_val *v, *again;
	nx_str text;
	nx_assert(a != NULL);
	int code = nx_yaml_read(a, nx_str_n((const char *)data, n), &limits, &v, &err);
	nx_assert(code == nx_error_code(err));
	nx_assert(nx_arena_used(a) < 65536 + 512 * n);
	if (code != 0)
		return 0;
	nx_assert(nx_json_write_val(a, v, false, &text, NULL) == 0);
	nx_assert(nx_json_read(a, text, &limits, &again, NULL) == 0);
	return 0;
}
