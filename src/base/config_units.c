#include "base/config.h"

#include <math.h>
#include <stdio.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* The first name of each factor, from the largest, is the one that is written. */
static const struct unit size_units[] = {
	{"TiB", INT64_C(1) << 40},
	{"GiB", INT64_C(1) << 30},
	{"MiB", INT64_C(1) << 20},
	{"KiB", INT64_C(1) << 10},
	{"B", 1},
	{"T", INT64_C(1) << 40},
	{"G", INT64_C(1) << 30},
	{"M", INT64_C(1) << 20},
	{"K", INT64_C(1) << 10},
	{"TB", INT64_C(1000000000000)},
	{"GB", INT64_C(1000000000)},
	{"MB", INT64_C(1000000)},
	{"KB", INT64_C(1000)},
	{"bytes", 1},
};
static const struct unit time_units[] = {
	{"d", INT64_C(86400000)},
	{"h", INT64_C(3600000)},
	{"min", INT64_C(60000)},
	{"s", INT64_C(1000)},
	{"ms", 1},
	{"day", INT64_C(86400000)},
	{"days", INT64_C(86400000)},
	{"hour", INT64_C(3600000)},
	{"hours", INT64_C(3600000)},
	{"m", INT64_C(60000)},
	{"minute", INT64_C(60000)},
	{"minutes", INT64_C(60000)},
	{"sec", INT64_C(1000)},
	{"second", INT64_C(1000)},
	{"seconds", INT64_C(1000)},
};

static size_t span(nx_str s, bool (*is)(char c))
{
	size_t n = 0;
	while (n < s.n && is(s.p[n]))
		n++;
	return n;
}

static bool is_number_char(char c)
{
	return (c >= '0' && c <= '9') || c == '.';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const struct unit *find_unit(nx_str name, const struct unit *units, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (nx_str_ieq_ascii(name, nx_str_z(units[i].name)))
			return &units[i];
	}
	return NULL;
}

/* number * factor, when that is whole and fits. */
static bool scale(nx_str number, int64_t factor, int64_t *ret)
{
	int64_t whole;
	double d;
	if (nx_str_to_i64(number, &whole))
		return !nx_mul_overflows(whole, factor, ret);
	if (!nx_str_to_f64(number, &d))
		return false;
	d *= (double)factor;
	/* 0.1 has no exact double: within a millionth of a whole number is that number. */
	if (d >= 9e15 || fabs(d - round(d)) > 1e-6)
		return false;
	*ret = (int64_t)round(d);
	return true;
}

/* Takes "30 min" off the front of *s. A unit that is not there is NULL. */
static bool take_part(nx_str *s, nx_str *ret_number, nx_str *ret_unit)
{
	*ret_number = nx_str_slice(*s, 0, span(*s, is_number_char));
	*s = nx_str_trim(nx_str_slice(*s, ret_number->n, s->n));
	*ret_unit = nx_str_slice(*s, 0, span(*s, is_letter));
	*s = nx_str_trim(nx_str_slice(*s, ret_unit->n, s->n));
	return ret_number->n > 0;
}

static nx_str shown(nx_str s)
{
	return nx_utf8_truncate(s, 40);
}

int nx_size_parse(nx_str s, int64_t *ret_bytes, struct nx_error **err)
{
	nx_str rest = nx_str_trim(s), number, name;
	bool ok = take_part(&rest, &number, &name) && rest.n == 0;
	const struct unit *unit =
		name.n == 0 ? &(struct unit){"B", 1} : find_unit(name, size_units, nx_countof(size_units));
	if (!ok || unit == NULL || !scale(number, unit->factor, ret_bytes))
		return nx_error_set(err, NX_EINVAL,
				    "\"%.*s\" is no size: write 512KiB, 32MiB or a whole number of bytes",
				    NX_FMT(shown(s)));
	return 0;
}

int nx_duration_parse(nx_str s, int64_t *ret_ms, struct nx_error **err)
{
	nx_str rest = nx_str_trim(s), number, name;
	int64_t total = 0, part;
	if (nx_str_eqz(rest, "0")) {
		*ret_ms = 0;
		return 0;
	}
	do {
		bool ok = take_part(&rest, &number, &name);
		const struct unit *unit = find_unit(name, time_units, nx_countof(time_units));
		if (ok && name.n == 0)
			return nx_error_set(err, NX_EINVAL, "\"%.*s\" has no unit: write %.*ss, %.*smin or %.*sh",
					    NX_FMT(shown(s)), NX_FMT(shown(number)), NX_FMT(shown(number)),
					    NX_FMT(shown(number)));
		if (!ok || unit == NULL || !scale(number, unit->factor, &part) || nx_add_overflows(total, part, &total))
			return nx_error_set(err, NX_EINVAL,
					    "\"%.*s\" is no length of time: write 250ms, 30s, 5min, 2h or 7d",
					    NX_FMT(shown(s)));
	} while (rest.n > 0);
	*ret_ms = total;
	return 0;
}

static void format(int64_t v, const struct unit *units, char ret[NX_UNITS_TEXT])
{
	size_t i = 0;
	while (units[i].factor > 1 && (v == 0 || v % units[i].factor != 0))
		i++;
	(void)snprintf(ret, NX_UNITS_TEXT, "%lld %s", (long long)(v / units[i].factor), units[i].name);
}

void nx_size_format(int64_t bytes, char ret[NX_UNITS_TEXT])
{
	format(bytes, size_units, ret);
}

void nx_duration_format(int64_t ms, char ret[NX_UNITS_TEXT])
{
	format(ms, time_units, ret);
}
