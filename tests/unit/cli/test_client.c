#include "base/io.h"
#include "cli/cli.h"
#include "tests/unit/nx_test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket that listens on a free port of the loopback interface. */
static int listener(char ret_url[64])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_OK(bind(fd, (struct sockaddr *)&a, n));
	ASSERT_OK(listen(fd, 4));
	ASSERT_OK(getsockname(fd, (struct sockaddr *)&a, &n));
	(void)snprintf(ret_url, 64, "http://127.0.0.1:%u", ntohs(a.sin_port));
	return fd;
}

TEST(whether_anyone_listens_is_found_out)
{
	char url[64];
	int fd = listener(url);
	ASSERT_TRUE(nx_cli_anyone_at(url));
	(void)close(fd);
	ASSERT_FALSE(nx_cli_anyone_at(url));
}

TEST(an_address_that_is_none_has_no_one)
{
	static const char *const urls[] = {"",
					   "http://",
					   "http://127.0.0.1",
					   "http://127.0.0.1:99999999",
					   "https://127.0.0.1:1",
					   "http://127.0.0.1:0",
					   "http://[::1]:0",
					   "http://127.0.0.1:x"};
	for (size_t i = 0; i < nx_countof(urls); i++)
		ASSERT_FALSE(nx_cli_anyone_at(urls[i]));
}

TEST(a_server_that_was_named_and_is_not_there_is_an_error_with_a_hint)
{
	char url[64];
	(void)close(listener(url));
	struct nx_cli c = {.arena = nx_arena_new(0), .url = url};
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *v;
	ASSERT_ERR(nx_cli_call(&c, "GET", "/healthz", NULL, &v, &err), NX_EUNREACHABLE);
	ASSERT_CONTAINS(nx_error_message(err), url);
	ASSERT_CONTAINS(nx_error_get_hint(err), "nexus serve");
	nx_client_free(c.client);
	nx_arena_free(c.arena);
}

TEST(what_goes_into_a_path_is_escaped)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_cli c = {.arena = a};
	ASSERT_STREQ(nx_cli_escape(&c, "aZ0-._~"), "aZ0-._~");
	ASSERT_STREQ(nx_cli_escape(&c, "a/b?c d&e"), "a%2Fb%3Fc%20d%26e");
	ASSERT_STREQ(nx_cli_escape(&c, "م"), "%D9%85");
	ASSERT_STREQ(nx_cli_escape(&c, ""), "");
}

TEST(words_are_joined_and_trimmed)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_cli c = {.arena = a};
	nx_auto_error struct nx_error *err = NULL;
	char one[] = " who", two[] = "is it ", dash[] = "-", blank[] = "  ";
	nx_str text;
	ASSERT_OK(nx_cli_words(&c, 2, (char *[]){one, two}, "the question", &text, NULL));
	ASSERT_STREQ(nx_str_zdup(a, text), "who is it");
	ASSERT_OK(nx_cli_words(&c, 2, (char *[]){dash, dash}, "the question", &text, NULL));
	ASSERT_STREQ(nx_str_zdup(a, text), "- -");
	ASSERT_ERR(nx_cli_words(&c, 1, (char *[]){blank}, "the question", &text, NULL), NX_EINVAL);
	ASSERT_ERR(nx_cli_words(&c, 0, NULL, "the question", &text, &err), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(err), "the question is missing");
}

TEST(a_dash_is_standard_input_and_has_a_limit)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_cli c = {.arena = a};
	char path[512], dash[] = "-";
	nx_str text;
	(void)snprintf(path, sizeof(path), "%s/in", nx_test_dir());
	FILE *f = fopen(path, "w");
	ASSERT_NOT_NULL(f);
	(void)fputs("\n 6 * 7\n", f);
	(void)fclose(f);
	ASSERT_NOT_NULL(freopen(path, "r", stdin));
	ASSERT_OK(nx_cli_words(&c, 1, (char *[]){dash}, "the question", &text, NULL));
	ASSERT_STREQ(nx_str_zdup(a, text), "6 * 7");
	ASSERT_NOT_NULL(freopen(path, "r", stdin));
	ASSERT_ERR(nx_cli_read(&c, "-", 3, &text, NULL), NX_ETOOBIG);
	ASSERT_OK(nx_cli_read(&c, path, 100, &text, NULL));
	ASSERT_EQ(text.n, 8);
	ASSERT_ERR(nx_cli_read(&c, "/nowhere/file", 100, &text, NULL), NX_ENOTFOUND);
}
