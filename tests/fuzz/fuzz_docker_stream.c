/* Any bytes as what an engine sends: the stream of a process cut anywhere, statistics, ids. */
#include "execution/docker_internal.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	size_t n;
	uint64_t hash;
};

static void count(void *ctx, int fd, nx_str bytes)
{
	struct sum *s = ctx;
	nx_assert((fd == 1 || fd == 2) && bytes.n > 0);
	s->n += bytes.n;
	for (size_t i = 0; i < bytes.n; i++)
		s->hash = s->hash * 31 + (unsigned char)bytes.p[i] + (unsigned)fd;
}

static struct sum feed(nx_str bytes, size_t step)
{
	struct nx_docker_demux x = {0};
	struct sum s = {0};
	for (size_t i = 0; i < bytes.n; i += step)
		if (!nx_docker_demux_feed(&x, nx_str_slice(bytes, i, i + step), count, &s))
			break;
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char id[NX_DOCKER_ID_MAX], name[300];
	struct nx_docker_stats stats;
	nx_str bytes = nx_str_n((const char *)data, size);
	struct sum whole = feed(bytes, size ? size : 1), parts = feed(bytes, 3);
	nx_assert(whole.n <= size && whole.n == parts.n && whole.hash == parts.hash);

	struct nx_arena *a = nx_arena_new(0);
	if (a) {
		(void)nx_docker_read_stats(a, bytes, &stats);
		if (nx_docker_read_id(a, bytes, id))
			nx_assert(strlen(id) > 0);
	}
	nx_arena_free(a);
	size_t n = nx_min(size, sizeof(name) - 1);
	memcpy(name, data, n);
	name[n] = '\0';
	if (nx_docker_is_image(name))
		nx_assert(!strpbrk(name, "?&# %"));
	return 0;
}
