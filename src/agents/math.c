#include "agents/math_internal.h"

#define MAX_DEPTH 100
#define MAX_LENGTH 4096

static int sum(struct math_parser *p, mpq_ptr ret);

/* ---- errors: the first one stays ---- */

int math_refuse(struct math_parser *p, int code, const char *what)
{
	if (p->rc == 0)
		p->rc = nx_error_set(p->err, code, "%s, at character %zu of the expression", what,
				     nx_utf8_length(nx_str_slice(p->s, 0, p->start)) + 1);
	return p->rc;
}

/* ---- tokens ---- */

struct word {
	const char *text;
	enum token token;
};
static const struct word words[] = {
	{"plus", T_PLUS},       {"minus", T_MINUS}, {"times", T_TIMES}, {"multiplied by", T_TIMES},
	{"divided by", T_OVER}, {"over", T_OVER},   {"mod", T_MOD},     {"of", T_TIMES},
	{"زائد", T_PLUS},       {"ناقص", T_MINUS},  {"ضرب", T_TIMES},   {"في", T_TIMES},
	{"على", T_OVER},        {"من", T_TIMES},
};
static const struct word symbols[] = {
	{"**", T_POWER},  {"+", T_PLUS}, {"-", T_MINUS}, {"−", T_MINUS}, {"*", T_TIMES}, {"×", T_TIMES},
	{"·", T_TIMES},   {"/", T_OVER}, {"÷", T_OVER},  {"^", T_POWER}, {"!", T_BANG},  {"%", T_PERCENT},
	{"٪", T_PERCENT}, {"(", T_OPEN}, {")", T_CLOSE}, {",", T_COMMA}, {"،", T_COMMA},
};

static bool starts_at(const struct math_parser *p, const char *z)
{
	return nx_str_starts(nx_str_slice(p->s, p->at, p->s.n), nx_str_z(z));
}

static bool letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool ascii_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* A digit at `at`, ASCII or Arabic-Indic (U+0660…, U+06F0…): its value and its bytes; -1 when there is none. */
static int digit_at(nx_str s, size_t at, size_t *ret_bytes)
{
	const unsigned char *u = (const unsigned char *)s.p + at;

	*ret_bytes = 1;
	if (at < s.n && ascii_digit(u[0]))
		return u[0] - '0';
	*ret_bytes = 2;
	if (at + 1 < s.n && u[0] == 0xD9 && u[1] >= 0xA0 && u[1] <= 0xA9)
		return u[1] - 0xA0;
	if (at + 1 < s.n && u[0] == 0xDB && u[1] >= 0xB0 && u[1] <= 0xB9)
		return u[1] - 0xB0;
	return -1;
}

/* The bytes of a grouping mark that stands before exactly three digits, or 0. */
static size_t grouping_at(nx_str s, size_t at)
{
	size_t mark = at < s.n && s.p[at] == ',' ? 1 : at + 1 < s.n && memcmp(s.p + at, "٬", 2) == 0 ? 2 : 0;
	size_t bytes, i = at + mark;

	if (mark == 0)
		return 0;
	for (int k = 0; k < 3; k++, i += bytes)
		if (digit_at(s, i, &bytes) < 0)
			return 0;
	return digit_at(s, i, &bytes) < 0 ? mark : 0;
}

static bool put(struct math_parser *p, size_t *n, char c)
{
	if (*n + 1 >= sizeof(p->digits))
		return false;
	p->digits[(*n)++] = c;
	return true;
}

static bool put_digits(struct math_parser *p, size_t *n, bool grouped)
{
	size_t bytes, mark;
	int d;
	bool any = false;

	for (;;) {
		if ((d = digit_at(p->s, p->at, &bytes)) >= 0) {
			if (!put(p, n, (char)('0' + d)))
				return false;
			p->at += bytes;
			any = true;
		} else if (grouped && any && p->calls == 0 && (mark = grouping_at(p->s, p->at)) > 0) {
			p->at += mark;
		} else {
			return true;
		}
	}
}

static size_t point_at(const struct math_parser *p)
{
	if (p->at < p->s.n && p->s.p[p->at] == '.')
		return 1;
	return starts_at(p, "٫") ? 2 : 0;
}

static bool exponent_follows(const struct math_parser *p)
{
	size_t bytes, i = p->at + 1;

	if (p->at >= p->s.n || (p->s.p[p->at] != 'e' && p->s.p[p->at] != 'E'))
		return false;
	if (i < p->s.n && (p->s.p[i] == '+' || p->s.p[i] == '-'))
		i++;
	return digit_at(p->s, i, &bytes) >= 0;
}

static enum token read_number(struct math_parser *p)
{
	size_t n = 0, point;

	if (!put_digits(p, &n, true))
		return T_BAD;
	if ((point = point_at(p)) > 0) {
		p->at += point;
		if (!put(p, &n, '.') || !put_digits(p, &n, false))
			return T_BAD;
	}
	if (exponent_follows(p)) {
		p->at++;
		if (!put(p, &n, 'E'))
			return T_BAD;
		if (p->s.p[p->at] == '+' || p->s.p[p->at] == '-')
			if (!put(p, &n, p->s.p[p->at++]))
				return T_BAD;
		if (!put_digits(p, &n, false))
			return T_BAD;
	}
	p->digits[n] = 0;
	return n == 1 && p->digits[0] == '.' ? T_BAD : T_NUMBER;
}

static enum token read_word(struct math_parser *p)
{
	for (size_t i = 0; i < nx_countof(words); i++) {
		nx_str w = nx_str_z(words[i].text);
		size_t end = p->at + w.n;
		if (!nx_str_ieq_ascii(nx_str_slice(p->s, p->at, end), w))
			continue;
		if (end < p->s.n && (letter((unsigned char)p->s.p[end]) || (unsigned char)p->s.p[end] >= 0x80))
			continue;
		p->at = end;
		return words[i].token;
	}
	size_t from = p->at;
	while (p->at < p->s.n &&
	       (letter((unsigned char)p->s.p[p->at]) || (p->at > from && ascii_digit((unsigned char)p->s.p[p->at]))))
		p->at++;
	p->text = nx_str_slice(p->s, from, p->at);
	return p->text.n > 0 ? T_NAME : T_BAD;
}

static void next(struct math_parser *p)
{
	size_t bytes;

	while (p->at < p->s.n && (strchr(" \t\r\n", p->s.p[p->at]) || starts_at(p, "\u00a0")))
		p->at += (unsigned char)p->s.p[p->at] >= 0x80 ? 2 : 1;
	p->start = p->at;
	if (p->at >= p->s.n) {
		p->token = T_END;
		return;
	}
	if (digit_at(p->s, p->at, &bytes) >= 0 || p->s.p[p->at] == '.') {
		p->token = read_number(p);
		return;
	}
	for (size_t i = 0; i < nx_countof(symbols); i++)
		if (starts_at(p, symbols[i].text)) {
			p->at += strlen(symbols[i].text);
			p->token = symbols[i].token;
			return;
		}
	p->token = read_word(p);
}

/* ---- grammar ---- */

static int expect(struct math_parser *p, enum token t, const char *what)
{
	if (p->token != t)
		return math_refuse(p, NX_EPARSE, what);
	next(p);
	return p->rc;
}

static int arguments(struct math_parser *p, number *args, size_t max, size_t *ret_n)
{
	size_t n = 0;

	do {
		next(p); /* "(" or "," */
		if (n == max)
			return math_refuse(p, NX_EINVAL, "too many arguments");
		if (sum(p, args[n++]) < 0)
			return p->rc;
	} while (p->token == T_COMMA);
	*ret_n = n;
	return expect(p, T_CLOSE, "`)` is missing");
}

static int function_call(struct math_parser *p, nx_str name, mpq_ptr ret)
{
	const struct math_function *f = math_function_find(name);
	number args[MATH_MAX_ARGS];
	unsigned min, max;
	size_t n = 0;

	if (!f)
		return math_refuse(p, NX_EPARSE, "there is no such function or name");
	math_function_arity(f, &min, &max);
	for (size_t k = 0; k < MATH_MAX_ARGS; k++)
		mpq_init(args[k]);
	p->calls++; /* within parentheses a comma separates arguments */
	arguments(p, args, max, &n);
	p->calls--;
	if (p->rc == 0 && n < min)
		math_refuse(p, NX_EINVAL, "too few arguments");
	if (p->rc == 0 && math_function_call(p, f, args, n) == 0)
		mpq_swap(ret, args[0]);
	for (size_t k = 0; k < MATH_MAX_ARGS; k++)
		mpq_clear(args[k]);
	return p->rc;
}

static int constant(struct math_parser *p, nx_str name, mpq_ptr ret)
{
	if (nx_str_ieq_ascii(name, NX_STR("pi")))
		math_set_decimal(p, ret, "3.14159265358979323846264338327950288419716939937510");
	else if (nx_str_ieq_ascii(name, NX_STR("e")))
		math_set_decimal(p, ret, "2.71828182845904523536028747135266249775724709369995");
	else
		return math_refuse(p, NX_EPARSE, "there is no such function or name");
	p->exact = false;
	return p->rc;
}

static int literal(struct math_parser *p, mpq_ptr ret)
{
	if (!p->dry && math_set_decimal(p, ret, p->digits) < 0)
		return p->rc;
	next(p);
	return p->rc;
}

static int primary(struct math_parser *p, mpq_ptr ret)
{
	nx_str name = p->text;

	switch (p->token) {
	case T_NUMBER: return literal(p, ret);
	case T_OPEN:
		next(p);
		if (sum(p, ret) < 0)
			return p->rc;
		return expect(p, T_CLOSE, "`)` is missing");
	case T_NAME: next(p); return p->token == T_OPEN ? function_call(p, name, ret) : constant(p, name, ret);
	case T_END: return math_refuse(p, NX_EPARSE, "the expression ends too early");
	default: return math_refuse(p, NX_EPARSE, "a number was expected");
	}
}

static int percent(struct math_parser *p, mpq_ptr a)
{
	auto_number hundred;

	mpq_init(hundred);
	mpq_set_ui(hundred, 100, 1);
	return math_divide(p, a, hundred);
}

static int postfix(struct math_parser *p, mpq_ptr ret)
{
	if (primary(p, ret) < 0)
		return p->rc;
	while (p->rc == 0 && (p->token == T_BANG || p->token == T_PERCENT)) {
		if (p->token == T_BANG)
			math_factorial(p, ret);
		else
			percent(p, ret);
		next(p);
	}
	return p->rc;
}

static int unary(struct math_parser *p, mpq_ptr ret)
{
	bool negative = false;

	if (++p->depth > MAX_DEPTH)
		return math_refuse(p, NX_ELIMIT, "the expression is nested deeper than 100");
	while (p->token == T_PLUS || p->token == T_MINUS) {
		negative ^= p->token == T_MINUS;
		next(p);
	}
	if (postfix(p, ret) == 0 && p->token == T_POWER) {
		auto_number exponent;
		mpq_init(exponent);
		next(p);
		if (unary(p, exponent) == 0)
			math_power(p, ret, exponent);
	}
	p->depth--;
	if (negative)
		mpq_neg(ret, ret);
	return p->rc;
}

static int product(struct math_parser *p, mpq_ptr ret)
{
	if (unary(p, ret) < 0)
		return p->rc;
	while (p->rc == 0 && (p->token == T_TIMES || p->token == T_OVER || p->token == T_MOD)) {
		enum token op = p->token;
		auto_number right;
		mpq_init(right);
		next(p);
		if (unary(p, right) < 0)
			break;
		if (op == T_TIMES)
			math_binary(p, mpq_mul, ret, right);
		else if (op == T_OVER)
			math_divide(p, ret, right);
		else
			math_modulo(p, ret, right);
	}
	return p->rc;
}

static int sum(struct math_parser *p, mpq_ptr ret)
{
	if (product(p, ret) < 0)
		return p->rc;
	while (p->rc == 0 && (p->token == T_PLUS || p->token == T_MINUS)) {
		bool plus = p->token == T_PLUS;
		auto_number right;
		mpq_init(right);
		next(p);
		if (product(p, right) < 0)
			break;
		math_binary(p, plus ? mpq_add : mpq_sub, ret, right);
	}
	return p->rc;
}

static int whole(struct math_parser *p, mpq_ptr ret)
{
	if (p->s.n > MAX_LENGTH)
		return math_refuse(p, NX_ELIMIT, "the expression is longer than 4096 bytes");
	next(p);
	if (sum(p, ret) < 0)
		return p->rc;
	return p->token == T_END ? 0 : math_refuse(p, NX_EPARSE, "this was not expected");
}

static void init(struct math_parser *p, nx_str s, bool dry, struct nx_error **err)
{
	memset(p, 0, sizeof(*p));
	p->s = s;
	p->dry = dry;
	p->exact = true;
	p->err = err;
}

int nx_math_eval(nx_str expression, struct nx_arena *a, struct nx_math_result *ret, struct nx_error **err)
{
	struct math_parser p;
	auto_number n;

	mpq_init(n);
	init(&p, expression, false, err);
	if (whole(&p, n) < 0)
		return p.rc;
	return math_write(&p, n, a, ret);
}

bool nx_math_is_expression(nx_str s)
{
	struct math_parser p;
	auto_number n;

	mpq_init(n);
	init(&p, s, true, NULL);
	return whole(&p, n) == 0 && p.operations > 0;
}
