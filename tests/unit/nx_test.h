/*
 * Unit tests: TEST(a_sentence_about_behaviour) { ... } registers itself; main comes with the library.
 *
 * A thin face over cmocka. `program` runs all tests of its file in order, `program WORD` those whose name holds WORD,
 * `program --list` names them. Assertions belong to the thread that runs the test: cmocka leaves a failed one by
 * longjmp. Arguments are evaluated once.
 */
#ifndef NX_TEST_H
#define NX_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct nx_test {
	const char *name;
	void (*run)(void **state);
	struct nx_test *next;
};

void nx_test_register(struct nx_test *t);
void nx_test_ok(long long got, const char *expr, const char *file, int line);
void nx_test_eq(long long got, long long want, const char *expr, const char *file, int line);
void nx_test_double_eq(double got, double want, double within, const char *expr, const char *file, int line);
void nx_test_streq(const char *got, const char *want, const char *expr, const char *file, int line);
void nx_test_memeq(const void *got, const void *want, size_t n, const char *expr, const char *file, int line);
void nx_test_contains(const char *text, const char *part, const char *expr, const char *file, int line);

/* A directory of this test's own below TMPDIR, removed with what is in it when the program ends. */
const char *nx_test_dir(void);

#define TEST(name_)                                                             \
	static void name_(void **state);                                        \
	static struct nx_test nx_test_##name_ = {.name = #name_, .run = name_}; \
	__attribute__((constructor)) static void nx_test_register_##name_(void) \
	{                                                                       \
		nx_test_register(&nx_test_##name_);                             \
	}                                                                       \
	static void name_(__attribute__((unused)) void **state)

#define ASSERT_OK(e) nx_test_ok((e), #e, __FILE__, __LINE__)
#define ASSERT_ERR(e, code) nx_test_eq((e), (code), #e, __FILE__, __LINE__)
#define ASSERT_EQ(e, want) nx_test_eq((long long)(e), (long long)(want), #e, __FILE__, __LINE__)
#define ASSERT_NE(e, unwanted) \
	_assert_true((long long)(e) != (long long)(unwanted), #e " != " #unwanted, __FILE__, __LINE__)
#define ASSERT_TRUE(e) _assert_true((e) ? 1 : 0, #e, __FILE__, __LINE__)
#define ASSERT_FALSE(e) _assert_true((e) ? 0 : 1, "!(" #e ")", __FILE__, __LINE__)
#define ASSERT_NULL(e) _assert_true((e) == NULL, #e " == NULL", __FILE__, __LINE__)
#define ASSERT_NOT_NULL(e) _assert_true((e) != NULL, #e " != NULL", __FILE__, __LINE__)
#define ASSERT_LT(a, b) _assert_true((a) < (b), #a " < " #b, __FILE__, __LINE__)
#define ASSERT_LE(a, b) _assert_true((a) <= (b), #a " <= " #b, __FILE__, __LINE__)
#define ASSERT_GT(a, b) _assert_true((a) > (b), #a " > " #b, __FILE__, __LINE__)
#define ASSERT_GE(a, b) _assert_true((a) >= (b), #a " >= " #b, __FILE__, __LINE__)
#define ASSERT_STREQ(e, want) nx_test_streq((e), (want), #e, __FILE__, __LINE__)
#define ASSERT_MEMEQ(e, want, n) nx_test_memeq((e), (want), (n), #e, __FILE__, __LINE__)
#define ASSERT_CONTAINS(e, part) nx_test_contains((e), (part), #e, __FILE__, __LINE__)
#define ASSERT_DOUBLE_EQ(e, want) nx_test_double_eq((e), (want), 1e-9, #e, __FILE__, __LINE__)
#define ASSERT_DOUBLE_NEAR(e, want, within) nx_test_double_eq((e), (want), (within), #e, __FILE__, __LINE__)
#define SKIP(why)                                    \
	do {                                         \
		print_message("skipped: %s\n", why); \
		skip();                              \
	} while (0)

#endif
