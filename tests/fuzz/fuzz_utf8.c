/* UTF-8: each function against the others, and normalisation against itself. */
#include "base/assert.h"
#include "base/str.h"

static void check_valid(nx_str s)
{
	size_t count = 0;
	for (size_t i = 0; i < s.n; count++) {
		char again[4];
		size_t at = i, len = nx_utf8_encode(nx_utf8_next(s, &i), again);
		nx_assert(i <= s.n && i - at == len && memcmp(again, s.p + at, len) == 0);
	}
	nx_assert(count == nx_utf8_length(s));
}

static void check_truncate(nx_str s, size_t max)
{
	nx_str cut = nx_utf8_truncate(s, max);
	nx_assert(cut.n <= max && nx_utf8_valid(cut) && (cut.n == s.n || cut.n + 4 > max));
}

static void check_nfc(struct nx_arena *a, nx_str s)
{
	nx_str once, twice;
	nx_assert(nx_utf8_nfc(a, s, &once, NULL) == 0 && nx_utf8_valid(once));
	nx_assert(nx_utf8_nfc(a, once, &twice, NULL) == 0 && twice.p == once.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_assert(a != NULL);
	nx_str s = nx_str_n((const char *)data, n);
	ptrdiff_t bad = nx_utf8_invalid_at(s);
	nx_str good = bad < 0 ? s : nx_str_slice(s, 0, (size_t)bad);
	nx_str repaired = nx_utf8_repair(a, s);

	nx_assert(nx_utf8_valid(s) == (bad < 0) && nx_utf8_valid(good) && nx_utf8_valid(repaired));
	nx_assert(nx_str_starts(repaired, good) && (bad >= 0 || repaired.n == n));
	check_valid(good);
	check_valid(repaired);
	check_truncate(repaired, n == 0 ? 0 : data[0]);
	check_nfc(a, repaired);
	return 0;
}
