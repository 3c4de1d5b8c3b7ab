/* Arithmetic over rationals within bounds, and the functions an expression may call. */
#include "agents/math_internal.h"

#define MAX_FACTORIAL 800 /* 800! has 1,977 digits */

static bool idle(struct math_parser *p)
{
	p->operations++;
	return p->dry || p->rc < 0;
}

/* Every value stays within its digits, so that no expression can ask for much memory or time. */
int math_bounded(struct math_parser *p, mpq_srcptr a)
{
	if (mpz_sizeinbase(mpq_numref(a), 2) > MATH_MAX_BITS || mpz_sizeinbase(mpq_denref(a), 2) > MATH_MAX_BITS)
		return math_refuse(p, NX_ELIMIT, "the result has more than 2000 digits");
	return 0;
}

int math_binary(struct math_parser *p, void (*op)(mpq_ptr, mpq_srcptr, mpq_srcptr), mpq_ptr a, mpq_srcptr b)
{
	if (idle(p))
		return p->rc;
	op(a, a, b);
	return math_bounded(p, a);
}

int math_divide(struct math_parser *p, mpq_ptr a, mpq_srcptr b)
{
	if (!p->dry && p->rc == 0 && mpq_sgn(b) == 0)
		return math_refuse(p, NX_EINVAL, "division by zero");
	return math_binary(p, mpq_div, a, b);
}

static void floor_of(mpq_ptr r, mpq_srcptr a)
{
	mpz_fdiv_q(mpq_numref(r), mpq_numref(a), mpq_denref(a));
	mpz_set_ui(mpq_denref(r), 1);
}

static void ceil_of(mpq_ptr r, mpq_srcptr a)
{
	mpz_cdiv_q(mpq_numref(r), mpq_numref(a), mpq_denref(a));
	mpz_set_ui(mpq_denref(r), 1);
}

/* a − b·floor(a/b): the sign of the divisor, as in mathematics. */
int math_modulo(struct math_parser *p, mpq_ptr a, mpq_srcptr b)
{
	auto_number q;

	mpq_init(q);
	if (idle(p))
		return p->rc;
	if (mpq_sgn(b) == 0)
		return math_refuse(p, NX_EINVAL, "division by zero");
	mpq_div(q, a, b);
	floor_of(q, q);
	mpq_mul(q, q, b);
	mpq_sub(a, a, q);
	return math_bounded(p, a);
}

/* A function of MPFR; NaN means outside its domain. */
static int real(struct math_parser *p, int (*f)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t), mpq_ptr a, const char *domain)
{
	mpfr_t x;

	if (idle(p))
		return p->rc;
	p->exact = false;
	mpfr_init2(x, MATH_REAL_BITS);
	mpfr_set_q(x, a, MPFR_RNDN);
	f(x, x, MPFR_RNDN);
	if (mpfr_nan_p(x))
		math_refuse(p, NX_EINVAL, domain);
	else if (!mpfr_number_p(x))
		math_refuse(p, NX_ELIMIT, "the result is out of range");
	else if (!mpfr_zero_p(x) && (mpfr_get_exp(x) > MATH_MAX_BITS || mpfr_get_exp(x) < -MATH_MAX_BITS / 2))
		math_refuse(p, NX_ELIMIT, "the result has more than 2000 digits");
	else
		mpfr_get_q(a, x);
	mpfr_clear(x);
	return p->rc < 0 ? p->rc : math_bounded(p, a);
}

static int logarithm(struct math_parser *p, int (*f)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t), mpq_ptr a)
{
	if (!p->dry && p->rc == 0 && mpq_sgn(a) <= 0)
		return math_refuse(p, NX_EINVAL, "a logarithm needs a number above zero");
	return real(p, f, a, "a logarithm needs a number above zero");
}

static int square_root(struct math_parser *p, mpq_ptr a)
{
	if (!p->dry && p->rc == 0 && mpz_perfect_square_p(mpq_numref(a)) && mpz_perfect_square_p(mpq_denref(a))) {
		p->operations++;
		mpz_sqrt(mpq_numref(a), mpq_numref(a));
		mpz_sqrt(mpq_denref(a), mpq_denref(a));
		return 0;
	}
	return real(p, mpfr_sqrt, a, "the square root of a negative number is not real");
}

int math_factorial(struct math_parser *p, mpq_ptr a)
{
	if (idle(p))
		return p->rc;
	if (mpz_cmp_ui(mpq_denref(a), 1) != 0 || mpq_sgn(a) < 0)
		return math_refuse(p, NX_EINVAL, "a factorial needs a whole number that is not negative");
	if (mpz_cmp_ui(mpq_numref(a), MAX_FACTORIAL) > 0)
		return math_refuse(p, NX_ELIMIT, "a factorial above 800! has more than 2000 digits");
	mpz_fac_ui(mpq_numref(a), mpz_get_ui(mpq_numref(a)));
	return 0;
}

static int whole_power(struct math_parser *p, mpq_ptr a, long n)
{
	unsigned long k = (unsigned long)(n < 0 ? -n : n);
	size_t bits = nx_max(mpz_sizeinbase(mpq_numref(a), 2), mpz_sizeinbase(mpq_denref(a), 2));

	if (n < 0 && mpq_sgn(a) == 0)
		return math_refuse(p, NX_EINVAL, "division by zero");
	if (bits > 1 && k > MATH_MAX_BITS / (bits - 1))
		return math_refuse(p, NX_ELIMIT, "the result has more than 2000 digits");
	mpz_pow_ui(mpq_numref(a), mpq_numref(a), k);
	mpz_pow_ui(mpq_denref(a), mpq_denref(a), k);
	if (n < 0)
		mpq_inv(a, a);
	return math_bounded(p, a);
}

int math_power(struct math_parser *p, mpq_ptr a, mpq_srcptr b)
{
	mpfr_t x, y;

	if (idle(p))
		return p->rc;
	if (mpz_cmp_ui(mpq_denref(b), 1) == 0) {
		if (!mpz_fits_sint_p(mpq_numref(b)))
			return math_refuse(p, NX_ELIMIT, "the exponent is too large");
		return whole_power(p, a, mpz_get_si(mpq_numref(b)));
	}
	if (mpq_sgn(a) < 0)
		return math_refuse(p, NX_EINVAL, "this power of a negative number is not real");
	if (mpq_sgn(a) == 0)
		return mpq_sgn(b) < 0 ? math_refuse(p, NX_EINVAL, "division by zero") : 0;
	/* a^b = exp(b·ln a), through the bounds of real() */
	mpfr_inits2(MATH_REAL_BITS, x, y, (mpfr_ptr)0);
	mpfr_set_q(x, a, MPFR_RNDN);
	mpfr_set_q(y, b, MPFR_RNDN);
	mpfr_log(x, x, MPFR_RNDN);
	mpfr_mul(x, x, y, MPFR_RNDN);
	if (mpfr_cmp_si(x, MATH_MAX_BITS) > 0 || mpfr_cmp_si(x, -MATH_MAX_BITS / 2) < 0)
		math_refuse(p, NX_ELIMIT, "the result has more than 2000 digits");
	else
		mpfr_get_q(a, x);
	mpfr_clears(x, y, (mpfr_ptr)0);
	return p->rc < 0 ? p->rc : real(p, mpfr_exp, a, "not a number");
}

/* ---- functions ---- */

enum function { F_ABS, F_AVG, F_CEIL, F_EXP, F_FLOOR, F_LN, F_LOG10, F_MAX, F_MIN, F_POW, F_ROUND, F_SQRT, F_SUM };
struct math_function {
	const char *name;
	enum function f;
	unsigned min, max;
};
static const struct math_function functions[] = {
	{"abs", F_ABS, 1, 1},
	{"avg", F_AVG, 1, MATH_MAX_ARGS},
	{"ceil", F_CEIL, 1, 1},
	{"exp", F_EXP, 1, 1},
	{"floor", F_FLOOR, 1, 1},
	{"ln", F_LN, 1, 1},
	{"log", F_LOG10, 1, 1},
	{"log10", F_LOG10, 1, 1},
	{"max", F_MAX, 1, MATH_MAX_ARGS},
	{"min", F_MIN, 1, MATH_MAX_ARGS},
	{"pow", F_POW, 2, 2},
	{"round", F_ROUND, 1, 2},
	{"sqrt", F_SQRT, 1, 1},
	{"sum", F_SUM, 1, MATH_MAX_ARGS},
};

/* Half away from zero, as people round: 2.5 is 3. */
static int round_to(struct math_parser *p, mpq_ptr a, mpq_srcptr places)
{
	auto_number scale, half;

	mpq_init(scale);
	mpq_init(half);
	if (idle(p))
		return p->rc;
	if (mpz_cmp_ui(mpq_denref(places), 1) != 0 || mpz_cmpabs_ui(mpq_numref(places), 100) > 0)
		return math_refuse(p, NX_EINVAL, "round takes a whole number of places from -100 to 100");
	long n = mpz_get_si(mpq_numref(places));
	mpz_ui_pow_ui(n < 0 ? mpq_denref(scale) : mpq_numref(scale), 10, (unsigned long)(n < 0 ? -n : n));
	if (n < 0)
		mpz_set_ui(mpq_numref(scale), 1);
	mpq_set_si(half, mpq_sgn(a) < 0 ? -1 : 1, 2);
	mpq_mul(a, a, scale);
	mpq_add(a, a, half);
	mpz_tdiv_q(mpq_numref(a), mpq_numref(a), mpq_denref(a));
	mpz_set_ui(mpq_denref(a), 1);
	mpq_div(a, a, scale);
	return math_bounded(p, a);
}

static int fold(struct math_parser *p, enum function f, number *args, size_t n)
{
	auto_number count;

	mpq_init(count);
	mpq_set_ui(count, n, 1);
	for (size_t i = 1; i < n && p->rc == 0; i++) {
		if (f == F_SUM || f == F_AVG)
			math_binary(p, mpq_add, args[0], args[i]);
		else if ((mpq_cmp(args[i], args[0]) > 0) == (f == F_MAX))
			mpq_set(args[0], args[i]);
	}
	p->operations++;
	return f == F_AVG ? math_divide(p, args[0], count) : p->rc;
}

const struct math_function *math_function_find(nx_str name)
{
	for (size_t i = 0; i < nx_countof(functions); i++)
		if (nx_str_ieq_ascii(name, nx_str_z(functions[i].name)))
			return &functions[i];
	return NULL;
}

void math_function_arity(const struct math_function *f, unsigned *ret_min, unsigned *ret_max)
{
	*ret_min = f->min;
	*ret_max = f->max;
}

int math_function_call(struct math_parser *p, const struct math_function *f, number *args, size_t n)
{
	switch (f->f) {
	case F_ABS:
		p->operations++;
		mpq_abs(args[0], args[0]);
		return p->rc;
	case F_CEIL:
		p->operations++;
		ceil_of(args[0], args[0]);
		return p->rc;
	case F_FLOOR:
		p->operations++;
		floor_of(args[0], args[0]);
		return p->rc;
	case F_EXP: return real(p, mpfr_exp, args[0], "not a number");
	case F_LN: return logarithm(p, mpfr_log, args[0]);
	case F_LOG10: return logarithm(p, mpfr_log10, args[0]);
	case F_SQRT: return square_root(p, args[0]);
	case F_POW: return math_power(p, args[0], args[1]);
	case F_ROUND: return round_to(p, args[0], args[1]);
	default: return fold(p, f->f, args, n);
	}
}
