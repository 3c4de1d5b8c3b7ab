#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void nx_assert_failed(const char *expr, const char *file, int line)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "nexus: broken invariant at %s:%d: %s\n", file, line, expr);
	size_t len = n < 0 ? 0 : nx_min((size_t)n, sizeof(text) - 1);

	/* Straight to the descriptor: the process may be inside a log call, and nothing after this line can be trusted. */
	if (write(STDERR_FILENO, text, len) < 0) {
		/* Nobody is left to tell. */
	}
	abort();
}
