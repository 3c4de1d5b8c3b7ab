/*
 * Metrics: for each row of the table its series and one for what is over, all of them static, so that an update allocates
 * nothing and cannot fail. A series is found through a small hash table of slot numbers without a lock; making one takes
 * the mutex.
 */
#include "base/assert.h"
#include "base/trace.h"

#include <pthread.h>
#include <stdatomic.h>

#define LABEL_MAX 64 /* bytes with the NUL; a longer value is cut */

enum kind { COUNTER, COUNTER_F, GAUGE, GAUGE_F, HISTOGRAM };

static const struct {
	enum kind kind;
	const char *name, *labels, *help;
} table[] = {
#define NX_X_(sym, kind_, name_, labels_, series, help_) {kind_, name_, labels_, help_},
	NX_METRICS(NX_X_)
#undef NX_X_
};

/* Seconds. From a tenth of the p99 that a simple request may take to the longest default timeout. */
static const double bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
				1,     2.5,    5,     10,   30,    60,   120, 300};
#define NBOUNDS nx_countof(bounds)

/* Labels never change once the series is in the index; the figures are relaxed atomics. */
struct series {
	char l1[LABEL_MAX], l2[LABEL_MAX];
	uint64_t hash;
	_Atomic int64_t integer;    /* COUNTER, GAUGE; HISTOGRAM: the sum in nanoseconds */
	_Atomic uint64_t real_bits; /* COUNTER_F, GAUGE_F: a double */
	_Atomic uint64_t buckets[NBOUNDS + 1];
};

/* The index is a power of two, at most half full. */
#define NX_X_(sym, kind, name, labels, most, help)                                                    \
	_Static_assert((most) > 0 && (most) <= 4096 && ((most) & ((most)-1)) == 0, "a power of two"); \
	static struct series series_##sym[(most) + 1];                                                \
	static _Atomic uint16_t index_##sym[2 * (most)];
NX_METRICS(NX_X_)
#undef NX_X_

static struct metric {
	const uint16_t most;
	struct series *const series;   /* most, and one for "other" */
	_Atomic uint16_t *const index; /* slot + 1; 0: free */
	_Atomic uint16_t count;        /* series made; above most: "other" is in use too */
} metrics[NX_M_MAX_] = {
#define NX_X_(sym, kind, name, labels, most_, help) {.most = (most_), .series = series_##sym, .index = index_##sym},
	NX_METRICS(NX_X_)
#undef NX_X_
};
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static nx_str label(const char *l)
{
	return nx_utf8_truncate(nx_str_z(l ? l : ""), LABEL_MAX - 1);
}

static uint64_t labels_hash(nx_str l1, nx_str l2)
{
	return nx_str_hash(l1) * UINT64_C(0x9e3779b97f4a7c15) ^ nx_str_hash(l2);
}

static bool is_series(const struct series *s, uint64_t hash, nx_str l1, nx_str l2)
{
	return s->hash == hash && nx_str_eqz(l1, s->l1) && nx_str_eqz(l2, s->l2);
}

/* NULL when it is not there; *ret_free is then the place in the index where it belongs. */
static struct series *find(struct metric *m, uint64_t hash, nx_str l1, nx_str l2, size_t *ret_free)
{
	size_t mask = 2 * (size_t)m->most - 1, at = hash & mask;
	for (;; at = (at + 1) & mask) {
		/* acquire: pairs with the release in make, so that the labels are there when the slot is. */
		uint16_t slot = atomic_load_explicit(&m->index[at], memory_order_acquire);
		if (slot == 0) {
			*ret_free = at;
			return NULL;
		}
		if (is_series(&m->series[slot - 1], hash, l1, l2))
			return &m->series[slot - 1];
	}
}

static struct series *make_other(struct metric *m, uint16_t count)
{
	struct series *s = &m->series[m->most];
	if (count == m->most) {
		memcpy(s->l1, "other", sizeof("other"));
		memcpy(s->l2, "other", sizeof("other"));
		/* release: nx_metrics_visit reads the labels after it has acquired the count. */
		atomic_store_explicit(&m->count, (uint16_t)(m->most + 1), memory_order_release);
	}
	return s;
}

static struct series *make(struct metric *m, uint64_t hash, nx_str l1, nx_str l2)
{
	size_t at;
	struct series *s = find(m, hash, l1, l2, &at); /* another thread may have been faster */
	if (s)
		return s;
	uint16_t count = atomic_load_explicit(&m->count, memory_order_relaxed); /* relaxed: under the mutex */
	if (count >= m->most)
		return make_other(m, count);
	s = &m->series[count];
	memcpy(s->l1, l1.p, l1.n);
	memcpy(s->l2, l2.p, l2.n);
	s->hash = hash;
	/* release, both: whoever sees the slot or the count sees the labels. */
	atomic_store_explicit(&m->index[at], (uint16_t)(count + 1), memory_order_release);
	atomic_store_explicit(&m->count, (uint16_t)(count + 1), memory_order_release);
	return s;
}

static struct series *get(enum nx_metric id, const char *label1, const char *label2)
{
	struct metric *m = &metrics[id];
	nx_str l1 = label(label1), l2 = label(label2);
	uint64_t hash = labels_hash(l1, l2);
	size_t at;
	struct series *s = find(m, hash, l1, l2, &at);
	if (s)
		return s;
	/* relaxed: a stale count only leads through the mutex once more. */
	if (atomic_load_explicit(&m->count, memory_order_relaxed) > m->most)
		return &m->series[m->most];
	pthread_mutex_lock(&making);
	s = make(m, hash, l1, l2);
	pthread_mutex_unlock(&making);
	return s;
}

static uint64_t bits_of(double d)
{
	uint64_t u;
	memcpy(&u, &d, sizeof(u));
	return u;
}

static double real_of(uint64_t u)
{
	double d;
	memcpy(&d, &u, sizeof(d));
	return d;
}

static void real_add(_Atomic uint64_t *bits, double v)
{
	/* relaxed, all: the value stands alone and orders nothing. */
	uint64_t seen = atomic_load_explicit(bits, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(bits, &seen, bits_of(real_of(seen) + v), memory_order_relaxed,
						      memory_order_relaxed))
		;
}

void nx_metric_add(enum nx_metric m, const char *l1, const char *l2, double v)
{
	struct series *s = get(m, l1, l2);
	nx_assert(table[m].kind != HISTOGRAM);
	if (table[m].kind == COUNTER_F || table[m].kind == GAUGE_F)
		real_add(&s->real_bits, v);
	else
		atomic_fetch_add_explicit(&s->integer, (int64_t)v, memory_order_relaxed); /* relaxed: as real_add */
}

void nx_metric_set(enum nx_metric m, const char *l1, const char *l2, double v)
{
	struct series *s = get(m, l1, l2);
	nx_assert(table[m].kind != HISTOGRAM);
	if (table[m].kind == COUNTER_F || table[m].kind == GAUGE_F)
		atomic_store_explicit(&s->real_bits, bits_of(v), memory_order_relaxed); /* relaxed: as real_add */
	else
		atomic_store_explicit(&s->integer, (int64_t)v, memory_order_relaxed); /* relaxed: as real_add */
}

void nx_metric_observe(enum nx_metric m, const char *l1, const char *l2, double seconds)
{
	nx_assert(table[m].kind == HISTOGRAM);
	struct series *s = get(m, l1, l2);
	double v = seconds > 0 ? nx_min(seconds, 1e9) : 0; /* a NaN counts as 0 */
	size_t b = 0;
	while (b < NBOUNDS && v > bounds[b])
		b++;
	atomic_fetch_add_explicit(&s->buckets[b], 1, memory_order_relaxed);               /* relaxed: as real_add */
	atomic_fetch_add_explicit(&s->integer, (int64_t)(v * 1e9), memory_order_relaxed); /* relaxed: as real_add */
}

/* Cumulative counts and the total come from one reading of each bucket, so that they agree with each other. */
static void view_histogram(const struct series *s, uint64_t cumulative[NBOUNDS], struct nx_metric_view *v)
{
	for (size_t i = 0; i <= NBOUNDS; i++) {
		v->count += atomic_load_explicit(&s->buckets[i], memory_order_relaxed); /* relaxed: as real_add */
		if (i < NBOUNDS)
			cumulative[i] = v->count;
	}
	v->value = (double)atomic_load_explicit(&s->integer, memory_order_relaxed) / 1e9; /* relaxed: as real_add */
	v->buckets = cumulative;
	v->bounds = bounds;
	v->nbounds = NBOUNDS;
}

static void view_value(const struct series *s, bool is_real, struct nx_metric_view *v)
{
	/* relaxed, both: as real_add */
	if (is_real)
		v->value = real_of(atomic_load_explicit(&s->real_bits, memory_order_relaxed));
	else
		v->value = (double)atomic_load_explicit(&s->integer, memory_order_relaxed);
}

struct label_names {
	char first[32], second[32];
	size_t n;
};

static void split_labels(const char *names, struct label_names *ret)
{
	const char *comma = strchr(names, ',');
	size_t n1 = comma ? (size_t)(comma - names) : strlen(names), n2 = comma ? strlen(comma + 1) : 0;
	nx_assert(n1 < sizeof(ret->first) && n2 < sizeof(ret->second));
	*ret = (struct label_names){.n = (size_t)(n1 > 0) + (size_t)(n2 > 0)};
	memcpy(ret->first, names, n1);
	if (comma)
		memcpy(ret->second, comma + 1, n2);
}

static void visit_metric(size_t id, void (*visit)(const struct nx_metric_view *v, void *ctx), void *ctx)
{
	static const char *const kinds[] = {"counter", "counter", "gauge", "gauge", "histogram"};
	struct label_names names;
	split_labels(table[id].labels, &names);
	/* acquire: the labels of that many series are there. A metric without labels has its one series from the start. */
	size_t n = atomic_load_explicit(&metrics[id].count, memory_order_acquire);
	n = names.n ? n : 1;
	for (size_t i = 0; i < n; i++) {
		const struct series *s = &metrics[id].series[i];
		uint64_t cumulative[NBOUNDS];
		struct nx_metric_view v = {
			.name = table[id].name, .help = table[id].help, .kind = kinds[table[id].kind]};
		if (names.n > 0) {
			v.l1_name = names.first;
			v.l1 = s->l1;
		}
		if (names.n > 1) {
			v.l2_name = names.second;
			v.l2 = s->l2;
		}
		if (table[id].kind == HISTOGRAM)
			view_histogram(s, cumulative, &v);
		else
			view_value(s, table[id].kind == COUNTER_F || table[id].kind == GAUGE_F, &v);
		visit(&v, ctx);
	}
}

size_t nx_metric_series(enum nx_metric m)
{
	return metrics[m].most;
}

void nx_metrics_visit(void (*visit)(const struct nx_metric_view *v, void *ctx), void *ctx)
{
	for (size_t id = 0; id < NX_M_MAX_; id++)
		visit_metric(id, visit, ctx);
}
