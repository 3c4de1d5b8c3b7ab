/* Server-sent events, in pieces of a length that the first byte chooses: what is given must not depend on the pieces. */
#include "base/assert.h"
#include "base/http_client.h"

struct digest {
	uint64_t sum;
	size_t events;
};

static void on_event(nx_str event, nx_str data, nx_str id, void *ctx)
{
	struct digest *d = ctx;
	d->sum = d->sum * 31 + nx_str_hash(event) + nx_str_hash(data) * 3 + nx_str_hash(id) * 7;
	d->events++;
}

static struct digest feed(nx_str s, size_t piece)
{
	struct nx_sse_parser p = {0};
	struct digest d = {0};
	for (size_t at = 0; at < s.n; at += piece)
		nx_sse_feed(&p, nx_str_slice(s, at, at + piece), on_event, &d);
	nx_assert(!p.failed);
	nx_sse_done(&p);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	nx_str s = nx_str_n((const char *)data + 1, n - 1);
	struct digest whole = feed(s, s.n), pieces = feed(s, data[0] % 16 + 1U);
	nx_assert(whole.sum == pieces.sum && whole.events == pieces.events);
	return 0;
}
