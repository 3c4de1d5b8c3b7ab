/*
 * Arithmetic in exact decimals: what `math.eval` computes, and how core knows an expression when it sees one.
 *
 * Values are rationals (GMP), so that 0.1 + 0.2 is 0.3 and 1/3*3 is 1; over 2,000 digits an expression is refused. Roots
 * that are not rational and transcendental functions are computed by MPFR to 40 digits. A result whose decimals do not
 * end within 2,000 digits is rounded half even to 34 (those of IEEE 754 decimal128), and says that it is not exact.
 *
 *   sum     := product (("+" | "-") product)*
 *   product := unary (("*" | "×" | "·" | "/" | "÷" | "mod") unary)*       10% of 80: "of" multiplies
 *   unary   := ("+" | "-") unary | power
 *   power   := postfix (("^" | "**") unary)?                               right to left; -2^2 is -4
 *   postfix := primary ("!" | "%")*                                        50% is 0.5
 *   primary := NUMBER | "(" sum ")" | NAME | NAME "(" sum ("," sum)* ")"
 * Names: pi, e; abs ceil exp floor ln log10 max min pow round sqrt sum avg. Numbers: 1234.5, 1,234.5, 1e-3, Arabic-Indic
 * digits (١٢٣٫٥). Words: plus, minus, times, divided by, over, زائد، ناقص، ضرب، في، على، من.
 *
 * Nested at most 100 deep. Pure; any thread.
 */
#ifndef NX_AGENTS_MATH_H
#define NX_AGENTS_MATH_H

#include "base/str.h"

struct nx_math_result {
	nx_str text; /* plain notation; scientific when a rounded value is below 10^-34 */
	bool exact;
};

/* NX_EPARSE with the character; NX_EINVAL for a division by zero or outside a function's domain; NX_ELIMIT. */
int nx_math_eval(nx_str expression, struct nx_arena *a, struct nx_math_result *ret, struct nx_error **err);

/* True when the whole text is an expression with at least one operator or function. Computes nothing. */
bool nx_math_is_expression(nx_str s);

#endif
