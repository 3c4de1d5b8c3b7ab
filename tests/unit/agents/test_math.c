#include "agents/math.h"
#include "tests/unit/nx_test.h"

static const char *eval(struct nx_arena *a, const char *expression, bool *ret_exact)
{
	struct nx_math_result r;
	nx_auto_error struct nx_error *err = NULL;

	if (nx_math_eval(nx_str_z(expression), a, &r, &err) < 0)
		return nx_arena_strdup(a, nx_error_message(err));
	if (ret_exact)
		*ret_exact = r.exact;
	return nx_str_zdup(a, r.text);
}

static void is(const char *expression, const char *want)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);

	nx_test_streq(eval(a, expression, NULL), want, expression, __FILE__, __LINE__);
}

static void fails(const char *expression, int code, const char *part)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_math_result r;

	ASSERT_ERR(nx_math_eval(nx_str_z(expression), a, &r, &err), code);
	ASSERT_CONTAINS(nx_error_message(err), part);
}

TEST(decimals_are_exact)
{
	is("0.1 + 0.2", "0.3");
	is("1/3*3", "1");
	is("0.1*3 - 0.3", "0");
	is("2^100", "1267650600228229401496703205376");
	is("100/8", "12.5");
	is("-0.05*2", "-0.1");
	is("1e3 + 1e-3", "1000.001");
}

TEST(operators_bind_as_people_expect)
{
	is("2 + 3 * 4", "14");
	is("(2 + 3) * 4", "20");
	is("-2^2", "-4");
	is("2^3^2", "512");
	is("2**-2", "0.25");
	is("7 mod 3", "1");
	is("-7 mod 3", "2");
	is("5! / 3!", "20");
	is("--3", "3");
}

TEST(percent_and_of_read_as_spoken)
{
	is("12.5% of 80", "10");
	is("50%", "0.5");
	is("200 + 10%", "200.1");
	is("six", "there is no such function or name, at character 4 of the expression");
}

TEST(words_and_grouping_marks_are_understood)
{
	is("3 plus 4 times 2", "11");
	is("10 divided by 4", "2.5");
	is("1,234.5 + 1", "1235.5");
	is("1,000,000 / 1000", "1000");
}

TEST(arabic_digits_and_words_are_understood)
{
	is("١٢٣ + ٧", "130");
	is("١٢٫٥٪ من ٨٠", "10");
	is("٣ ضرب ٤", "12");
}

TEST(functions_compute_and_take_several_arguments)
{
	is("sqrt(16)", "4");
	is("sqrt(1/4)", "0.5");
	is("max(1, 5, 3) + min(2, 1)", "6");
	is("avg(1, 2, 3, 4)", "2.5");
	is("round(2.5)", "3");
	is("round(-2.5)", "-3");
	is("round(3.14159, 2)", "3.14");
	is("round(1234, -2)", "1200");
	is("floor(-0.5) + ceil(0.5)", "0");
	is("abs(-3.5)", "3.5");
	is("sum(1,2,3)", "6");
}

TEST(what_does_not_end_is_rounded_and_says_so)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	bool exact = true;

	ASSERT_STREQ(eval(a, "1/3", &exact), "0.3333333333333333333333333333333333");
	ASSERT_FALSE(exact);
	ASSERT_STREQ(eval(a, "sqrt(2)", &exact), "1.414213562373095048801688724209698");
	ASSERT_FALSE(exact);
	ASSERT_STREQ(eval(a, "ln(1)", &exact), "0");
	ASSERT_STREQ(eval(a, "1/4", &exact), "0.25");
	ASSERT_TRUE(exact);
}

TEST(wrong_expressions_say_where)
{
	fails("1 + ", NX_EPARSE, "ends too early, at character 5");
	fails("2 * (3 + 4", NX_EPARSE, "`)` is missing");
	fails("1 2", NX_EPARSE, "at character 3");
	fails("foo(1)", NX_EPARSE, "no such function");
	fails("", NX_EPARSE, "ends too early");
	fails("1/0", NX_EINVAL, "division by zero");
	fails("5 mod 0", NX_EINVAL, "division by zero");
	fails("0^-1", NX_EINVAL, "division by zero");
	fails("sqrt(-1)", NX_EINVAL, "not real");
	fails("ln(0)", NX_EINVAL, "above zero");
	fails("2.5!", NX_EINVAL, "whole number");
	fails("pow(2)", NX_EINVAL, "too few");
}

TEST(no_expression_can_ask_for_much)
{
	char deep[600] = "";

	memset(deep, '(', 300);
	fails(deep, NX_ELIMIT, "nested deeper");
	fails("9^9^9^9", NX_ELIMIT, "");
	fails("801!", NX_ELIMIT, "800!");
	fails("exp(1e9)", NX_ELIMIT, "");
	fails("1e99999", NX_ELIMIT, "out of range");
	fails("2^9999999999", NX_ELIMIT, "");
}

TEST(an_expression_is_told_from_words)
{
	ASSERT_TRUE(nx_math_is_expression(NX_STR("2+2")));
	ASSERT_TRUE(nx_math_is_expression(NX_STR("12.5% of 80")));
	ASSERT_TRUE(nx_math_is_expression(NX_STR("sqrt(2)")));
	ASSERT_FALSE(nx_math_is_expression(NX_STR("2024")));
	ASSERT_FALSE(nx_math_is_expression(NX_STR("who designed the gauge")));
	ASSERT_FALSE(nx_math_is_expression(NX_STR("2 apples and 3 pears")));
	ASSERT_FALSE(nx_math_is_expression(NX_STR("")));
}
