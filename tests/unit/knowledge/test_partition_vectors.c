#include "base/id.h"
#include "base/io.h"
#include "knowledge/partition.h"
#include "tests/unit/nx_test.h"

#include <math.h>
#include <unistd.h>

#define DIMS 16
#define DOCS 30
#define CHUNKS 1000 /* a document: more than NX_HNSW_EXACT_BELOW in all */
#define N (DOCS * CHUNKS)

static const struct nx_partition_space space = {.dims = DIMS, .kept = NX_HNSW_BF16, .model = 77};

/* The same for a chunk at each start. */
static void vector_of(int64_t chunk, float ret[DIMS])
{
	double sum = 0;
	uint64_t x = (uint64_t)chunk * UINT64_C(0x9e3779b97f4a7c15);
	for (int i = 0; i < DIMS; i++) {
		x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
		ret[i] = (float)((double)(x >> 40) / (1 << 24) - 0.5);
		sum += (double)ret[i] * (double)ret[i];
	}
	for (int i = 0; i < DIMS; i++)
		ret[i] = (float)((double)ret[i] / sqrt(sum));
}

static void add_doc(struct nx_partition *p, int64_t key)
{
	static struct nx_prepared_chunk chunks[CHUNKS];
	for (int i = 0; i < CHUNKS; i++)
		chunks[i] = (struct nx_prepared_chunk){.key = (key - 1) * CHUNKS + i + 1, .text = NX_STR("x")};
	struct nx_prepared_doc d = {.key = key,
				    .name = NX_STR("n"),
				    .title = NX_STR("t"),
				    .indexes = NX_PARTITION_TEXT | NX_PARTITION_VECTOR,
				    .chunks = chunks,
				    .nchunks = CHUNKS},
			       *one = &d;
	ASSERT_OK(nx_partition_add_hidden(p, &d, NULL));
	nx_partition_show(p, &one, 1);
}

static struct nx_partition *new_partition(void)
{
	struct nx_partition *p;
	ASSERT_OK(nx_partition_new(1, NX_STR(""), &p, NULL));
	for (int64_t key = 1; key <= DOCS; key++)
		add_doc(p, key);
	return p;
}

static void add_vectors(struct nx_partition *p)
{
	for (int64_t chunk = 1; chunk <= N; chunk++) {
		float v[DIMS];
		vector_of(chunk, v);
		ASSERT_OK(nx_partition_add_vector(p, &space, chunk, v, NULL));
	}
}

static void tend(struct nx_partition *p)
{
	while (nx_partition_tend_vectors(p, 100000))
		continue;
}

/* The nearest of a chunk's vector is the chunk itself. */
static void assert_found(struct nx_partition *p, int64_t chunk, bool wanted)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_hnsw_query q;
	struct nx_scored hit;
	size_t n;
	float v[DIMS];
	vector_of(chunk, v);
	ASSERT_OK(nx_hnsw_query(&p->vectors, v, a, &q, NULL));
	ASSERT_OK(nx_hnsw_search(&p->vectors, &q, 1, 100, NULL, NULL, &hit, &n, NULL));
	ASSERT_EQ(n, 1);
	ASSERT_EQ(p->slots[hit.slot].key == chunk, wanted);
	ASSERT_EQ(nx_partition_has_vector(p, chunk), wanted);
}

/* What slots and index say of each other. */
static void assert_agreement(struct nx_partition *p)
{
	uint32_t n = 0;
	for (uint32_t s = 0; s < p->nslots; s++) {
		uint32_t v = p->slots[s].vector;
		if (v == NX_HNSW_NONE)
			continue;
		ASSERT_LT(v, p->vectors.n);
		ASSERT_EQ(p->vectors.slots[v], s);
		n++;
	}
	ASSERT_EQ(n, p->vectors.n);
	ASSERT_OK(nx_hnsw_check(&p->vectors, NULL));
}

TEST(vectors_are_linked_kept_in_a_snapshot_and_leave_with_their_documents)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *path = nx_path_join(a, nx_test_dir(), "v");
	struct nx_partition *p = new_partition();
	add_vectors(p);
	tend(p);
	ASSERT_EQ(p->vectors.linked, N);
	assert_agreement(p);
	ASSERT_TRUE(nx_partition_snapshot_is_due(p, false));
	ASSERT_OK(nx_partition_save_vectors(p, path, NULL));
	ASSERT_FALSE(nx_partition_snapshot_is_due(p, true));
	nx_partition_free(p);

	p = new_partition();
	nx_partition_remove(p, (int64_t[]){7}, 1); /* deleted between the snapshot and the start */
	ASSERT_OK(nx_partition_open_vectors(p, &space, path, NULL));
	ASSERT_EQ(p->vectors.linked, N);
	assert_found(p, 1234, true);
	assert_found(p, 6 * CHUNKS + 5, false);
	float v[DIMS];
	vector_of(6 * CHUNKS + 5, v);
	ASSERT_OK(nx_partition_add_vector(p, &space, 6 * CHUNKS + 5, v, NULL)); /* too late: it is gone */
	assert_found(p, 6 * CHUNKS + 5, false);

	for (int64_t doc = 8; doc <= 15; doc++)
		nx_partition_remove(p, &doc, 1);
	tend(p);
	ASSERT_EQ(p->vectors.n, N - 9 * CHUNKS);
	ASSERT_EQ(p->vectors.ndead, 0);
	ASSERT_EQ(p->vectors.linked, p->vectors.n);
	assert_agreement(p);
	assert_found(p, 1234, true);
	assert_found(p, 10 * CHUNKS + 5, false);
	ASSERT_OK(nx_partition_save_vectors(p, path, NULL));

	for (int64_t doc = 1; doc <= 6; doc++)
		nx_partition_remove(p, &doc, 1);
	ASSERT_OK(nx_partition_save_vectors(p, path, NULL)); /* so few that the start may as well link them anew */
	ASSERT_EQ(access(path, F_OK), -1);
	nx_partition_free(p);
}

TEST(a_vector_of_another_model_is_refused)
{
	struct nx_partition *p;
	float v[DIMS];
	ASSERT_OK(nx_partition_new(1, NX_STR(""), &p, NULL));
	add_doc(p, 1);
	vector_of(1, v);
	ASSERT_OK(nx_partition_add_vector(p, &space, 1, v, NULL));
	struct nx_partition_space other = {.dims = DIMS, .kept = NX_HNSW_BF16, .model = 78};
	ASSERT_ERR(nx_partition_add_vector(p, &other, 2, v, NULL), NX_EINVAL);
	other = (struct nx_partition_space){.dims = 8, .kept = NX_HNSW_BF16, .model = 77};
	ASSERT_ERR(nx_partition_add_vector(p, &other, 2, v, NULL), NX_EINVAL);
	nx_partition_free(p);
}
