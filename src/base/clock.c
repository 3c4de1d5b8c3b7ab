#include "base/clock.h"

#include "base/assert.h"

#include <stdio.h>
#include <time.h>

#define SECS_PER_DAY INT64_C(86400)
#define FIRST_SECOND INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define LAST_SECOND INT64_C(253402300799)  /* 9999-12-31T23:59:59Z */

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;
	nx_assert(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * NX_USEC_PER_SEC + ts.tv_nsec / 1000;
}

static int64_t real_wall_us(NX_UNUSED void *ctx)
{
	return read_clock(CLOCK_REALTIME);
}

static int64_t real_mono_us(NX_UNUSED void *ctx)
{
	return read_clock(CLOCK_BOOTTIME);
}

static const struct nx_clock real_clock = {.wall_us = real_wall_us, .mono_us = real_mono_us};
static struct nx_clock the_clock = {.wall_us = real_wall_us, .mono_us = real_mono_us};

int64_t nx_time_wall_us(void)
{
	return the_clock.wall_us(the_clock.ctx);
}

int64_t nx_time_mono_us(void)
{
	return the_clock.mono_us(the_clock.ctx);
}

int64_t nx_time_thread_cpu_us(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t nx_time_process_cpu_us(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void nx_clock_set(const struct nx_clock *c)
{
	the_clock = c == NULL ? real_clock : *c;
}

/* Relaxed: a test that moves the clock while other threads run only needs whole values. */
static int64_t fake_wall_us(void *ctx)
{
	return __atomic_load_n(&((struct nx_fake_clock *)ctx)->wall, __ATOMIC_RELAXED);
}

static int64_t fake_mono_us(void *ctx)
{
	return __atomic_load_n(&((struct nx_fake_clock *)ctx)->mono, __ATOMIC_RELAXED);
}

void nx_fake_clock_install(struct nx_fake_clock *c, int64_t wall_us)
{
	c->wall = wall_us;
	c->mono = 0;
	nx_clock_set(&(struct nx_clock){.wall_us = fake_wall_us, .mono_us = fake_mono_us, .ctx = c});
}

void nx_fake_clock_advance(struct nx_fake_clock *c, int64_t us)
{
	nx_assert(us >= 0);
	(void)__atomic_add_fetch(&c->wall, us, __ATOMIC_RELAXED);
	(void)__atomic_add_fetch(&c->mono, us, __ATOMIC_RELAXED);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Proleptic Gregorian calendar, years that start in March so that the leap day is the last (Hinnant, "chrono-compatible
 * low-level date algorithms"). */
static void civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + 719468; /* days since 0000-03-01 */
	int64_t era = floor_div(z, 146097);
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	*ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_year = (int)(yoe + era * 400 + (*ret_month <= 2));
}

static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2;
	int64_t era = floor_div(y, 400);
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

void nx_time_format(int64_t wall_us, char ret[NX_TIME_TEXT])
{
	int year, month, day;
	int64_t us = nx_max(wall_us, FIRST_SECOND * NX_USEC_PER_SEC);
	us = nx_min(us, LAST_SECOND * NX_USEC_PER_SEC + NX_USEC_PER_SEC - 1);
	int64_t secs = floor_div(us, NX_USEC_PER_SEC), days = floor_div(secs, SECS_PER_DAY);
	int rest = (int)(secs - days * SECS_PER_DAY);
	civil_from_days(days, &year, &month, &day);

	/* The modulos change nothing; they show the compiler that each part has its width. */
	int n = snprintf(ret, NX_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)year % 10000,
			 (unsigned)month % 100, (unsigned)day % 100, (unsigned)(rest / 3600) % 100,
			 (unsigned)(rest / 60 % 60) % 100, (unsigned)(rest % 60) % 100,
			 (unsigned)(us - secs * NX_USEC_PER_SEC) % 1000000);
	nx_assert(n == NX_TIME_TEXT - 1);
}

/* Takes exactly `digits` digits off the front; false when they are not there. */
static bool take_number(nx_str *s, size_t digits, int *ret)
{
	int v = 0;
	if (s->n < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = nx_str_slice(*s, digits, s->n);
	*ret = v;
	return true;
}

static bool take_char(nx_str *s, const char *any_of)
{
	if (s->n == 0 || s->p[0] == '\0' || strchr(any_of, s->p[0]) == NULL)
		return false;
	*s = nx_str_slice(*s, 1, s->n);
	return true;
}

/* ".25" in microseconds; further digits are cut off. An absent fraction is 0. */
static bool take_fraction(nx_str *s, int *ret_us)
{
	int us = 0, scale = 100000, digit;
	size_t digits = 0;
	if (!take_char(s, ".")) {
		*ret_us = 0;
		return true;
	}
	for (; take_number(s, 1, &digit); digits++) {
		us += digit * scale;
		scale /= 10;
	}
	*ret_us = us;
	return digits > 0;
}

static bool take_offset(nx_str *s, int *ret_secs)
{
	int hours, minutes;
	if (take_char(s, "Zz")) {
		*ret_secs = 0;
		return true;
	}
	bool negative = s->n > 0 && s->p[0] == '-';
	if (!take_char(s, "+-") || !take_number(s, 2, &hours) || !take_char(s, ":") || !take_number(s, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*ret_secs = (hours * 3600 + minutes * 60) * (negative ? -1 : 1);
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

static bool parse(nx_str s, int64_t *ret_us)
{
	int year, month, day, hour, minute, second, us, offset;
	if (!take_number(&s, 4, &year) || !take_char(&s, "-") || !take_number(&s, 2, &month) || !take_char(&s, "-") ||
	    !take_number(&s, 2, &day) || !take_char(&s, "Tt ") || !take_number(&s, 2, &hour) || !take_char(&s, ":") ||
	    !take_number(&s, 2, &minute) || !take_char(&s, ":") || !take_number(&s, 2, &second) ||
	    !take_fraction(&s, &us) || !take_offset(&s, &offset) || s.n != 0)
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 ||
	    second > 60)
		return false;
	int64_t minutes = days_from_civil(year, month, day) * 1440 + hour * 60 + minute;
	int64_t utc_minute = minutes * 60 - offset;
	/* A leap second is the last of a UTC day; like POSIX, it is the same moment as the first of the next. */
	if (second == 60 && floor_div(utc_minute + 60, SECS_PER_DAY) * SECS_PER_DAY != utc_minute + 60)
		return false;
	*ret_us = (utc_minute + second) * NX_USEC_PER_SEC + us;
	return true;
}

int nx_time_parse(nx_str s, int64_t *ret_us, struct nx_error **err)
{
	if (parse(s, ret_us))
		return 0;
	return nx_error_set(err, NX_EPARSE,
			    "\"%.*s\" is not a time: write 2026-03-01T12:00:00Z or 2026-03-01T12:00:00+03:00",
			    (int)nx_min(s.n, (size_t)64), s.n == 0 ? "" : s.p);
}
