#include "base/arena.h"
#include "tests/unit/nx_test.h"

#include <stdbool.h>

TEST(allocations_are_aligned_and_do_not_overlap)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	char *all[500];
	size_t sizes[500];
	for (size_t i = 0; i < nx_countof(all); i++) {
		sizes[i] = i * 37 % 3000;
		all[i] = nx_arena_alloc(a, sizes[i]);
		ASSERT_NOT_NULL(all[i]);
		ASSERT_EQ((uintptr_t)all[i] % 16, 0);
		memset(all[i], (int)(i % 251), sizes[i]);
	}
	for (size_t i = 0; i < nx_countof(all); i++) {
		for (size_t j = 0; j < sizes[i]; j++)
			ASSERT_EQ((unsigned char)all[i][j], i % 251);
	}
}

TEST(the_limit_holds_for_small_and_large)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(1000);
	ASSERT_NOT_NULL(nx_arena_alloc(a, 512));
	ASSERT_NULL(nx_arena_alloc(a, 512));
	ASSERT_NOT_NULL(nx_arena_alloc(a, 480));
	ASSERT_NULL(nx_arena_alloc(a, 1));
	ASSERT_EQ(nx_arena_used(a), 992);
}

TEST(sizes_that_overflow_are_refused)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	volatile size_t huge = SIZE_MAX;
	ASSERT_NULL(nx_arena_alloc(a, huge));
	ASSERT_NULL(nx_arena_alloc(a, huge - 20));
	ASSERT_NULL(nx_arena_calloc(a, huge / 2, 3));
	ASSERT_NULL(nx_arena_strndup(a, "", huge));
	char *p = nx_arena_alloc(a, 8);
	ASSERT_NULL(nx_arena_realloc(a, p, 8, huge));
}

TEST(the_last_allocation_grows_in_place)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	char *p = nx_arena_strdup(a, "abc");
	ASSERT_TRUE(nx_arena_realloc(a, p, 4, 100) == p);
	ASSERT_STREQ(p, "abc");
	char *other = nx_arena_alloc(a, 1);
	ASSERT_NOT_NULL(other);
	char *moved = nx_arena_realloc(a, p, 100, 200);
	ASSERT_TRUE(moved != p);
	ASSERT_STREQ(moved, "abc");
	ASSERT_TRUE(nx_arena_realloc(a, p, 100, 50) == p);
	char *fresh = nx_arena_realloc(a, NULL, 0, 10);
	ASSERT_NOT_NULL(fresh);
}

TEST(a_large_allocation_grows_without_keeping_the_old_one)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	size_t size = 100000;
	char *p = nx_arena_alloc(a, size);
	memset(p, 'x', size);
	for (int i = 0; i < 6; i++, size *= 2) {
		p = nx_arena_realloc(a, p, size, size * 2);
		ASSERT_NOT_NULL(p);
		memset(p + size, 'x', size);
	}
	ASSERT_EQ(nx_arena_used(a), size);
	for (size_t i = 0; i < size; i++)
		ASSERT_EQ(p[i], 'x');
	p = nx_arena_realloc(a, p, size, 100);
	ASSERT_NOT_NULL(p);
	ASSERT_EQ(nx_arena_used(a), 112);
}

TEST(a_reset_gives_everything_back)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(1 << 20);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 100; i++) {
			char *p = nx_arena_calloc(a, 1, 10000);
			ASSERT_NOT_NULL(p);
			ASSERT_EQ(p[9999], 0);
			p[0] = 'x';
		}
		nx_arena_reset(a);
		ASSERT_EQ(nx_arena_used(a), 0);
	}
}

TEST(strings_are_copied_with_their_end)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	char expected[1001];
	ASSERT_STREQ(nx_arena_strndup(a, "abcdef", 3), "abc");
	ASSERT_STREQ(nx_arena_strdup(a, ""), "");
	ASSERT_STREQ(nx_arena_printf(a, "%d-%s", 7, "x"), "7-x");
	memset(expected, 'y', 1000);
	expected[1000] = '\0';
	ASSERT_STREQ(nx_arena_printf(a, "%s", expected), expected);
	ASSERT_MEMEQ(nx_arena_memdup(a, "a\0b", 3), "a\0b", 3);
}

TEST(arrays_are_zeroed)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	memset(nx_arena_alloc(a, 800), 0xFF, 800);
	nx_arena_reset(a);
	int64_t *v = nx_arena_array(a, int64_t, 100);
	for (size_t i = 0; i < 100; i++)
		ASSERT_EQ(v[i], 0);
}
