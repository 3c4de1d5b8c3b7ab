#include "base/id.h"
#include "knowledge/postings.h"
#include "tests/unit/nx_test.h"

#include <math.h>

#define TERMS 300

/* Terms with a frequency like words have: a few everywhere, most rarely. */
static void fill(struct nx_postings *p, uint32_t passages)
{
	for (uint32_t slot = 0; slot < passages; slot++) {
		struct nx_term_freq t[64];
		size_t n = 0;
		for (uint32_t term = 1; term <= TERMS && n < 64; term++)
			if (nx_random_unit() < 0.9 / term + 0.004)
				t[n++] = (struct nx_term_freq){term, 1 + (uint32_t)(nx_random_u64() % 4 == 0) * 3};
		ASSERT_OK(nx_postings_add(p, slot * 3 + 1, t, n, NULL));
	}
}

static bool accept_odd(void *ctx, uint32_t slot)
{
	return slot / 3 % 2;
}

static void compare(const struct nx_postings *p, bool (*accept)(void *, uint32_t), size_t k)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_query_term q[12];
	struct nx_scored *fast = nx_arena_array(a, struct nx_scored, k + 1),
			 *slow = nx_arena_array(a, struct nx_scored, k + 1);
	size_t n = 1 + (size_t)(nx_random_u64() % 12), nfast, nslow;
	for (size_t i = 0; i < n; i++)
		q[i] = (struct nx_query_term){1 + (uint32_t)((i * 37 + nx_random_u64() % 37) % TERMS),
					      0.2 + nx_random_unit()};
	struct nx_bm25 o = {.k1 = NX_BM25_K1, .b = NX_BM25_B, .accept = accept};
	ASSERT_OK(nx_postings_search(p, q, n, k, &o, a, fast, &nfast, NULL));
	struct nx_bm25 all = {.k1 = NX_BM25_K1, .b = NX_BM25_B, .accept = accept, .exhaustive = true};
	ASSERT_OK(nx_postings_search(p, q, n, k, &all, a, slow, &nslow, NULL));
	ASSERT_EQ(nfast, nslow);
	ASSERT_LE(o.scored, all.scored);
	for (size_t i = 0; i < nfast; i++)
		ASSERT_DOUBLE_NEAR(fast[i].score, slow[i].score, 1e-9);
}

TEST(pruned_search_finds_what_exhaustive_search_finds)
{
	struct nx_postings p;
	nx_id_seed(1);
	nx_postings_init(&p);
	fill(&p, 3000);
	for (int i = 0; i < 300; i++) {
		compare(&p, NULL, 10);
		compare(&p, accept_odd, 5);
		compare(&p, NULL, 1);
	}
	nx_postings_done(&p);
	nx_id_seed(0);
}

TEST(scores_are_bm25)
{
	struct nx_postings p;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_scored hit[3];
	size_t n;
	nx_postings_init(&p);
	ASSERT_OK(nx_postings_add(&p, 0, (struct nx_term_freq[]){{1, 2}, {2, 1}}, 2, NULL));
	ASSERT_OK(nx_postings_add(&p, 1, (struct nx_term_freq[]){{2, 4}}, 1, NULL));
	struct nx_bm25 o = {.k1 = 1.2, .b = 0.75};
	ASSERT_OK(nx_postings_search(&p, &(struct nx_query_term){1, 1}, 1, 3, &o, a, hit, &n, NULL));
	ASSERT_EQ(n, 1);
	double idf = log(1 + 1.5 / 1.5), length = 3.0 / 3.5;
	ASSERT_DOUBLE_NEAR(hit[0].score, idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * length)), 1e-12);
	nx_postings_done(&p);
}

TEST(a_rare_term_is_found_by_decoding_little)
{
	struct nx_postings p;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_scored hit[10];
	size_t n;
	nx_postings_init(&p);
	for (uint32_t s = 0; s < 100000; s++) {
		struct nx_term_freq t[] = {{1, 1 + s % 3}, {2, 1}};
		ASSERT_OK(nx_postings_add(&p, s, t, s % 500 == 0 ? 2 : 1, NULL));
	}
	struct nx_bm25 o = {.k1 = 1.2, .b = 0.75};
	ASSERT_OK(nx_postings_search(&p, (struct nx_query_term[]){{1, 1}, {2, 1}}, 2, 10, &o, a, hit, &n, NULL));
	ASSERT_EQ(n, 10);
	for (size_t i = 0; i < n; i++)
		ASSERT_EQ(hit[i].slot % 500, 0);
	ASSERT_LT(o.scored, 8000);
	nx_postings_done(&p);
}

static bool alive(void *ctx, uint32_t slot)
{
	return slot % 2 == 0;
}

TEST(compaction_drops_the_dead_and_keeps_the_rest)
{
	struct nx_postings p, q;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_scored hit[10];
	size_t n;
	nx_postings_init(&p);
	for (uint32_t s = 0; s < 1000; s++)
		ASSERT_OK(nx_postings_add(&p, s, &(struct nx_term_freq){1 + s % 7, 1}, 1, NULL));
	ASSERT_OK(nx_postings_compact(&p, alive, NULL, &q, NULL));
	ASSERT_EQ(q.npassages, 500);
	ASSERT_EQ(nx_postings_df(&q, 1), 72);
	struct nx_bm25 o = {.k1 = 1.2, .b = 0.75};
	ASSERT_OK(nx_postings_search(&q, &(struct nx_query_term){1, 1}, 1, 10, &o, a, hit, &n, NULL));
	ASSERT_EQ(n, 10);
	ASSERT_EQ(hit[1].slot, 14);
	ASSERT_OK(nx_postings_add(&q, 1000, &(struct nx_term_freq){1, 1}, 1, NULL));
	nx_postings_done(&p);
	nx_postings_done(&q);
}
