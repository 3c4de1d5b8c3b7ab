/* Request targets: "METHOD /path". What matches has its parameters within the path. */
#include "api/query_internal.h"
#include "api/route_internal.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str path = nx_str_n((const char *)data, size), value;
	struct nx_match m;
	char allow[64];
	if (!a || size == 0)
		return 0;
	nx_str method = nx_str_cut(&path, ' ');
	if (path.n == 0)
		path = NX_STR("/");
	nx_route_match(method, path, &m);
	nx_assert(!m.route || m.methods);
	nx_methods_text(m.methods, allow, sizeof(allow));
	(void)nx_route_nearest(path);
	for (size_t i = 0; m.route && i < NX_ROUTE_PARAMS_MAX && m.params[i].p; i++) {
		nx_assert(m.params[i].n > 0);
		nx_assert(m.params[i].p >= path.p && m.params[i].p + m.params[i].n <= path.p + path.n);
		if (nx_percent_decode(m.params[i], false, "a part of the path", a, &value, NULL) == 0)
			nx_assert(nx_utf8_valid(value) && !memchr(value.p, '\0', value.n));
	}
	return 0;
}
