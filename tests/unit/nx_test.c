#include "tests/unit/nx_test.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct nx_test *first;
static struct nx_test **last = &first;
static char dir[256];

/* Constructors of one file run in the order of its lines, so tests run as they are read. */
void nx_test_register(struct nx_test *t)
{
	*last = t;
	last = &t->next;
}

void nx_test_ok(long long got, const char *expr, const char *file, int line)
{
	if (got == 0)
		return;
	print_error("%s\n  gave %lld, not 0\n", expr, got);
	_fail(file, line);
}

void nx_test_eq(long long got, long long want, const char *expr, const char *file, int line)
{
	if (got == want)
		return;
	print_error("%s\n  gave %lld, not %lld\n", expr, got, want);
	_fail(file, line);
}

void nx_test_double_eq(double got, double want, double within, const char *expr, const char *file, int line)
{
	if (got == want || fabs(got - want) <= within * fmax(1, fabs(want)))
		return;
	print_error("%s\n  gave %.17g, not %.17g\n", expr, got, want);
	_fail(file, line);
}

void nx_test_streq(const char *got, const char *want, const char *expr, const char *file, int line)
{
	if (got == want || (got && want && strcmp(got, want) == 0))
		return;
	print_error("%s\n  gave \"%s\"\n  not  \"%s\"\n", expr, got ? got : "(null)", want ? want : "(null)");
	_fail(file, line);
}

void nx_test_memeq(const void *got, const void *want, size_t n, const char *expr, const char *file, int line)
{
	if (n == 0)
		return;
	if (!got || !want) {
		print_error("%s\n  gave NULL\n", expr);
		_fail(file, line);
	}
	const unsigned char *g = got, *w = want;
	for (size_t i = 0; i < n; i++) {
		if (g[i] == w[i])
			continue;
		print_error("%s\n  differs at byte %zu of %zu: %02x, not %02x\n", expr, i, n, g[i], w[i]);
		_fail(file, line);
	}
}

void nx_test_contains(const char *text, const char *part, const char *expr, const char *file, int line)
{
	if (text && strstr(text, part))
		return;
	print_error("%s\n  gave \"%s\"\n  without \"%s\"\n", expr, text ? text : "(null)", part);
	_fail(file, line);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_dir(void)
{
	if (nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
		perror(dir);
}

/* Only the process that made the directory removes it, not the children that a test forks. */
static pid_t owner;
static void remove_own_dir(void)
{
	if (getpid() == owner)
		remove_dir();
}

const char *nx_test_dir(void)
{
	static unsigned number;
	static char path[sizeof(dir) + 16];
	if (!dir[0]) {
		const char *tmp = getenv("TMPDIR");
		(void)snprintf(dir, sizeof(dir), "%s/nexus-test-XXXXXX", tmp ? tmp : "/tmp");
		if (!mkdtemp(dir))
			fail_msg("cannot make %s: %s", dir, strerror(errno));
		owner = getpid();
		(void)atexit(remove_own_dir);
	}
	(void)snprintf(path, sizeof(path), "%s/%u", dir, number++);
	if (mkdir(path, 0700) != 0)
		fail_msg("cannot make %s: %s", path, strerror(errno));
	return path;
}

static size_t select_tests(const char *word, struct CMUnitTest *ret_tests)
{
	size_t n = 0;
	for (const struct nx_test *t = first; t; t = t->next) {
		if (word && !strstr(t->name, word))
			continue;
		if (ret_tests)
			ret_tests[n] = (struct CMUnitTest){.name = t->name, .test_func = t->run};
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--list") == 0) {
		for (const struct nx_test *t = first; t; t = t->next)
			puts(t->name);
		return 0;
	}
	const char *word = argc > 1 ? argv[1] : NULL;
	size_t n = select_tests(word, NULL);
	struct CMUnitTest *tests = calloc(n + 1, sizeof(*tests));
	if (!tests)
		return 1;
	(void)select_tests(word, tests);
	int failed = _cmocka_run_group_tests(program_invocation_short_name, tests, n, NULL, NULL);
	free(tests);
	return failed ? 1 : 0;
}
