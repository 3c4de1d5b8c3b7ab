/*
 * What a client says to an HTTP proxy (RFC 9110, 9112): CONNECT host:port, or a request in absolute-form for http://. Only
 * the head is read. What follows it goes to that one server untouched: the wall is which server, not what is said to it.
 */
#include "execution/proxy_internal.h"

#include "base/macros.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* Bytes up to and with the empty line; 0: it has not come. */
static size_t head_size(const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	return end ? (size_t)(end - p) + 4 : 0;
}

/* No control characters, and lines end in CRLF and nothing else. */
static bool is_clean(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c == '\r'   ? i + 1 >= n || p[i + 1] != '\n'
		    : c == '\n' ? i == 0 || p[i - 1] != '\r'
				: (c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* "host", "host:port", "[v6]:port"; `otherwise` 0: the port must be there. */
static bool parse_authority(const char *p, size_t n, uint16_t otherwise, struct nx_proxy_request *ret)
{
	size_t host_n = n;
	uint32_t port = otherwise;
	if (n && p[0] == '[') {
		const char *end = memchr(p, ']', n);
		if (!end)
			return false;
		host_n = (size_t)(end - p) + 1;
	} else if (memchr(p, ':', n)) {
		host_n = (size_t)((const char *)memchr(p, ':', n) - p);
	}
	if (host_n < n) {
		size_t i = host_n + 1;
		if (p[host_n] != ':' || i == n || n - i > 5)
			return false;
		for (port = 0; i < n; i++) {
			if (p[i] < '0' || p[i] > '9')
				return false;
			port = port * 10 + (uint32_t)(p[i] - '0');
		}
	}
	if (port == 0 || port > 65535)
		return false;
	ret->port = (uint16_t)port;
	if (p[0] != '[')
		return nx_proxy_host(p, host_n, ret->host);
	struct nx_ip ip;
	if (host_n >= sizeof(ret->host) || host_n < 3)
		return false;
	memcpy(ret->host, p + 1, host_n - 2);
	ret->host[host_n - 2] = '\0';
	return nx_ip_parse(ret->host, &ip) && !ip.is_v4;
}

struct line { /* the parts of a request line */
	const char *method, *target;
	size_t nmethod, ntarget, size; /* size: with CRLF */
};

static bool split_line(const char *p, size_t n, struct line *ret)
{
	const char *end = memmem(p, n, "\r\n", 2);
	const char *a = end ? memchr(p, ' ', (size_t)(end - p)) : NULL;
	const char *b = a ? memchr(a + 1, ' ', (size_t)(end - a - 1)) : NULL;
	if (!b || a == p || b == a + 1)
		return false;
	if (end - b != 9 || memcmp(b + 1, "HTTP/1.", 7) != 0 || (b[8] != '0' && b[8] != '1'))
		return false;
	for (const char *c = p; c < a; c++)
		if (!is_token(*c))
			return false;
	*ret = (struct line){p, a + 1, (size_t)(a - p), (size_t)(b - a - 1), (size_t)(end - p) + 2};
	return true;
}

/* Where path and query begin in "http://authority/path"; NULL when it is not of that form. */
static const char *path_of(const struct line *l, const char **ret_authority)
{
	static const char scheme[] = "http://";
	if (l->ntarget < sizeof(scheme) || strncasecmp(l->target, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	const char *p = l->target + sizeof(scheme) - 1, *end = l->target + l->ntarget;
	*ret_authority = p;
	while (p < end && *p != '/' && *p != '?' && *p != '#')
		p++;
	return p;
}

static size_t count_lines(const char *p, size_t n)
{
	size_t lines = 0;
	for (const char *end = p + n; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		lines++;
	return lines;
}

/* Each field is "name: value". A name with a space behind it, or a folded line, is read in two ways by two readers. */
static bool has_plain_fields(const char *p, const char *end)
{
	for (; p < end; p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1) {
		const char *name = p;
		while (is_token(*p))
			p++;
		if (p == name || *p != ':')
			return false;
	}
	return true;
}

int nx_proxy_http_parse(const char *p, size_t n, struct nx_proxy_request *ret)
{
	struct line l;
	const char *authority;
	size_t size = head_size(p, n);
	*ret = (struct nx_proxy_request){0};
	if (!is_clean(p, size ? size : n - (n && p[n - 1] == '\r')))
		return NX_PROXY_MALFORMED;
	if (count_lines(p, size ? size : n) > NX_PROXY_FIELDS_MAX + 2)
		return NX_PROXY_FLOOD;
	if (!size)
		return NX_PROXY_MORE;
	if (!split_line(p, size, &l) || !has_plain_fields(p + l.size, p + size - 2))
		return NX_PROXY_MALFORMED;
	if (l.nmethod == 7 && memcmp(l.method, "CONNECT", 7) == 0) {
		ret->verb = NX_PROXY_CONNECT;
		return parse_authority(l.target, l.ntarget, 0, ret) ? (int)size : NX_PROXY_MALFORMED;
	}
	const char *path = path_of(&l, &authority);
	if (!path)
		return NX_PROXY_UNSUPPORTED;
	ret->verb = NX_PROXY_FORWARD;
	return parse_authority(authority, (size_t)(path - authority), 80, ret) ? (int)size : NX_PROXY_MALFORMED;
}

/* ---- the head as the server gets it ---- */

struct out {
	char *p;
	size_t n, size;
	bool failed;
};

static void put(struct out *o, const char *bytes, size_t n)
{
	if (o->failed || n > o->size - o->n) {
		o->failed = true;
		return;
	}
	if (n)
		memcpy(o->p + o->n, bytes, n);
	o->n += n;
}

static void put_z(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

static bool is_dropped(const char *line, size_t n)
{
	static const char *const names[] = {"host", "connection",         "proxy-connection",    "keep-alive",
					    "te",   "proxy-authenticate", "proxy-authorization", "upgrade"};
	const char *colon = memchr(line, ':', n);
	size_t m = colon ? (size_t)(colon - line) : n;
	for (size_t i = 0; i < nx_countof(names); i++)
		if (strlen(names[i]) == m && strncasecmp(line, names[i], m) == 0)
			return true;
	return false;
}

int nx_proxy_http_rewrite(const char *head, size_t n, char *ret, size_t size)
{
	struct line l;
	struct out o = {.p = ret, .size = size};
	const char *authority, *path, *hash;
	if (!split_line(head, n, &l) || !(path = path_of(&l, &authority)))
		return -1;
	size_t npath = (size_t)(l.target + l.ntarget - path);
	if (npath && (hash = memchr(path, '#', npath)))
		npath = (size_t)(hash - path);
	put(&o, l.method, l.nmethod);
	put_z(&o, npath && path[0] == '/' ? " " : " /");
	put(&o, path, npath);
	put_z(&o, " HTTP/1.1\r\nHost: ");
	put(&o, authority, (size_t)(path - authority));
	put_z(&o, "\r\nConnection: close\r\n");
	for (const char *p = head + l.size, *end = head + n - 2; p < end;) {
		const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);
		size_t m = eol ? (size_t)(eol - p) : 0;
		if (!eol)
			return -1;
		if (!is_dropped(p, m))
			put(&o, p, m + 2);
		p = eol + 2;
	}
	put_z(&o, "\r\n");
	return o.failed ? -1 : (int)o.n;
}
