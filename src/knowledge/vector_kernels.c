#include "knowledge/vector_kernels.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* ---- plain ---- */

static float widen(uint16_t half)
{
	uint32_t bits = (uint32_t)half << 16;
	float f;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

static int32_t codes_plain(const uint8_t *stored, const int8_t *query, uint32_t n)
{
	int32_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += stored[i] * query[i];
	return sum;
}

static int32_t pair_plain(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	int32_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += (a[i] - NX_CODE_ZERO) * (b[i] - NX_CODE_ZERO);
	return sum;
}

static float bf16_plain(const uint16_t *stored, const float *query, uint32_t n)
{
	float sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += widen(stored[i]) * query[i];
	return sum;
}

static float f32_plain(const float *stored, const float *query, uint32_t n)
{
	float sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += stored[i] * query[i];
	return sum;
}

static const struct nx_vector_kernels plain = {"plain", codes_plain, pair_plain, bf16_plain, f32_plain};

#if defined(__x86_64__)

/* ---- AVX2 ---- */

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 static inline int32_t sum_epi32(__m256i v)
{
	__m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
	return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

AVX2 static inline float sum_ps(__m256 v)
{
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

AVX2 static inline __m256i unsigned16(const uint8_t *p)
{
	return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
}

/* Widened to 16 bits: vpmaddubsw would saturate. */
AVX2 static int32_t codes_avx2(const uint8_t *stored, const int8_t *query, uint32_t n)
{
	__m256i sum = _mm256_setzero_si256();
	for (uint32_t i = 0; i < n; i += 16) {
		__m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(query + i)));
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(unsigned16(stored + i), y));
	}
	return sum_epi32(sum);
}

AVX2 static int32_t pair_avx2(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	__m256i sum = _mm256_setzero_si256(), zero = _mm256_set1_epi16(NX_CODE_ZERO);
	for (uint32_t i = 0; i < n; i += 16) {
		__m256i x = _mm256_sub_epi16(unsigned16(a + i), zero), y = _mm256_sub_epi16(unsigned16(b + i), zero);
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
	}
	return sum_epi32(sum);
}

AVX2 static float bf16_avx2(const uint16_t *stored, const float *query, uint32_t n)
{
	__m256 sum0 = _mm256_setzero_ps(), sum1 = sum0;
	for (uint32_t i = 0; i < n; i += 16) {
		__m256i x0 = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(stored + i)));
		__m256i x1 = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(stored + i + 8)));
		sum0 = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(x0, 16)), _mm256_loadu_ps(query + i),
				       sum0);
		sum1 = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(x1, 16)), _mm256_loadu_ps(query + i + 8),
				       sum1);
	}
	return sum_ps(_mm256_add_ps(sum0, sum1));
}

AVX2 static float f32_avx2(const float *stored, const float *query, uint32_t n)
{
	__m256 sum0 = _mm256_setzero_ps(), sum1 = sum0;
	for (uint32_t i = 0; i < n; i += 16) {
		sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(stored + i), _mm256_loadu_ps(query + i), sum0);
		sum1 = _mm256_fmadd_ps(_mm256_loadu_ps(stored + i + 8), _mm256_loadu_ps(query + i + 8), sum1);
	}
	return sum_ps(_mm256_add_ps(sum0, sum1));
}

static const struct nx_vector_kernels avx2 = {"avx2", codes_avx2, pair_avx2, bf16_avx2, f32_avx2};

/* ---- AVX-512 with VNNI ---- */

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

AVX512 static int32_t codes_avx512(const uint8_t *stored, const int8_t *query, uint32_t n)
{
	__m512i sum0 = _mm512_setzero_si512(), sum1 = sum0;
	uint32_t i = 0;
	for (; i + 128 <= n; i += 128) {
		sum0 = _mm512_dpbusd_epi32(sum0, _mm512_loadu_si512(stored + i), _mm512_loadu_si512(query + i));
		sum1 = _mm512_dpbusd_epi32(sum1, _mm512_loadu_si512(stored + i + 64),
					   _mm512_loadu_si512(query + i + 64));
	}
	if (i < n)
		sum0 = _mm512_dpbusd_epi32(sum0, _mm512_loadu_si512(stored + i), _mm512_loadu_si512(query + i));
	return _mm512_reduce_add_epi32(_mm512_add_epi32(sum0, sum1));
}

/* Σ a·(b-128) - 128·Σ (b-128), both by the same instruction. */
AVX512 static int32_t pair_avx512(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	const __m512i flip = _mm512_set1_epi8((char)NX_CODE_ZERO);
	__m512i sum = _mm512_setzero_si512(), of_b = sum;
	for (uint32_t i = 0; i < n; i += 64) {
		__m512i y = _mm512_xor_si512(_mm512_loadu_si512(b + i), flip);
		sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(a + i), y);
		of_b = _mm512_dpbusd_epi32(of_b, flip, y);
	}
	return _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, of_b));
}

AVX512 static float bf16_avx512(const uint16_t *stored, const float *query, uint32_t n)
{
	__m512 sum0 = _mm512_setzero_ps(), sum1 = sum0;
	for (uint32_t i = 0; i < n; i += 32) {
		__m512i x0 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(stored + i)));
		__m512i x1 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(stored + i + 16)));
		sum0 = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(x0, 16)), _mm512_loadu_ps(query + i),
				       sum0);
		sum1 = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(x1, 16)), _mm512_loadu_ps(query + i + 16),
				       sum1);
	}
	return _mm512_reduce_add_ps(_mm512_add_ps(sum0, sum1));
}

AVX512 static float f32_avx512(const float *stored, const float *query, uint32_t n)
{
	__m512 sum0 = _mm512_setzero_ps(), sum1 = sum0;
	for (uint32_t i = 0; i < n; i += 32) {
		sum0 = _mm512_fmadd_ps(_mm512_loadu_ps(stored + i), _mm512_loadu_ps(query + i), sum0);
		sum1 = _mm512_fmadd_ps(_mm512_loadu_ps(stored + i + 16), _mm512_loadu_ps(query + i + 16), sum1);
	}
	return _mm512_reduce_add_ps(_mm512_add_ps(sum0, sum1));
}

static const struct nx_vector_kernels avx512 = {"avx512-vnni", codes_avx512, pair_avx512, bf16_avx512, f32_avx512};

static size_t of_this_processor(const struct nx_vector_kernels **ret)
{
	size_t n = 0;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		ret[n++] = &avx2;
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	    __builtin_cpu_supports("avx512vnni"))
		ret[n++] = &avx512;
	return n;
}

#elif defined(__aarch64__)

/* ---- NEON, which every 64-bit ARM has ---- */

static int32_t codes_neon(const uint8_t *stored, const int8_t *query, uint32_t n)
{
	int32x4_t sum = vdupq_n_s32(0);
	for (uint32_t i = 0; i < n; i += 8) {
		int16x8_t x = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(stored + i))), y = vmovl_s8(vld1_s8(query + i));
		sum = vmlal_s16(sum, vget_low_s16(x), vget_low_s16(y));
		sum = vmlal_high_s16(sum, x, y);
	}
	return vaddvq_s32(sum);
}

static int32_t pair_neon(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	int32x4_t sum = vdupq_n_s32(0);
	const int16x8_t zero = vdupq_n_s16(NX_CODE_ZERO);
	for (uint32_t i = 0; i < n; i += 8) {
		int16x8_t x = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(vld1_u8(a + i))), zero);
		int16x8_t y = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(vld1_u8(b + i))), zero);
		sum = vmlal_s16(sum, vget_low_s16(x), vget_low_s16(y));
		sum = vmlal_high_s16(sum, x, y);
	}
	return vaddvq_s32(sum);
}

static float bf16_neon(const uint16_t *stored, const float *query, uint32_t n)
{
	float32x4_t sum0 = vdupq_n_f32(0), sum1 = sum0;
	for (uint32_t i = 0; i < n; i += 8) {
		uint16x8_t x = vld1q_u16(stored + i);
		sum0 = vfmaq_f32(sum0, vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(x), 16)), vld1q_f32(query + i));
		sum1 = vfmaq_f32(sum1, vreinterpretq_f32_u32(vshll_high_n_u16(x, 16)), vld1q_f32(query + i + 4));
	}
	return vaddvq_f32(vaddq_f32(sum0, sum1));
}

static float f32_neon(const float *stored, const float *query, uint32_t n)
{
	float32x4_t sum0 = vdupq_n_f32(0), sum1 = sum0;
	for (uint32_t i = 0; i < n; i += 8) {
		sum0 = vfmaq_f32(sum0, vld1q_f32(stored + i), vld1q_f32(query + i));
		sum1 = vfmaq_f32(sum1, vld1q_f32(stored + i + 4), vld1q_f32(query + i + 4));
	}
	return vaddvq_f32(vaddq_f32(sum0, sum1));
}

static const struct nx_vector_kernels neon = {"neon", codes_neon, pair_neon, bf16_neon, f32_neon};

static size_t of_this_processor(const struct nx_vector_kernels **ret)
{
	ret[0] = &neon;
	return 1;
}

#else

static size_t of_this_processor(const struct nx_vector_kernels **ret)
{
	(void)ret;
	return 0;
}

#endif

static const struct nx_vector_kernels *known[3];
static size_t nknown;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void look(void)
{
	known[0] = &plain;
	nknown = 1 + of_this_processor(known + 1);
}

const struct nx_vector_kernels *nx_vector_kernels(void)
{
	(void)pthread_once(&once, look);
	return known[nknown - 1];
}

size_t nx_vector_kernels_all(const struct nx_vector_kernels **ret, size_t max)
{
	(void)pthread_once(&once, look);
	size_t n = nknown < max ? nknown : max;
	memcpy(ret, known, n * sizeof(*ret));
	return n;
}
