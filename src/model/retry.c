#include "model/retry_internal.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/str.h"

#include <stdio.h>

#define FIRST_DELAY_US (NX_USEC_PER_SEC / 2)
#define MAX_DELAY_US (20 * NX_USEC_PER_SEC)
#define FIRST_OPEN_US (5 * NX_USEC_PER_SEC)
#define MAX_OPEN_US (60 * NX_USEC_PER_SEC)
#define MAX_RETRY_AFTER_US (3600 * NX_USEC_PER_SEC)

static int64_t doubled(int64_t first, unsigned times, int64_t max)
{
	return times >= 16 ? max : nx_min(first << times, max);
}

bool nx_breaker_allow(struct nx_breaker *b, int64_t now_us, int64_t *ret_wait_us)
{
	*ret_wait_us = 0;
	if (b->open_until_us == 0)
		return true;
	if (now_us < b->open_until_us) {
		*ret_wait_us = b->open_until_us - now_us;
		return false;
	}
	if (b->is_trying) {
		*ret_wait_us = NX_USEC_PER_SEC; /* the trial's own time is not known */
		return false;
	}
	b->is_trying = true;
	return true;
}

void nx_breaker_success(struct nx_breaker *b)
{
	*b = (struct nx_breaker){0};
}

void nx_breaker_failure(struct nx_breaker *b, int64_t now_us)
{
	b->failures++;
	/* A call that began before the breaker opened adds nothing. */
	if (b->failures < NX_BREAKER_FAILURES || (b->open_until_us != 0 && !b->is_trying))
		return;
	b->open_until_us = now_us + doubled(FIRST_OPEN_US, b->times_opened, MAX_OPEN_US);
	b->times_opened++;
	b->is_trying = false;
}

void nx_breaker_abandon(struct nx_breaker *b)
{
	b->is_trying = false;
}

int64_t nx_retry_delay_us(unsigned attempt, int64_t retry_after_us, double unit)
{
	nx_assert(unit >= 0 && unit < 1);
	int64_t range = doubled(FIRST_DELAY_US, attempt, MAX_DELAY_US);
	int64_t delay = range / 2 + (int64_t)((double)(range / 2) * unit);
	return retry_after_us > delay ? retry_after_us + (int64_t)((double)FIRST_DELAY_US * unit) : delay;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form of a date that is still sent. */
static bool parse_http_date(const char *s, int64_t *ret_us)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char weekday[4], month[4], zone[4], text[NX_TIME_TEXT];
	int day, year, h, m, sec;
	if (sscanf(s, "%3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3[A-Z]", weekday, &day, month, &year, &h, &m, &sec,
		   zone) != 8)
		return false;
	const char *at = strlen(month) == 3 ? strstr(months, month) : NULL;
	if (at == NULL || (at - months) % 3 != 0 || strcmp(zone, "GMT") != 0)
		return false;
	int n = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", year, (int)(at - months) / 3 + 1, day, h,
			 m, sec);
	return n > 0 && (size_t)n < sizeof(text) && nx_time_parse(nx_str_z(text), ret_us, NULL) == 0;
}

int64_t nx_retry_after_us(const char *value, int64_t wall_us)
{
	int64_t seconds = 0, at_us = 0;
	if (value == NULL)
		return 0;
	nx_str s = nx_str_trim(nx_str_z(value));
	if (nx_str_to_i64(s, &seconds))
		return seconds <= 0 ? 0 : nx_min(seconds, MAX_RETRY_AFTER_US / NX_USEC_PER_SEC) * NX_USEC_PER_SEC;
	if (!parse_http_date(value, &at_us) || at_us <= wall_us)
		return 0;
	return nx_min(at_us - wall_us, MAX_RETRY_AFTER_US);
}
