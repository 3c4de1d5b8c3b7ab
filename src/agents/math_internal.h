/* What the files of the expression evaluator share: the parser's state, and arithmetic within bounds. */
#ifndef NX_AGENTS_MATH_INTERNAL_H
#define NX_AGENTS_MATH_INTERNAL_H

#include "agents/math.h"

#include <stdio.h> /* before mpfr.h, which declares its printf family only then */

#include <gmp.h>
#include <mpfr.h>

#define MATH_EXACT_DIGITS 2000
#define MATH_MAX_BITS 6650 /* of 2,000 decimal digits */
#define MATH_REAL_BITS 140 /* 42 digits */
#define MATH_ROUNDED_DIGITS 34
#define MATH_MAX_ARGS 64

enum token {
	T_END,
	T_NUMBER,
	T_NAME,
	T_PLUS,
	T_MINUS,
	T_TIMES,
	T_OVER,
	T_MOD,
	T_POWER,
	T_BANG,
	T_PERCENT,
	T_OPEN,
	T_CLOSE,
	T_COMMA,
	T_BAD
};

struct math_parser {
	nx_str s;
	size_t at, start; /* of the token in hand */
	enum token token;
	nx_str text; /* of a name; of a number, cleaned, in `digits` */
	char digits[MATH_EXACT_DIGITS + 8];
	unsigned depth, calls, operations;
	bool dry, exact;
	struct nx_error **err;
	int rc;
};

typedef mpq_t number; /* 0 until it is set; stays so in a dry run */

static inline void number_clear(number *n)
{
	mpq_clear(*n);
}
#define auto_number __attribute__((cleanup(number_clear))) number

/* The first error stays; returns it. */
int math_refuse(struct math_parser *p, int code, const char *what);
int math_bounded(struct math_parser *p, mpq_srcptr a);
int math_binary(struct math_parser *p, void (*op)(mpq_ptr, mpq_srcptr, mpq_srcptr), mpq_ptr a, mpq_srcptr b);
int math_divide(struct math_parser *p, mpq_ptr a, mpq_srcptr b);
int math_modulo(struct math_parser *p, mpq_ptr a, mpq_srcptr b);
int math_power(struct math_parser *p, mpq_ptr a, mpq_srcptr b);
int math_factorial(struct math_parser *p, mpq_ptr a);

struct math_function;
const struct math_function *math_function_find(nx_str name);
void math_function_arity(const struct math_function *f, unsigned *ret_min, unsigned *ret_max);
/* The result is left in args[0]. */
int math_function_call(struct math_parser *p, const struct math_function *f, number *args, size_t n);

/* math_decimal.c */
int math_set_decimal(struct math_parser *p, mpq_ptr ret, const char *text);
int math_write(struct math_parser *p, mpq_srcptr q, struct nx_arena *a, struct nx_math_result *ret);

#endif
