/* Uploads: the first line is the Content-Type, the rest the body. Every part lies within the body. */
#include "api/multipart_internal.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	nx_str body = nx_str_n((const char *)data, size), boundary, type;
	struct nx_part *parts;
	size_t n;
	if (!a || size == 0)
		return 0;
	type = nx_str_cut(&body, '\n');
	if (nx_multipart_boundary(type, &boundary, NULL))
		boundary = NX_STR("b");
	if (nx_multipart_parse(body, boundary, 64, a, &parts, &n, &err)) {
		nx_assert(err && nx_error_message(err)[0]);
		return 0;
	}
	nx_assert(n <= 64);
	for (size_t i = 0; i < n; i++) {
		const struct nx_part *p = &parts[i];
		nx_assert(p->name.p && nx_utf8_valid(p->name));
		nx_assert(p->bytes.p >= body.p && p->bytes.p + p->bytes.n <= body.p + body.n);
		nx_assert(!p->filename.p || (nx_utf8_valid(p->filename) && nx_str_find(p->filename, NX_STR("/")) < 0));
	}
	return 0;
}
