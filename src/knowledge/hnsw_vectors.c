/* Storage and arithmetic of the vector index. */
#include "knowledge/hnsw_internal.h"

#include "base/assert.h"
#include "base/fault.h"

#include <math.h>

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static int32_t dot_avx2(const int8_t *a, const int8_t *b, uint32_t n)
{
	__m256i sum = _mm256_setzero_si256();
	for (uint32_t i = 0; i < n; i += 16) {
		__m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(a + i)));
		__m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(b + i)));
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
	}
	__m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
	return _mm_cvtsi128_si32(s);
}
#endif

static int32_t dot_plain(const int8_t *a, const int8_t *b, uint32_t n)
{
	int32_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

int32_t nx_dot_i8(const int8_t *a, const int8_t *b, uint32_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return dot_avx2(a, b, n);
#endif
	return dot_plain(a, b, n);
}

int nx_hnsw_init(struct nx_hnsw *h, uint32_t dims, struct nx_error **err)
{
	nx_assert(dims > 0);
	*h = (struct nx_hnsw){.dims = dims,
			      .stride = (dims + 31) / 32 * 32,
			      .entry = NX_HNSW_NONE,
			      .top = -1,
			      .random = UINT64_C(0x9e3779b97f4a7c15)};
	int r = pthread_mutex_init(&h->pool_lock, NULL);
	return r == 0 ? 0 : nx_error_set_errno(err, r, "make a lock");
}

static void scratch_free(struct nx_hnsw_scratch *s)
{
	free(s->seen);
	free(s->candidates);
	free(s->results);
	free(s);
}

void nx_hnsw_done(struct nx_hnsw *h)
{
	if (!h->dims)
		return;
	while (h->pool) {
		struct nx_hnsw_scratch *s = h->pool;
		h->pool = s->next;
		scratch_free(s);
	}
	(void)pthread_mutex_destroy(&h->pool_lock);
	free(h->data);
	free(h->scales);
	free(h->slots);
	free(h->links);
	free(h->levels);
	free(h->upper_at);
	free(h->upper);
	*h = (struct nx_hnsw){0};
}

/* int8 with one scale: x ≈ scale · q. */
static float quantise(const float *v, uint32_t dims, uint32_t stride, int8_t *ret)
{
	float most = 0;
	for (uint32_t i = 0; i < dims; i++)
		most = fmaxf(most, fabsf(v[i]));
	float unit = most > 0 ? most / 127 : 1;
	for (uint32_t i = 0; i < dims; i++)
		ret[i] = (int8_t)lrintf(v[i] / unit);
	memset(ret + dims, 0, stride - dims);
	return unit;
}

static bool reserve_vectors(struct nx_hnsw *h)
{
	if (h->n < h->cap)
		return true;
	if (h->cap > NX_HNSW_NONE / 2)
		return false;
	uint32_t cap = h->cap ? h->cap + h->cap / 2 : 64;
	int8_t *data = realloc(h->data, (size_t)cap * h->stride);
	if (!data)
		return false;
	h->data = data;
	float *scales = realloc(h->scales, cap * sizeof(*scales));
	if (!scales)
		return false;
	h->scales = scales;
	uint32_t *slots = realloc(h->slots, cap * sizeof(*slots));
	if (!slots)
		return false;
	h->slots = slots;
	h->cap = cap;
	return true;
}

int nx_hnsw_add(struct nx_hnsw *h, uint32_t slot, const float *v, uint32_t *ret_index, struct nx_error **err)
{
	if (NX_FAULT(index_add) || !reserve_vectors(h))
		return nx_error_set(err, NX_ENOMEM, "no memory for the vector index");
	h->scales[h->n] = quantise(v, h->dims, h->stride, h->data + (size_t)h->n * h->stride);
	h->slots[h->n] = slot;
	*ret_index = h->n++;
	return 0;
}

float nx_hnsw_similarity(const struct nx_hnsw *h, const int8_t *q, float scale, uint32_t index)
{
	return (float)nx_dot_i8(q, h->data + (size_t)index * h->stride, h->stride) * scale * h->scales[index];
}

float nx_hnsw_cosine(const struct nx_hnsw *h, uint32_t a, uint32_t b)
{
	return nx_hnsw_similarity(h, h->data + (size_t)a * h->stride, h->scales[a], b);
}

int nx_hnsw_query(const struct nx_hnsw *h, const float *v, struct nx_arena *a, struct nx_hnsw_query *ret,
		  struct nx_error **err)
{
	ret->data = nx_arena_alloc(a, h->stride);
	if (!ret->data)
		return nx_error_set(err, NX_ENOMEM, "no memory for a query's vector");
	ret->scale = quantise(v, h->dims, h->stride, ret->data);
	return 0;
}

float nx_hnsw_query_cosine(const struct nx_hnsw *h, const struct nx_hnsw_query *q, uint32_t index)
{
	return nx_hnsw_similarity(h, q->data, q->scale, index);
}

struct nx_hnsw_scratch *nx_hnsw_borrow(struct nx_hnsw *h)
{
	pthread_mutex_lock(&h->pool_lock);
	struct nx_hnsw_scratch *s = h->pool;
	if (s)
		h->pool = s->next;
	pthread_mutex_unlock(&h->pool_lock);
	if (!s)
		s = calloc(1, sizeof(*s));
	if (s && s->cap < h->n) {
		uint32_t cap = h->n + h->n / 4;
		uint32_t *seen = realloc(s->seen, cap * sizeof(*seen));
		if (!seen) {
			scratch_free(s);
			return NULL;
		}
		memset(seen + s->cap, 0, (cap - s->cap) * sizeof(*seen));
		s->seen = seen;
		s->cap = cap;
	}
	return s;
}

void nx_hnsw_return(struct nx_hnsw *h, struct nx_hnsw_scratch *s)
{
	pthread_mutex_lock(&h->pool_lock);
	s->next = h->pool;
	h->pool = s;
	pthread_mutex_unlock(&h->pool_lock);
}

size_t nx_hnsw_bytes(const struct nx_hnsw *h)
{
	return (size_t)h->cap * (h->stride + sizeof(float) + sizeof(uint32_t)) +
	       (size_t)h->links_cap * ((2 * NX_HNSW_M + 2) * sizeof(uint32_t) + 1) + h->upper_cap * sizeof(uint32_t);
}

int nx_hnsw_compact(const struct nx_hnsw *h, bool (*is_alive)(void *ctx, uint32_t slot), void *ctx, struct nx_hnsw *ret,
		    struct nx_error **err)
{
	int r = nx_hnsw_init(ret, h->dims, err);
	for (uint32_t i = 0; r == 0 && i < h->n; i++) {
		if (!is_alive(ctx, h->slots[i]))
			continue;
		if (!reserve_vectors(ret)) {
			nx_hnsw_done(ret);
			return nx_error_set(err, NX_ENOMEM, "no memory to compact the vector index");
		}
		memcpy(ret->data + (size_t)ret->n * ret->stride, h->data + (size_t)i * h->stride, h->stride);
		ret->scales[ret->n] = h->scales[i];
		ret->slots[ret->n++] = h->slots[i];
	}
	return r;
}
