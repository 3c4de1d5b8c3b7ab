/*
 * A snapshot of a vector index with bytes changed: each three of the input are where and what. Sums are not compared in
 * this build. What opens is searched and grows.
 */
#include "base/assert.h"
#include "base/id.h"
#include "base/io.h"
#include "knowledge/hnsw.h"

#include <stdio.h>
#include <stdlib.h>

#define DIMS 8
#define N 40

static const struct nx_hnsw_options options = {.dims = DIMS, .kept = NX_HNSW_BF16, .m = 2, .ef_build = 8};
static char path[] = "/tmp/nexus-fuzz-vectors-XXXXXX";
static struct nx_arena *arena, *scratch;
static nx_str good;

static int64_t key_of(void *ctx, uint32_t slot)
{
	return slot;
}

static uint32_t slot_of(void *ctx, int64_t key, uint32_t index)
{
	return (uint32_t)key;
}

static void grow(struct nx_hnsw *h, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct nx_hnsw_plan plan;
		uint32_t index;
		float v[DIMS] = {0};
		v[i % DIMS] = 0.8F;
		v[(i / DIMS + i + 1) % DIMS] += 0.6F;
		nx_assert(nx_hnsw_add(h, i, v, &index, NULL) == 0);
		while (h->linked < h->n) {
			nx_assert(nx_hnsw_plan(h, &plan, NULL) == 0);
			nx_assert(nx_hnsw_commit(h, &plan, NULL) == 0);
		}
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct nx_hnsw h;
	int fd = mkstemp(path);
	nx_assert(fd >= 0 && (arena = nx_arena_new(0)) && (scratch = nx_arena_new(0)));
	(void)close(fd);
	nx_assert(nx_hnsw_init(&h, &options, NULL) == 0);
	grow(&h, N);
	nx_assert(nx_hnsw_save(&h, path, key_of, NULL, NULL) == 0 &&
		  nx_file_read(arena, path, SIZE_MAX, &good, NULL) == 0);
	nx_hnsw_done(&h);
	return 0;
}

/* Nine offsets in ten fall into the first bytes of pages: the rest of most pages is empty. */
static void change(char *bytes, const uint8_t *d)
{
	size_t at = (size_t)d[0] << 8 | d[1];
	if (d[0] < 230)
		at = at % (good.n / 4096) * 4096 + (at >> 4) % 512;
	bytes[at % good.n] = (char)d[2];
}

static void use(struct nx_hnsw *h)
{
	struct nx_hnsw_query q;
	struct nx_scored hit[5];
	size_t n;
	float v[DIMS] = {1};
	nx_arena_reset(scratch);
	nx_assert(nx_hnsw_query(h, v, scratch, &q, NULL) == 0);
	nx_assert(nx_hnsw_search(h, &q, nx_countof(hit), 16, NULL, NULL, hit, &n, NULL) == 0);
	grow(h, 3);
	nx_assert(nx_hnsw_check(h, NULL) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nx_hnsw h;
	char *bytes = malloc(good.n);
	FILE *f = fopen(path, "wb");
	nx_assert(bytes && f);
	memcpy(bytes, good.p, good.n);
	for (size_t i = 0; i + 3 <= size; i += 3)
		change(bytes, data + i);
	nx_assert(fwrite(bytes, 1, good.n, f) == good.n && fclose(f) == 0);
	free(bytes);
	if (nx_hnsw_open(&h, &options, path, slot_of, NULL, NULL) == 0) {
		use(&h);
		nx_hnsw_done(&h);
	}
	return 0;
}
