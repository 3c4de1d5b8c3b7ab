/* What a guest says to its proxy, in HTTP and in SOCKS. */
#include "base/macros.h"
#include "execution/proxy_internal.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

static int parse(const char *text, struct nx_proxy_request *ret)
{
	return nx_proxy_http_parse(text, strlen(text), ret);
}

TEST(a_request_names_its_server)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
		int verb;
	} table[] = {
		{"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", "example.com", 443, NX_PROXY_CONNECT},
		{"CONNECT EXAMPLE.com.:443 HTTP/1.0\r\n\r\n", "example.com", 443, NX_PROXY_CONNECT},
		{"CONNECT [2001:DB8::1]:443 HTTP/1.1\r\n\r\n", "2001:DB8::1", 443, NX_PROXY_CONNECT},
		{"CONNECT 1.2.3.4:1 HTTP/1.1\r\n\r\n", "1.2.3.4", 1, NX_PROXY_CONNECT},
		{"GET http://example.com HTTP/1.1\r\n\r\n", "example.com", 80, NX_PROXY_FORWARD},
		{"GET HTTP://example.com:8080/a?b#c HTTP/1.1\r\nHost: other\r\n\r\n", "example.com", 8080,
		 NX_PROXY_FORWARD},
		{"PUT http://[::1]/ HTTP/1.1\r\n\r\n", "::1", 80, NX_PROXY_FORWARD},
		{"GET http://a?http://b/ HTTP/1.1\r\n\r\n", "a", 80, NX_PROXY_FORWARD},
	};
	for (size_t i = 0; i < nx_countof(table); i++) {
		struct nx_proxy_request r;
		ASSERT_EQ(parse(table[i].text, &r), (int)strlen(table[i].text));
		ASSERT_STREQ(r.host, table[i].host);
		ASSERT_EQ(r.port, table[i].port);
		ASSERT_EQ((int)r.verb, table[i].verb);
	}
}

TEST(what_could_be_read_in_two_ways_is_refused)
{
	static const char *const table[] = {
		"CONNECT example.com HTTP/1.1\r\n\r\n",
		"CONNECT example.com: HTTP/1.1\r\n\r\n",
		"CONNECT example.com:0 HTTP/1.1\r\n\r\n",
		"CONNECT example.com:65536 HTTP/1.1\r\n\r\n",
		"CONNECT example.com:000443 HTTP/1.1\r\n\r\n",
		"CONNECT example.com:-1 HTTP/1.1\r\n\r\n",
		"CONNECT example.com:443/ HTTP/1.1\r\n\r\n",
		"CONNECT user@example.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT user:443@example.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT example.com..:443 HTTP/1.1\r\n\r\n",
		"CONNECT ::1:443 HTTP/1.1\r\n\r\n",
		"CONNECT [1.2.3.4]:443 HTTP/1.1\r\n\r\n",
		"CONNECT [fe80::1%25eth0]:443 HTTP/1.1\r\n\r\n",
		"CONNECT [::1]443 HTTP/1.1\r\n\r\n",
		"CONNECT ex%61mple.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT b\xc3\xbc"
		"cher.example:443 HTTP/1.1\r\n\r\n",
		"CONNECT  example.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT example.com:443  HTTP/1.1\r\n\r\n",
		"CONNECT example.com:443\r\n\r\n",
		"CONNECT example.com:443 HTTP/2.0\r\n\r\n",
		"\r\n\r\n",
		" GET http://a/ HTTP/1.1\r\n\r\n",
		"GET http://user:secret@a/ HTTP/1.1\r\n\r\n",
		"GET http://a\\@b/ HTTP/1.1\r\n\r\n",
		"GET http:///path HTTP/1.1\r\n\r\n",
		"GET http://a/ HTTP/1.1\nHost: a\n\n",
		"GET http://a/ HTTP/1.1\r\nHost : b\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\n: b\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nnothing\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nA: b\rc\r\n\r\n",
		"GET http://a/\x7f HTTP/1.1\r\n\r\n",
	};
	for (size_t i = 0; i < nx_countof(table); i++) {
		struct nx_proxy_request r;
		int n = parse(table[i], &r);
		if (n != NX_PROXY_MALFORMED)
			fail_msg("%d: %s", n, table[i]);
	}
	struct nx_proxy_request r;
	ASSERT_EQ(nx_proxy_http_parse("GET http://a/\0 HTTP/1.1\r\n\r\n", 27, &r), NX_PROXY_MALFORMED);
	ASSERT_EQ(parse("GET / HTTP/1.1\r\n\r\n", &r), NX_PROXY_UNSUPPORTED);
	ASSERT_EQ(parse("GET https://a/ HTTP/1.1\r\n\r\n", &r), NX_PROXY_UNSUPPORTED);
	ASSERT_EQ(parse("GET ftp://a/ HTTP/1.1\r\n\r\n", &r), NX_PROXY_UNSUPPORTED);
}

TEST(a_request_may_come_byte_by_byte)
{
	static const char text[] = "GET http://a/ HTTP/1.1\r\nA: b\r\n\r\n";
	struct nx_proxy_request r;
	for (size_t n = 0; n < sizeof(text) - 1; n++)
		ASSERT_EQ(nx_proxy_http_parse(text, n, &r), NX_PROXY_MORE);
	ASSERT_EQ(parse(text, &r), (int)sizeof(text) - 1);
}

TEST(a_flood_of_fields_is_refused_before_it_ends)
{
	char text[4096];
	struct nx_proxy_request r;
	for (int fields = NX_PROXY_FIELDS_MAX; fields <= NX_PROXY_FIELDS_MAX + 1; fields++) {
		int n = snprintf(text, sizeof(text), "GET http://a/ HTTP/1.1\r\n");
		for (int i = 0; i < fields; i++)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "a: %d\r\n", i);
		bool is_flood = fields > NX_PROXY_FIELDS_MAX;
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s", is_flood ? "a: 1\r\n" : "\r\n");
		ASSERT_EQ(nx_proxy_http_parse(text, (size_t)n, &r), is_flood ? NX_PROXY_FLOOD : n);
	}
}

static const char *rewrite(const char *head)
{
	static char out[512];
	int n = nx_proxy_http_rewrite(head, strlen(head), out, sizeof(out) - 1);
	if (n < 0)
		return NULL;
	out[n] = '\0';
	return out;
}

TEST(a_server_sees_itself_and_nothing_of_the_proxy)
{
	ASSERT_STREQ(
		rewrite("GET http://a:8080/x?y#z HTTP/1.0\r\nHost: b\r\nAccept: */*\r\nProxy-Authorization: secret\r\n"
			"Connection: keep-alive\r\nPROXY-CONNECTION: x\r\n\r\n"),
		"GET /x?y HTTP/1.1\r\nHost: a:8080\r\nConnection: close\r\nAccept: */*\r\n\r\n");
	ASSERT_STREQ(rewrite("GET http://a?y HTTP/1.1\r\n\r\n"),
		     "GET /?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	ASSERT_STREQ(rewrite("GET http://a#z HTTP/1.1\r\n\r\n"),
		     "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	char small[20];
	ASSERT_EQ(nx_proxy_http_rewrite("GET http://a/ HTTP/1.1\r\n\r\n", 26, small, sizeof(small)), -1);
}

/* ---- SOCKS ---- */

#define SOCKS(text) (const uint8_t *)(text), sizeof(text) - 1

TEST(a_greeting_offers_no_authentication)
{
	ASSERT_EQ(nx_proxy_socks_greeting(SOCKS("\5\1\0")), 3);
	ASSERT_EQ(nx_proxy_socks_greeting(SOCKS("\5\2\2\0more")), 4);
	ASSERT_EQ(nx_proxy_socks_greeting(SOCKS("\5\1\2")), NX_PROXY_UNSUPPORTED);
	ASSERT_EQ(nx_proxy_socks_greeting(SOCKS("\5\0")), NX_PROXY_UNSUPPORTED);
	ASSERT_EQ(nx_proxy_socks_greeting(SOCKS("\4\1")), NX_PROXY_MALFORMED);
	ASSERT_EQ(nx_proxy_socks_greeting(SOCKS("\5\3\2\1")), NX_PROXY_MORE);
	ASSERT_EQ(nx_proxy_socks_greeting(SOCKS("\5")), NX_PROXY_MORE);
	ASSERT_EQ(nx_proxy_socks_greeting(SOCKS("")), NX_PROXY_MORE);
}

TEST(socks_names_its_server)
{
	struct nx_proxy_request r;
	uint8_t reply;
	ASSERT_EQ(nx_proxy_socks_request(SOCKS("\5\1\0\1\x7f\0\0\1\1\xbb"), &r, &reply), 10);
	ASSERT_STREQ(r.host, "127.0.0.1");
	ASSERT_EQ(r.port, 443);
	ASSERT_EQ(nx_proxy_socks_request(SOCKS("\5\1\0\3\4A.b.\0\x50rest"), &r, &reply), 11);
	ASSERT_STREQ(r.host, "a.b");
	ASSERT_EQ(nx_proxy_socks_request(SOCKS("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1\0\x50"), &r, &reply),
		  22);
	ASSERT_STREQ(r.host, "::ffff:127.0.0.1");
	ASSERT_EQ(nx_proxy_socks_request(SOCKS("\5\1\0\3\3::1\0\x50"), &r, &reply), 10);
	ASSERT_STREQ(r.host, "::1");
}

TEST(socks_refuses_with_its_own_words)
{
	struct nx_proxy_request r;
	uint8_t reply, longest[262] = {5, 1, 0, 3, 255};
	ASSERT_EQ(nx_proxy_socks_request(SOCKS("\5\2\0\1\x7f\0\0\1\1\xbb"), &r, &reply), NX_PROXY_UNSUPPORTED);
	ASSERT_EQ(reply, 7);
	ASSERT_EQ(nx_proxy_socks_request(SOCKS("\5\1\0\5\x7f\0\0\1\1\xbb"), &r, &reply), NX_PROXY_UNSUPPORTED);
	ASSERT_EQ(reply, 8);
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {{"\4\1\0\1\x7f\0\0\1\1\xbb", 10}, {"\5\1\1\1\x7f\0\0\1\1\xbb", 10}, {"\5\1\0\1\x7f\0\0\1\0\0", 10},
		   {"\5\1\0\3\0\0\x50", 7},          {"\5\1\0\3\3a\0b\0\x50", 10},     {"\5\1\0\3\3a b\0\x50", 10},
		   {"\5\1\0\3\4a..b\0\x50", 11},     {"\5\1\0\3\4a:80\0\x50", 11},     {"\5\1\0\3\3a..\0\x50", 10}};
	for (size_t i = 0; i < nx_countof(bad); i++)
		if (nx_proxy_socks_request((const uint8_t *)bad[i].p, bad[i].n, &r, &reply) != NX_PROXY_MALFORMED)
			fail_msg("%zu is taken", i);
	memset(longest + 5, 'a', 255);
	longest[261] = 80;
	ASSERT_EQ(nx_proxy_socks_request(longest, 261, &r, &reply), NX_PROXY_MORE);
	ASSERT_EQ(nx_proxy_socks_request(longest, 262, &r, &reply), NX_PROXY_MALFORMED);
	for (size_t n = 0; n < 9; n++)
		ASSERT_EQ(nx_proxy_socks_request((const uint8_t *)"\5\1\0\1\x7f\0\0\1\1", n, &r, &reply),
			  NX_PROXY_MORE);
}
