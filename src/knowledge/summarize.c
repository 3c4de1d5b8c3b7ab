/*
 * Extractive summaries by TextRank (Mihalcea and Tarau 2004): sentences are nodes, two of them are joined by the stems they
 * share divided by the logarithms of their lengths, and the most central ones are kept in their order.
 */
#include "knowledge/dict.h"
#include "knowledge/knowledge.h"
#include "knowledge/pagerank.h"
#include "knowledge/text.h"

#include <math.h>

/* Sentences compared with each other; of a longer text the first ones speak for it. */
#define SENTENCES_MAX 400
#define DAMPING 0.85
#define STEPS 30

struct sentence {
	struct nx_span_bytes at;
	uint32_t *stems; /* sorted, each once */
	size_t nstems;
	double rank;
};

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static int read_stems(nx_str text, struct nx_stemmer *s, struct nx_dict *d, struct nx_arena *a, struct sentence *ret,
		      struct nx_error **err)
{
	struct nx_term *t;
	size_t n, k = 0;
	int r = nx_text_analyse(s, nx_str_n(text.p + ret->at.start, ret->at.length), a, &t, &n, err);
	if (r < 0)
		return r;
	ret->stems = nx_arena_array(a, uint32_t, n + 1);
	if (!ret->stems)
		return nx_error_set(err, NX_ENOMEM, "no memory to summarize");
	for (size_t i = 0; i < n; i++)
		if (!(t[i].flags & NX_W_STOP))
			ret->stems[k++] = nx_dict_add(d, 0, t[i].stem);
	if (k)
		qsort(ret->stems, k, sizeof(*ret->stems), by_number);
	for (size_t i = 0; i < k; i++)
		if (ret->nstems == 0 || ret->stems[ret->nstems - 1] != ret->stems[i])
			ret->stems[ret->nstems++] = ret->stems[i];
	return 0;
}

static float similarity(const struct sentence *a, const struct sentence *b)
{
	size_t shared = 0;
	for (size_t i = 0, j = 0; i < a->nstems && j < b->nstems;) {
		if (a->stems[i] == b->stems[j]) {
			shared++;
			i++;
			j++;
		} else if (a->stems[i] < b->stems[j]) {
			i++;
		} else {
			j++;
		}
	}
	return shared ? (float)((double)shared / (1 + log((double)a->nstems) + log((double)b->nstems))) : 0;
}

static int rank(struct sentence *v, uint32_t n, struct nx_arena *a, struct nx_error **err)
{
	uint32_t *starts = nx_arena_array(a, uint32_t, (size_t)n + 1),
		 *to = nx_arena_array(a, uint32_t, (size_t)n * n + 1);
	float *weights = nx_arena_array(a, float, (size_t)n *n + 1);
	double *restart = nx_arena_array(a, double, (size_t)n + 1), *ranks = NULL;
	uint32_t edges = 0;
	if (!starts || !to || !weights || !restart)
		return nx_error_set(err, NX_ENOMEM, "no memory to summarize %u sentences", n);
	for (uint32_t i = 0; i < n; i++) {
		starts[i] = edges;
		restart[i] = 1.0 / n;
		for (uint32_t j = 0; j < n; j++) {
			float w = i == j ? 0 : similarity(&v[i], &v[j]);
			if (w <= 0)
				continue;
			to[edges] = j;
			weights[edges++] = w;
		}
	}
	starts[n] = edges;
	struct nx_rows_graph g = {.n = n, .starts = starts, .to = to, .weights = weights};
	int r = nx_pagerank(&g, restart, DAMPING, STEPS, a, &ranks, err);
	for (uint32_t i = 0; r == 0 && i < n; i++)
		v[i].rank = ranks[i];
	return r;
}

static int join_best(nx_str text, const struct sentence *v, size_t n, size_t max, struct nx_arena *a, nx_str *ret,
		     struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	for (size_t i = 0; i < n; i++) {
		size_t better = 0;
		for (size_t j = 0; j < n; j++)
			better += v[j].rank > v[i].rank || (v[j].rank >= v[i].rank && j < i);
		if (better >= max)
			continue;
		if (b.n)
			nx_buf_addc(&b, ' ');
		nx_buf_add(&b, text.p + v[i].at.start, v[i].at.length);
	}
	*ret = nx_str_dup(a, nx_buf_str(&b));
	return nx_buf_failed(&b) || !ret->p ? nx_error_set(err, NX_ENOMEM, "no memory for a summary") : 0;
}

static int summarize(nx_str text, size_t max, struct nx_dict *d, struct nx_arena *scratch, struct nx_arena *a,
		     nx_str *ret, struct nx_error **err)
{
	nx_auto_stemmer struct nx_stemmer *s = nx_stemmer_new();
	struct nx_span_bytes *spans;
	size_t n;
	if (!s)
		return nx_error_set(err, NX_ENOMEM, "no memory to summarize");
	int r = nx_text_sentences(text, scratch, &spans, &n, err);
	if (r < 0)
		return r;
	n = nx_min(n, (size_t)SENTENCES_MAX);
	struct sentence *v = nx_arena_array(scratch, struct sentence, n + 1);
	if (!v)
		return nx_error_set(err, NX_ENOMEM, "no memory to summarize %zu sentences", n);
	for (size_t i = 0; i < n && r == 0; i++) {
		v[i].at = spans[i];
		r = read_stems(text, s, d, scratch, &v[i], err);
	}
	if (r == 0)
		r = rank(v, (uint32_t)n, scratch, err);
	return r < 0 ? r : join_best(text, v, n, max, a, ret, err);
}

int nx_text_summarize(nx_str text, size_t max, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *scratch = nx_arena_new(0);
	struct nx_dict d;
	if (nx_str_trim(text).n == 0 || max == 0)
		return nx_error_set(err, NX_EINVAL, "there is nothing to summarize");
	if (!scratch)
		return nx_error_set(err, NX_ENOMEM, "no memory to summarize");
	int r = nx_utf8_check(text, "text", err);
	if (r == 0)
		r = nx_dict_init(&d, err);
	if (r < 0)
		return r;
	r = summarize(text, max, &d, scratch, a, ret, err);
	nx_dict_done(&d);
	return r;
}
