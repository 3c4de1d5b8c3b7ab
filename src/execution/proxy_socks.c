/* SOCKS 5 (RFC 1928): no authentication, CONNECT, every kind of address. */
#include "execution/proxy_internal.h"

#include <arpa/inet.h>
#include <string.h>

enum { VERSION = 5, CONNECT = 1, V4 = 1, NAME = 3, V6 = 4, BAD_COMMAND = 7, BAD_ADDRESS = 8, FAILED = 1 };

int nx_proxy_socks_greeting(const uint8_t *p, size_t n)
{
	if (n < 1)
		return NX_PROXY_MORE;
	if (p[0] != VERSION)
		return NX_PROXY_MALFORMED;
	if (n < 2 || n < 2U + p[1])
		return NX_PROXY_MORE;
	return p[1] && memchr(p + 2, 0, p[1]) ? 2 + p[1] : NX_PROXY_UNSUPPORTED;
}

static bool take_host(const uint8_t *p, struct nx_proxy_request *ret)
{
	struct nx_ip ip = {.is_v4 = p[3] == V4};
	char text[64];
	if (p[3] == NAME) {
		/* Some clients send an IPv6 address as a name. */
		struct nx_ip literal;
		size_t n = p[4];
		if (n && n < sizeof(text) && memchr(p + 5, ':', n) && !memchr(p + 5, 0, n)) {
			memcpy(text, p + 5, n);
			text[n] = '\0';
			if (!nx_ip_parse(text, &literal) || literal.is_v4)
				return false;
			nx_ip_format(&literal, ret->host);
			return true;
		}
		return nx_proxy_host((const char *)p + 5, n, ret->host);
	}
	memcpy(ip.b, p + 4, ip.is_v4 ? 4 : 16);
	nx_ip_format(&ip, text);
	memcpy(ret->host, text, strlen(text) + 1);
	return true;
}

int nx_proxy_socks_request(const uint8_t *p, size_t n, struct nx_proxy_request *ret, uint8_t *ret_reply)
{
	*ret = (struct nx_proxy_request){.verb = NX_PROXY_CONNECT};
	*ret_reply = FAILED;
	if (n >= 1 && p[0] != VERSION)
		return NX_PROXY_MALFORMED;
	if (n < 5)
		return NX_PROXY_MORE;
	if (p[2] != 0)
		return NX_PROXY_MALFORMED;
	if (p[1] != CONNECT) {
		*ret_reply = BAD_COMMAND;
		return NX_PROXY_UNSUPPORTED;
	}
	size_t host = p[3] == V4 ? 4 : p[3] == V6 ? 16 : p[3] == NAME ? 1U + p[4] : 0;
	if (!host) {
		*ret_reply = BAD_ADDRESS;
		return NX_PROXY_UNSUPPORTED;
	}
	if (n < 4 + host + 2)
		return NX_PROXY_MORE;
	ret->port = (uint16_t)(p[4 + host] << 8 | p[5 + host]);
	if (ret->port == 0 || !take_host(p, ret))
		return NX_PROXY_MALFORMED;
	return (int)(4 + host + 2);
}
