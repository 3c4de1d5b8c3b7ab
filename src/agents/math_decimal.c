/* Decimals in and out: text to rational and back. */
#include "agents/math_internal.h"

#include <stdlib.h>

/* Digits of ours or of a number token: [0-9]*[.][0-9]*[E][+-][0-9]*, at most 2,000 of them. */
int math_set_decimal(struct math_parser *p, mpq_ptr ret, const char *text)
{
	char digits[MATH_EXACT_DIGITS + 8];
	size_t n = 0;
	long exponent = 0, scale = 0;
	bool point = false;

	for (; *text && *text != 'E'; text++) {
		if (*text == '.') {
			point = true;
		} else {
			digits[n++] = *text;
			scale += point;
		}
	}
	digits[n] = 0;
	if (*text == 'E')
		exponent = strtol(text + 1, NULL, 10);
	if (exponent > MATH_EXACT_DIGITS || exponent < -MATH_EXACT_DIGITS)
		return math_refuse(p, NX_ELIMIT, "the number is out of range");
	exponent -= scale;
	mpz_set_str(mpq_numref(ret), n ? digits : "0", 10);
	mpz_ui_pow_ui(mpq_denref(ret), 10, (unsigned long)(exponent < 0 ? -exponent : exponent));
	if (exponent > 0) {
		mpz_mul(mpq_numref(ret), mpq_numref(ret), mpq_denref(ret));
		mpz_set_ui(mpq_denref(ret), 1);
	}
	mpq_canonicalize(ret);
	return math_bounded(p, ret);
}

/* The decimals of a/b when they end: 10^k·a/b is whole for the smallest k; -1 when they never do. */
static long ending_decimals(mpq_srcptr q)
{
	mpz_t d, two, five;
	long twos, fives;

	mpz_init_set(d, mpq_denref(q));
	mpz_init_set_ui(two, 2);
	mpz_init_set_ui(five, 5);
	twos = (long)mpz_remove(d, d, two);
	fives = (long)mpz_remove(d, d, five);
	bool ends = mpz_cmp_ui(d, 1) == 0;
	mpz_clears(d, two, five, (mpz_ptr)0);
	return ends ? nx_max(twos, fives) : -1;
}

/* Digits of an integer with a point before the last `decimals`, without the zeros that say nothing. */
static char *place_point(struct nx_arena *a, const char *digits, long decimals)
{
	bool negative = digits[0] == '-';
	size_t n = strlen(digits += negative);
	size_t d = (size_t)decimals, lead = n <= d ? d + 1 - n : 0;
	char *out = nx_arena_alloc(a, n + lead + 3), *w = out;

	if (!out)
		return NULL;
	if (negative)
		*w++ = '-';
	for (size_t i = 0; i < n + lead; i++) {
		if (d > 0 && i == n + lead - d)
			*w++ = '.';
		*w++ = i < lead ? '0' : digits[i - lead];
	}
	while (d > 0 && w[-1] == '0')
		w--;
	if (w[-1] == '.')
		w--;
	*w = 0;
	return out;
}

static char *write_ending(mpq_srcptr q, long decimals, struct nx_arena *a)
{
	mpz_t scaled;
	char *text = NULL;

	mpz_init(scaled);
	mpz_ui_pow_ui(scaled, 10, (unsigned long)decimals);
	mpz_mul(scaled, scaled, mpq_numref(q));
	mpz_divexact(scaled, scaled, mpq_denref(q));
	char *digits = nx_arena_alloc(a, mpz_sizeinbase(scaled, 10) + 2);
	if (digits)
		text = place_point(a, mpz_get_str(digits, 10, scaled), decimals);
	mpz_clear(scaled);
	return text;
}

static char *write_rounded(mpq_srcptr q, struct nx_arena *a)
{
	mpfr_t x;
	char digits[MATH_EXACT_DIGITS + 64];

	/* 34 digits are 113 bits; twice that, so that rounding once to bits and once to digits is as good as once. */
	mpfr_init2(x, 2 * MATH_REAL_BITS);
	mpfr_set_q(x, q, MPFR_RNDN);
	char first[MATH_ROUNDED_DIGITS + 2];
	mpfr_exp_t exponent = 0; /* x = 0.DIGITS · 10^exponent */
	if (!mpfr_zero_p(x))
		(void)mpfr_get_str(first, &exponent, 10, MATH_ROUNDED_DIGITS, x, MPFR_RNDN);
	bool plain = exponent > -MATH_ROUNDED_DIGITS;
	int decimals = plain && exponent < MATH_ROUNDED_DIGITS ? (int)(MATH_ROUNDED_DIGITS - exponent) : 0;
	int n = plain ? mpfr_snprintf(digits, sizeof(digits), "%.*Rf", decimals, x)
		      : mpfr_snprintf(digits, sizeof(digits), "%.*Re", MATH_ROUNDED_DIGITS - 1, x);
	mpfr_clear(x);
	if (n < 0 || (size_t)n >= sizeof(digits))
		return NULL;
	if (plain && strchr(digits, '.')) {
		while (digits[n - 1] == '0')
			digits[--n] = 0;
		if (digits[n - 1] == '.')
			digits[--n] = 0;
	}
	return nx_arena_strndup(a, digits, (size_t)n);
}

int math_write(struct math_parser *p, mpq_srcptr q, struct nx_arena *a, struct nx_math_result *ret)
{
	long decimals = p->exact ? ending_decimals(q) : -1;
	bool ends = decimals >= 0 && decimals <= MATH_EXACT_DIGITS;
	char *text = ends ? write_ending(q, decimals, a) : write_rounded(q, a);

	if (!text)
		return math_refuse(p, NX_ENOMEM, "no memory");
	ret->text = nx_str_z(text);
	ret->exact = ends;
	return 0;
}
