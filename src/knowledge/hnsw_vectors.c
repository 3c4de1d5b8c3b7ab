/* Storage of the vector index: rotation, codes, what is kept beside them. */
#include "knowledge/hnsw_internal.h"

#include "base/assert.h"
#include "base/fault.h"

#include <errno.h>
#include <math.h>
#include <sys/mman.h>

/* ---- rotation ---- */

/* splitmix64 (Steele, Lea and Flood 2014): bit i decides the sign of component i. */
static uint64_t signs(uint64_t i)
{
	uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void flip_signs(float *v, uint32_t n, uint64_t round)
{
	uint64_t bits = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (i % 64 == 0)
			bits = signs(round << 32 | i / 64);
		v[i] = bits >> (i % 64) & 1 ? -v[i] : v[i];
	}
}

/* Fast Walsh-Hadamard transform of a power of two, scaled to keep lengths. */
static void hadamard(float *v, uint32_t n)
{
	for (uint32_t half = 1; half < n; half *= 2)
		for (uint32_t i = 0; i < n; i += 2 * half)
			for (uint32_t j = i; j < i + half; j++) {
				float x = v[j], y = v[j + half];
				v[j] = x + y;
				v[j + half] = x - y;
			}
	float scale = 1 / sqrtf((float)n);
	for (uint32_t i = 0; i < n; i++)
		v[i] *= scale;
}

/* Of any number of components: the largest power of two from the front, then from the back. */
static void rotate(float *v, uint32_t dims)
{
	uint32_t n = 1;
	while (2 * n <= dims)
		n *= 2;
	flip_signs(v, dims, 0);
	hadamard(v, n);
	flip_signs(v, dims, 1);
	hadamard(v + dims - n, n);
}

/* ---- life ---- */

int nx_hnsw_init(struct nx_hnsw *h, const struct nx_hnsw_options *o, struct nx_error **err)
{
	uint32_t m = o->m ? o->m : NX_HNSW_M, ef = o->ef_build ? o->ef_build : NX_HNSW_EF_BUILD;
	nx_assert(o->dims > 0 && m >= 2 && m <= NX_HNSW_M_MAX && ef >= m);
	*h = (struct nx_hnsw){.dims = o->dims,
			      .model = o->model,
			      .stride = (o->dims + NX_VECTOR_LANES - 1) / NX_VECTOR_LANES * NX_VECTOR_LANES,
			      .kept = o->kept,
			      .m = m,
			      .ef_build = ef,
			      .step = (float)(NX_HNSW_RANGE / sqrt(o->dims) / 127),
			      .entry = NX_HNSW_NONE,
			      .top = -1,
			      .random = UINT64_C(0x9e3779b97f4a7c15)};
	h->pool = calloc(1, sizeof(*h->pool));
	int r = h->pool ? pthread_mutex_init(&h->pool->lock, NULL) : ENOMEM;
	if (r == 0)
		return 0;
	free(h->pool);
	*h = (struct nx_hnsw){0};
	return nx_error_set_errno(err, r, "make a vector index");
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
	while (h->pool->free) {
		struct nx_hnsw_scratch *s = h->pool->free;
		h->pool->free = s->next;
		scratch_free(s);
	}
	(void)pthread_mutex_destroy(&h->pool->lock);
	free(h->pool);
	nx_pages_free(&h->codes);
	nx_pages_free(&h->exact);
	nx_pages_free(&h->links);
	if (h->map)
		(void)munmap(h->map, h->map_bytes);
	free(h->slots);
	free(h->dead);
	free(h->levels);
	free(h->upper_at);
	free(h->upper);
	*h = (struct nx_hnsw){0};
}

/* ---- codes ---- */

/* Rotated, then rounded to steps; what is out of range is clipped. */
static void encode(const struct nx_hnsw *h, float *v, uint8_t *ret)
{
	for (uint32_t i = 0; i < h->dims; i++) {
		float steps = fminf(fmaxf(v[i] / h->step, -127), 127);
		ret[i] = (uint8_t)(lrintf(steps) + NX_CODE_ZERO);
	}
	memset(ret + h->dims, NX_CODE_ZERO, h->stride - h->dims);
}

int32_t nx_hnsw_code_as_query(const struct nx_hnsw *h, uint32_t index, int8_t *ret)
{
	const uint8_t *c = nx_hnsw_code(h, index);
	int32_t sum = 0;
	for (uint32_t i = 0; i < h->stride; i++) {
		ret[i] = (int8_t)(c[i] - NX_CODE_ZERO);
		sum += ret[i];
	}
	return NX_CODE_ZERO * sum;
}

/* To the nearest, ties to even. */
static uint16_t to_bf16(float f)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof(bits));
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void keep_exact(struct nx_hnsw *h, uint32_t index, const float *v)
{
	if (h->kept == NX_HNSW_F32)
		memcpy((float *)h->exact.p + (size_t)index * h->stride, v, h->stride * sizeof(*v));
	else if (h->kept == NX_HNSW_BF16)
		for (uint32_t i = 0; i < h->stride; i++)
			((uint16_t *)h->exact.p)[(size_t)index * h->stride + i] = to_bf16(v[i]);
}

static bool grow_words(void *array, size_t old, size_t words, size_t size)
{
	void **at = array, *p = realloc(*at, words * size);
	if (!p)
		return false;
	memset((char *)p + old * size, 0, (words - old) * size);
	*at = p;
	return true;
}

/* Each array has room for `cap` or more: one that cannot grow leaves the others larger than they are said to be. */
static bool reserve_vectors(struct nx_hnsw *h)
{
	if (h->n < h->cap)
		return true;
	if (h->cap > NX_HNSW_NONE / 2)
		return false;
	uint32_t cap = (h->cap + nx_max(h->cap / 2, UINT32_C(64))) / 64 * 64;
	if (!grow_words(&h->slots, h->cap, cap, sizeof(*h->slots)) ||
	    !grow_words(&h->dead, ((size_t)h->cap + 63) / 64, cap / 64, sizeof(*h->dead)) ||
	    !nx_pages_grow(&h->codes, (size_t)cap * h->stride) ||
	    !nx_pages_grow(&h->exact, cap * nx_hnsw_exact_bytes(h)))
		return false;
	h->cap = cap;
	return true;
}

int nx_hnsw_add(struct nx_hnsw *h, uint32_t slot, const float *v, uint32_t *ret_index, struct nx_error **err)
{
	nx_auto_free float *rotated = calloc(h->stride, sizeof(*rotated));
	if (NX_FAULT(index_add) || !rotated || !reserve_vectors(h))
		return nx_error_set(err, NX_ENOMEM, "no memory for the vector index");
	memcpy(rotated, v, h->dims * sizeof(*v));
	rotate(rotated, h->dims);
	encode(h, rotated, (uint8_t *)h->codes.p + (size_t)h->n * h->stride);
	keep_exact(h, h->n, rotated);
	h->slots[h->n] = slot;
	h->dead[h->n / 64] &= ~(UINT64_C(1) << (h->n % 64));
	*ret_index = h->n++;
	return 0;
}

bool nx_hnsw_copy_vector(const struct nx_hnsw *h, uint32_t index, struct nx_hnsw *to)
{
	size_t exact = nx_hnsw_exact_bytes(h);
	if (!reserve_vectors(to))
		return false;
	memcpy((uint8_t *)to->codes.p + (size_t)to->n * to->stride, nx_hnsw_code(h, index), h->stride);
	if (exact)
		memcpy((char *)to->exact.p + to->n * exact, (const char *)h->exact.p + index * exact, exact);
	to->dead[to->n / 64] &= ~(UINT64_C(1) << (to->n % 64));
	to->slots[to->n++] = h->slots[index];
	return true;
}

/* ---- scores ---- */

float nx_hnsw_cosine(const struct nx_hnsw *h, uint32_t a, uint32_t b)
{
	int32_t dot = nx_vector_kernels()->pair(nx_hnsw_code(h, a), nx_hnsw_code(h, b), h->stride);
	return (float)dot * h->step * h->step;
}

int nx_hnsw_query(const struct nx_hnsw *h, const float *v, struct nx_arena *a, struct nx_hnsw_query *ret,
		  struct nx_error **err)
{
	*ret = (struct nx_hnsw_query){.codes = nx_arena_alloc(a, h->stride),
				      .rotated = nx_arena_alloc(a, h->stride * sizeof(float))};
	if (!ret->codes || !ret->rotated)
		return nx_error_set(err, NX_ENOMEM, "no memory for a query's vector");
	memcpy(ret->rotated, v, h->dims * sizeof(*v));
	memset(ret->rotated + h->dims, 0, (h->stride - h->dims) * sizeof(*v));
	rotate(ret->rotated, h->dims);
	encode(h, ret->rotated, (uint8_t *)ret->codes);
	int32_t sum = 0, square = 0;
	for (uint32_t i = 0; i < h->stride; i++) {
		ret->codes[i] = (int8_t)((uint8_t)ret->codes[i] - NX_CODE_ZERO);
		sum += ret->codes[i];
		square += ret->codes[i] * ret->codes[i];
	}
	ret->bias = NX_CODE_ZERO * sum;
	ret->length = sqrtf((float)square);
	return 0;
}

float nx_hnsw_query_cosine(const struct nx_hnsw *h, const struct nx_hnsw_query *q, uint32_t index)
{
	const struct nx_vector_kernels *k = nx_vector_kernels();
	if (h->kept == NX_HNSW_F32)
		return k->f32((const float *)h->exact.p + (size_t)index * h->stride, q->rotated, h->stride);
	if (h->kept == NX_HNSW_BF16)
		return k->bf16((const uint16_t *)h->exact.p + (size_t)index * h->stride, q->rotated, h->stride);
	const uint8_t *c = nx_hnsw_code(h, index);
	float length = sqrtf((float)k->pair(c, c, h->stride));
	return length > 0 && q->length > 0 ? (float)(k->codes(c, q->codes, h->stride) - q->bias) / (length * q->length)
					   : 0;
}

/* ---- what searches borrow ---- */

static bool scratch_fits(struct nx_hnsw_scratch *s, uint32_t n)
{
	if (s->cap >= n)
		return true;
	size_t words = (size_t)n / 64 + n / 256 + 1;
	uint64_t *seen = realloc(s->seen, words * sizeof(*seen));
	if (!seen)
		return false;
	s->seen = seen;
	s->cap = (uint32_t)(words * 64);
	return true;
}

struct nx_hnsw_scratch *nx_hnsw_borrow(struct nx_hnsw *h)
{
	pthread_mutex_lock(&h->pool->lock);
	struct nx_hnsw_scratch *s = h->pool->free;
	if (s)
		h->pool->free = s->next;
	pthread_mutex_unlock(&h->pool->lock);
	if (!s)
		s = calloc(1, sizeof(*s));
	if (s && !scratch_fits(s, h->linked + 1)) {
		scratch_free(s);
		return NULL;
	}
	return s;
}

void nx_hnsw_return(struct nx_hnsw *h, struct nx_hnsw_scratch *s)
{
	pthread_mutex_lock(&h->pool->lock);
	s->next = h->pool->free;
	h->pool->free = s;
	pthread_mutex_unlock(&h->pool->lock);
}

size_t nx_hnsw_bytes(const struct nx_hnsw *h)
{
	size_t flat = h->stride + nx_hnsw_exact_bytes(h) + sizeof(*h->slots);
	size_t node = nx_hnsw_links_bytes(h) + sizeof(*h->upper_at) + 1;
	return h->n * flat + h->n / 8 + h->linked * node + h->nupper * sizeof(*h->upper);
}
