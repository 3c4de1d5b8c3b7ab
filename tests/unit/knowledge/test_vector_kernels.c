#include "base/id.h"
#include "base/str.h"
#include "knowledge/vector_kernels.h"
#include "tests/unit/nx_test.h"

#include <math.h>

#define MOST 1024

static uint8_t a[MOST], b[MOST];
static int8_t q[MOST];
static uint16_t half[MOST];
static float f[MOST], g[MOST];

static void fill_at_random(void)
{
	for (uint32_t i = 0; i < MOST; i++) {
		uint64_t r = nx_random_u64();
		a[i] = (uint8_t)(1 + r % 255);
		b[i] = (uint8_t)(1 + (r >> 8) % 255);
		q[i] = (int8_t)((int)((r >> 16) % 255) - 127);
		f[i] = (float)(nx_random_unit() - 0.5);
		g[i] = (float)(nx_random_unit() - 0.5);
		uint32_t bits;
		memcpy(&bits, &f[i], sizeof(bits));
		half[i] = (uint16_t)(bits >> 16);
	}
}

/* What saturating arithmetic would get wrong. */
static void fill_with_extremes(uint8_t code, int8_t query)
{
	memset(a, code, sizeof(a));
	memset(b, 255 - code + 1, sizeof(b));
	memset(q, (unsigned char)query, sizeof(q));
}

static void assert_all_agree(void)
{
	const struct nx_vector_kernels *k[8];
	size_t n = nx_vector_kernels_all(k, nx_countof(k));
	ASSERT_GE(n, 1);
	for (uint32_t dims = NX_VECTOR_LANES; dims <= MOST; dims += NX_VECTOR_LANES) {
		for (size_t i = 1; i < n; i++) {
			ASSERT_EQ(k[i]->codes(a, q, dims), k[0]->codes(a, q, dims));
			ASSERT_EQ(k[i]->pair(a, b, dims), k[0]->pair(a, b, dims));
			ASSERT_DOUBLE_NEAR(k[i]->f32(f, g, dims), k[0]->f32(f, g, dims), 1e-4);
			ASSERT_DOUBLE_NEAR(k[i]->bf16(half, g, dims), k[0]->bf16(half, g, dims), 1e-4);
		}
	}
}

TEST(the_plain_kernels_compute_inner_products)
{
	const struct nx_vector_kernels *k;
	int64_t codes = 0, pair = 0;
	double sum = 0;
	nx_id_seed(3);
	fill_at_random();
	ASSERT_EQ(nx_vector_kernels_all(&k, 1), 1);
	for (uint32_t i = 0; i < 128; i++) {
		codes += a[i] * q[i];
		pair += (a[i] - NX_CODE_ZERO) * (b[i] - NX_CODE_ZERO);
		sum += (double)f[i] * (double)g[i];
	}
	ASSERT_EQ(k->codes(a, q, 128), codes);
	ASSERT_EQ(k->pair(a, b, 128), pair);
	ASSERT_DOUBLE_NEAR(k->f32(f, g, 128), sum, 1e-5);
	ASSERT_DOUBLE_NEAR(k->bf16(half, g, 128), sum, 0.05);
	nx_id_seed(0);
}

TEST(all_kernels_of_this_processor_agree)
{
	nx_id_seed(5);
	for (int round = 0; round < 20; round++) {
		fill_at_random();
		assert_all_agree();
	}
	fill_with_extremes(255, 127);
	assert_all_agree();
	fill_with_extremes(255, -127);
	assert_all_agree();
	fill_with_extremes(1, 127);
	assert_all_agree();
	nx_id_seed(0);
}
