/* What is read as a traceparent of version 00 is written again byte by byte, but for the flags. */
#include "base/assert.h"
#include "base/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct nx_trace_ctx c;
	char text[56];
	nx_str s = nx_str_n((const char *)data, n);
	if (!nx_traceparent_parse(s, &c))
		return 0;
	nx_assert(c.span != 0 && !nx_id_none(c.trace));
	nx_traceparent_format(c, text);
	nx_assert(nx_str_eq(nx_str_slice(s, 2, 53), nx_str_slice(nx_str_z(text), 2, 53)));
	return 0;
}
