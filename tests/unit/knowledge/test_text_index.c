#include "base/id.h"
#include "base/io.h"
#include "knowledge/text_index.h"
#include "tests/unit/nx_test.h"

#include <math.h>
#include <stdio.h>

#define DOCS 3000
#define K 10

static const char *const stems[] = {"river",  "mountain", "king",   "queen",  "battle", "song",   "film",   "school",
				    "doctor", "painter",  "bridge", "castle", "train",  "market", "garden", "winter"};
static const char *const endings[] = {"", "s", "ed", "ing"};
static const char *const arabic[] = {"المدرسة", "ومدرسة", "كتاب", "الكتاب", "مكتبة", "السلام", "وزير", "الوزراء"};
static const char *const stops[] = {"the", "of", "and", "in"};

static char texts[DOCS][1024], titles[DOCS][64];
static struct nx_stemmer *stemmer;
static struct nx_arena *arena;

/* Few words often, most seldom. */
static size_t skewed(size_t n)
{
	double u = nx_random_unit();
	return (size_t)((double)n * u * u * u);
}

static void add_word(char *to, size_t room)
{
	char word[64];
	double u = nx_random_unit();
	if (u < 0.3)
		snprintf(word, sizeof(word), "%s", stops[skewed(nx_countof(stops))]);
	else if (u < 0.4)
		snprintf(word, sizeof(word), "%s", arabic[skewed(nx_countof(arabic))]);
	else if (u < 0.6)
		snprintf(word, sizeof(word), "Name%zu", skewed(4000));
	else
		snprintf(word, sizeof(word), "%s%s", stems[skewed(nx_countof(stems))], endings[skewed(4)]);
	size_t n = strlen(to);
	snprintf(to + n, room - n, "%s%s", n ? " " : "", word);
}

static void make_texts(void)
{
	nx_id_seed(21);
	memset(texts, 0, sizeof(texts));
	memset(titles, 0, sizeof(titles));
	if (!arena) {
		stemmer = nx_stemmer_new();
		arena = nx_arena_new(0);
	}
	for (int d = 0; d < DOCS; d++) {
		add_word(titles[d], sizeof(titles[d]));
		for (size_t n = 1 + nx_random_u64() % 60; n > 0; n--)
			add_word(texts[d], sizeof(texts[d]));
	}
}

static void analyse(const char *text, struct nx_term **ret, size_t *ret_n)
{
	ASSERT_OK(nx_text_analyse(stemmer, nx_str_z(text), arena, ret, ret_n, NULL));
}

/* Slots have gaps, as those of a partition have. */
static uint32_t slot_of(uint32_t doc)
{
	return 3 * doc + 1;
}

static void add_doc(struct nx_text_index *x, uint32_t d)
{
	struct nx_term *t, *u;
	size_t n, m;
	analyse(titles[d], &t, &n);
	analyse(texts[d], &u, &m);
	ASSERT_OK(nx_text_index_add(x, slot_of(d), 1000 + (int64_t)d, t, n, u, m, NULL));
}

static void merge(struct nx_text_index *x, bool (*is_alive)(void *ctx, uint32_t slot))
{
	for (;;) {
		struct nx_text_merge m;
		nx_text_merge_plan(x, true, is_alive, NULL, &m);
		if (m.n == 0)
			return;
		ASSERT_OK(nx_text_merge_build(&m, is_alive, NULL, NULL));
		nx_text_merge_commit(x, &m);
	}
}

/* In `parts` segments, but for the last one, which stays a tail. */
static void fill(struct nx_text_index *x, uint32_t parts)
{
	nx_text_index_init(x);
	for (uint32_t d = 0; d < DOCS; d++) {
		add_doc(x, d);
		if (parts > 1 && d % (DOCS / parts) == DOCS / parts - 1 && d + 1 < DOCS) {
			struct nx_text_merge m = {
				.first = x->nparts - 1, .n = 1, .is_freeze = true, .parts = {x->parts[x->nparts - 1]}};
			ASSERT_OK(nx_text_merge_build(&m, NULL, NULL, NULL));
			nx_text_merge_commit(x, &m);
		}
	}
}

static size_t search(struct nx_text_index *x, const char *query, bool exhaustive, struct nx_scored ret[K],
		     uint64_t *ret_scored)
{
	struct nx_term *t;
	size_t n, found;
	struct nx_text_query q = {.k1 = NX_BM25_K1, .b = NX_BM25_B, .exhaustive = exhaustive};
	analyse(query, &t, &n);
	ASSERT_OK(nx_text_search(x, t, n, K, &q, arena, ret, &found, NULL));
	if (ret_scored)
		*ret_scored += q.scored;
	return found;
}

static const char *const queries[] = {"river",
				      "rivers and mountains",
				      "the king of Name7",
				      "singing songs in winter gardens",
				      "المدرسة",
				      "الكتاب Name3 battle",
				      "Name1 Name2 Name3 Name4 queen queens",
				      "doctor doctor doctors",
				      "the of and",
				      "nothing-of-this",
				      "castle Name11 وزير trained"};

static void assert_same(const struct nx_scored *a, size_t na, const struct nx_scored *b, size_t nb, const char *query)
{
	if (na != nb)
		print_message("query: %s\n", query);
	ASSERT_EQ(na, nb);
	for (size_t i = 0; i < na; i++) {
		if (a[i].slot != b[i].slot)
			print_message("query: %s, rank %zu\n", query, i);
		ASSERT_DOUBLE_NEAR(a[i].score, b[i].score, 1e-9);
		ASSERT_EQ(a[i].slot, b[i].slot);
	}
}

TEST(pruning_changes_nothing_and_spares_work)
{
	struct nx_text_index x;
	make_texts();
	fill(&x, 3);
	ASSERT_EQ(x.nparts, 3);
	uint64_t all = 0, pruned = 0;
	for (size_t i = 0; i < nx_countof(queries); i++) {
		struct nx_scored a[K], b[K];
		size_t na = search(&x, queries[i], true, a, &all), nb = search(&x, queries[i], false, b, &pruned);
		assert_same(a, na, b, nb, queries[i]);
	}
	print_message("%llu of %llu passages were scored\n", (unsigned long long)pruned, (unsigned long long)all);
	ASSERT_LT(pruned, all * 9 / 10);
	nx_text_index_done(&x);
}

TEST(one_tail_three_parts_and_one_segment_give_the_same)
{
	struct nx_text_index tail, parts, whole;
	make_texts();
	fill(&tail, 1);
	fill(&parts, 3);
	fill(&whole, 3);
	merge(&whole, NULL);
	ASSERT_EQ(whole.nparts, 1);
	ASSERT_NOT_NULL(whole.parts[0].segment);
	for (size_t i = 0; i < nx_countof(queries); i++) {
		struct nx_scored a[K], b[K], c[K];
		size_t na = search(&tail, queries[i], false, a, NULL), nb = search(&parts, queries[i], false, b, NULL),
		       nc = search(&whole, queries[i], false, c, NULL);
		assert_same(a, na, b, nb, queries[i]);
		assert_same(a, na, c, nc, queries[i]);
	}
	ASSERT_LT(whole.parts[0].segment->bytes, nx_tail_bytes(tail.parts[0].tail) / 2);
	nx_text_index_done(&tail);
	nx_text_index_done(&parts);
	nx_text_index_done(&whole);
}

/* What BM25 gives, computed from the words. */
static double reference(uint32_t doc, const char *query)
{
	double score = 0, total = 0;
	static double length[DOCS];
	struct nx_term *q, *t;
	size_t nq, n;
	for (uint32_t d = 0; d < DOCS; d++) {
		length[d] = 0;
		for (int part = 0; part < 2; part++) {
			nx_arena_reset(arena);
			analyse(part ? texts[d] : titles[d], &t, &n);
			for (size_t i = 0; i < n; i++)
				length[d] += t[i].flags & NX_W_STOP ? 0 : 2;
		}
		total += length[d];
	}
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_OK(nx_text_analyse(stemmer, nx_str_z(query), a, &q, &nq, NULL));
	for (size_t i = 0; i < nq; i++) {
		double tf[2] = {0}, df[2] = {0};
		for (uint32_t d = 0; d < DOCS && !(q[i].flags & NX_W_STOP); d++) {
			double here[2] = {0};
			for (int part = 0; part < 2; part++) {
				nx_arena_reset(arena);
				analyse(part ? texts[d] : titles[d], &t, &n);
				for (size_t j = 0; j < n; j++) {
					here[0] += nx_str_eq(t[j].stem, q[i].stem);
					here[1] += nx_str_eq(t[j].surface, q[i].surface);
				}
			}
			for (int k = 0; k < 2; k++) {
				df[k] += here[k] > 0;
				tf[k] = d == doc ? here[k] : tf[k];
			}
		}
		for (int k = 0; k < 2; k++) {
			double idf = df[k] > 0 ? log1p((DOCS - df[k] + 0.5) / (df[k] + 0.5)) : 0;
			double c = NX_BM25_K1 * (1 - NX_BM25_B + NX_BM25_B * length[doc] / (total / DOCS));
			score += (k ? NX_TEXT_SURFACE_WEIGHT : 1) * idf * tf[k] * (NX_BM25_K1 + 1) / (tf[k] + c);
		}
	}
	return score;
}

TEST(scores_are_those_of_bm25)
{
	struct nx_text_index x;
	struct nx_scored hit[K];
	make_texts();
	for (int d = 0; d < DOCS; d++) /* Latin words alone, which the reference counts */
		for (char *p = texts[d]; *p; p++)
			if ((unsigned char)*p >= 0x80)
				*p = 'q';
	for (int d = 0; d < DOCS; d++)
		for (char *p = titles[d]; *p; p++)
			if ((unsigned char)*p >= 0x80)
				*p = 'q';
	fill(&x, 2);
	const char *query = "singing songs of Name3";
	ASSERT_EQ(search(&x, query, false, hit, NULL), K);
	for (size_t i = 0; i < K; i += 4)
		ASSERT_DOUBLE_NEAR(hit[i].score, reference((hit[i].slot - 1) / 3, query), 1e-6);
	nx_text_index_done(&x);
}

TEST(given_passages_are_scored_as_a_search_scores_them)
{
	struct nx_text_index x;
	make_texts();
	fill(&x, 3);
	for (size_t i = 0; i < nx_countof(queries); i++) {
		struct nx_scored hit[K], given[K];
		struct nx_term *t;
		size_t n, found = search(&x, queries[i], false, hit, NULL);
		struct nx_text_query q = {.k1 = NX_BM25_K1, .b = NX_BM25_B};
		memcpy(given, hit, sizeof(given));
		for (size_t a = 0; a < found; a++) /* rising slots */
			for (size_t b = a + 1; b < found; b++)
				if (given[b].slot < given[a].slot) {
					struct nx_scored s = given[a];
					given[a] = given[b];
					given[b] = s;
				}
		analyse(queries[i], &t, &n);
		ASSERT_OK(nx_text_score(&x, t, n, &q, arena, given, found, NULL));
		for (size_t a = 0; a < found; a++)
			for (size_t b = 0; b < found; b++)
				if (hit[b].slot == given[a].slot)
					ASSERT_DOUBLE_NEAR(given[a].score, hit[b].score, 1e-9);
	}
	nx_text_index_done(&x);
}

static bool is_even_doc(void *ctx, uint32_t slot)
{
	return (slot - 1) / 3 % 2 == 0;
}

TEST(merging_drops_the_dead_as_if_they_had_never_been)
{
	struct nx_text_index x, fresh;
	make_texts();
	fill(&x, 3);
	merge(&x, is_even_doc); /* freezes the tail with its dead */
	merge(&x, is_even_doc);
	nx_text_index_init(&fresh);
	for (uint32_t d = 0; d < DOCS; d += 2)
		add_doc(&fresh, d);

	ASSERT_EQ(x.parts[0].n, DOCS / 2);
	for (size_t i = 0; i < nx_countof(queries); i++) {
		struct nx_scored a[K], b[K];
		size_t na = search(&x, queries[i], false, a, NULL), nb = search(&fresh, queries[i], false, b, NULL);
		assert_same(a, na, b, nb, queries[i]);
	}
	nx_text_index_done(&x);
	nx_text_index_done(&fresh);
}

TEST(a_segment_comes_back_from_its_file_and_a_damaged_one_does_not)
{
	struct nx_text_index x;
	struct nx_segment *back;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *path = nx_path_join(a, nx_test_dir(), "s");
	make_texts();
	fill(&x, 2);
	merge(&x, NULL);
	struct nx_segment *s = x.parts[0].segment;
	ASSERT_OK(nx_segment_save(s, path, NULL));
	ASSERT_OK(nx_segment_open(path, &back, NULL));
	x.parts[0].segment = back;
	struct nx_scored hit[K], again[K];
	for (size_t i = 0; i < nx_countof(queries); i++) {
		size_t n = search(&x, queries[i], false, again, NULL);
		x.parts[0].segment = s;
		size_t m = search(&x, queries[i], false, hit, NULL);
		x.parts[0].segment = back;
		assert_same(hit, m, again, n, queries[i]);
	}
	nx_segment_free(s);
	nx_str good;
	ASSERT_OK(nx_file_read(a, path, SIZE_MAX, &good, NULL));
	nx_text_index_done(&x);
	char *bytes = nx_arena_memdup(a, good.p, good.n);
	for (size_t at = 0; at < good.n; at += at < 200 ? 1 : 9973) {
		bytes[at] ^= 4;
		ASSERT_OK(nx_file_write_durable(path, nx_str_n(bytes, good.n), 0600, NULL));
		bytes[at] ^= 4;
		ASSERT_LT(nx_segment_open(path, &back, NULL), 0);
	}
	ASSERT_OK(nx_file_write_durable(path, nx_str_slice(good, 0, good.n / 2), 0600, NULL));
	ASSERT_ERR(nx_segment_open(path, &back, NULL), NX_ECORRUPT);
}

/* Its sums agree: what is wrong was wrong when it was written. */
static void refuses(struct nx_segment *s, const char *what)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_segment *back;
	const char *path = nx_path_join(a, nx_test_dir(), "lies");
	ASSERT_OK(nx_segment_save(s, path, NULL));
	if (nx_segment_open(path, &back, &err) == 0)
		print_message("%s was not refused\n", what);
	ASSERT_EQ(nx_error_code(err), NX_ECORRUPT);
}

TEST(a_segment_that_lies_about_its_blocks_is_refused)
{
	struct nx_text_index x;
	make_texts();
	fill(&x, 1);
	merge(&x, NULL);
	struct nx_segment *s = x.parts[0].segment;
	uint32_t t = 1;
	while (s->terms[t].kind != NX_TEXT_SURFACE || s->lists[t].n & NX_SEGMENT_ONE ||
	       s->lists[t].n < 3 * NX_SEGMENT_BLOCK)
		t++;
	struct nx_segment_block *b = (void *)(uintptr_t)(s->postings + (size_t)s->lists[t].at * 4);
	uint32_t u = t + 1;
	while (s->terms[u].kind == NX_TEXT_ROOT || s->lists[u].n == 0)
		u++;
	struct nx_segment_list *next = (void *)(uintptr_t)&s->lists[u];
	const struct nx_segment_block was[2] = {b[0], b[1]};
	b[0].last = b[1].last;
	b[1].last = was[0].last;
	refuses(s, "falling blocks");
	b[0] = was[0];
	b[1] = was[1];
	b[1].last--;
	refuses(s, "a block that ends before its last passage");
	b[1] = was[1];
	b[1].max_tf = 0;
	refuses(s, "a frequency above the block's greatest");
	b[1] = was[1];
	b[1].min_length = UINT16_MAX;
	refuses(s, "a passage below the block's shortest");
	b[1] = was[1];
	next->at = s->lists[t].at;
	refuses(s, "a list in the place of another");
	nx_text_index_done(&x);
}

/* ---- words ---- */

struct found {
	uint32_t slots[DOCS];
	size_t n;
};

static bool note(void *ctx, uint32_t slot)
{
	struct found *f = ctx;
	f->slots[f->n++] = slot;
	return true;
}

static void find(struct nx_text_index *x, const char *words, bool needs_capital, struct found *ret)
{
	struct nx_term *t;
	size_t n;
	analyse(words, &t, &n);
	struct nx_text_sequence q = {.n = (uint32_t)n, .needs_capital = needs_capital};
	q.is_arabic = n && (t[0].flags & NX_W_ARABIC);
	for (size_t i = 0; i < n; i++)
		q.words[i] = q.is_arabic ? t[i].stem : t[i].surface;
	ret->n = 0;
	ASSERT_OK(nx_text_find_sequence(x, &q, arena, note, ret, NULL));
}

/* By reading all texts. */
static void find_by_reading(const char *words, bool needs_capital, struct found *ret)
{
	struct nx_term *q, *t;
	size_t nq, n;
	analyse(words, &q, &nq);
	ret->n = 0;
	for (uint32_t d = 0; d < DOCS; d++) {
		bool has = false;
		for (int part = 0; part < 2 && !has; part++) {
			nx_auto_arena struct nx_arena *a = nx_arena_new(0);
			ASSERT_OK(nx_text_analyse(stemmer, nx_str_z(part ? texts[d] : titles[d]), a, &t, &n, NULL));
			for (size_t at = 0; at + nq <= n && !has; at++) {
				size_t i = 0;
				while (i < nq && nx_str_eq(t[at + i].surface, q[i].surface) &&
				       (i > 0 || !needs_capital || (t[at].flags & NX_W_CAPITAL)))
					i++;
				has = i == nq;
			}
		}
		if (has)
			ret->slots[ret->n++] = slot_of(d);
	}
}

TEST(rows_of_words_are_found_where_they_stand)
{
	static const char *const rows[] = {"river",
					   "Name5",
					   "the king",
					   "of the river",
					   "queens and kings",
					   "battle battle",
					   "king of the river",
					   "Name1 Name2",
					   "in the",
					   "never-said words"};
	static struct found a, b, c;
	struct nx_text_index parts, whole;
	size_t hits = 0;
	make_texts();
	fill(&parts, 3);
	fill(&whole, 3);
	merge(&whole, NULL);
	for (size_t i = 0; i < nx_countof(rows); i++)
		for (int capital = 0; capital < 2; capital++) {
			find(&parts, rows[i], capital, &a);
			find(&whole, rows[i], capital, &b);
			find_by_reading(rows[i], capital, &c);
			ASSERT_EQ(a.n, c.n);
			ASSERT_EQ(b.n, c.n);
			ASSERT_MEMEQ(a.slots, c.slots, c.n * sizeof(*c.slots));
			ASSERT_MEMEQ(b.slots, c.slots, c.n * sizeof(*c.slots));
			hits += c.n;
		}
	ASSERT_GT(hits, 1000);
	nx_text_index_done(&parts);
	nx_text_index_done(&whole);
}

TEST(an_arabic_row_is_found_behind_a_particle)
{
	struct nx_text_index x;
	static struct found f;
	struct nx_term *t;
	size_t n;
	make_texts();
	nx_text_index_init(&x);
	analyse("زرنا وجامعة القاهرة أمس", &t, &n);
	ASSERT_OK(nx_text_index_add(&x, 1, 1, NULL, 0, t, n, NULL));
	analyse("القاهرة بلا جامعة", &t, &n);
	ASSERT_OK(nx_text_index_add(&x, 2, 2, NULL, 0, t, n, NULL));
	for (int frozen = 0; frozen < 2; frozen++) {
		find(&x, "جامعة القاهرة", false, &f);
		ASSERT_EQ(f.n, 1);
		ASSERT_EQ(f.slots[0], 1);
		merge(&x, NULL);
	}
	nx_text_index_done(&x);
}

TEST(masks_tell_which_words_a_passage_has)
{
	static const char *const asked[] = {"river", "king", "sing", "name3", "doctor"}; /* stems */
	static uint32_t slots[DOCS];
	static uint64_t masks[DOCS];
	nx_str roots[nx_countof(asked)];
	struct nx_text_index x;
	make_texts();
	fill(&x, 3);
	for (size_t i = 0; i < nx_countof(asked); i++)
		roots[i] = nx_str_z(asked[i]);
	for (uint32_t d = 0; d < DOCS; d++)
		slots[d] = slot_of(d);
	ASSERT_OK(nx_text_masks(&x, roots, nx_countof(asked), slots, DOCS, arena, masks, NULL));
	for (uint32_t d = 0; d < DOCS; d += 7) {
		uint64_t want = 0;
		struct nx_term *t;
		size_t n;
		for (int part = 0; part < 2; part++) {
			nx_auto_arena struct nx_arena *a = nx_arena_new(0);
			ASSERT_OK(nx_text_analyse(stemmer, nx_str_z(part ? texts[d] : titles[d]), a, &t, &n, NULL));
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j < nx_countof(asked); j++)
					want |= nx_str_eq(t[i].stem, roots[j]) ? UINT64_C(1) << j : 0;
		}
		ASSERT_EQ(masks[d], want);
	}
	nx_text_index_done(&x);
}
