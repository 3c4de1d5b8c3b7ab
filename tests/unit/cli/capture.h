/* What a function of the command line prints: capture(), the call, captured(). */
#ifndef NX_TEST_CAPTURE_H
#define NX_TEST_CAPTURE_H

#include "tests/unit/nx_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct capture {
	FILE *file;
	int fd, saved;
	char text[16384];
};

static inline void capture(struct capture *k, FILE *stream)
{
	(void)fflush(stream);
	k->file = tmpfile();
	k->fd = fileno(stream);
	k->saved = dup(k->fd);
	if (!k->file || k->saved < 0 || dup2(fileno(k->file), k->fd) < 0)
		abort();
}

static inline const char *captured(struct capture *k)
{
	(void)fflush(k->fd == STDOUT_FILENO ? stdout : stderr);
	if (dup2(k->saved, k->fd) < 0)
		abort();
	(void)close(k->saved);
	rewind(k->file);
	k->text[fread(k->text, 1, sizeof(k->text) - 1, k->file)] = '\0';
	(void)fclose(k->file);
	return k->text;
}

#endif
