/* What a granted run may reach: rules, kinds of addresses, the two decisions. Pure. */
#include "execution/proxy_internal.h"

#include "base/macros.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* ---- addresses ---- */

bool nx_ip_parse(const char *text, struct nx_ip *ret)
{
	char inner[INET6_ADDRSTRLEN + 2];
	size_t n = strlen(text);
	*ret = (struct nx_ip){0};
	if (inet_pton(AF_INET, text, ret->b) == 1) {
		ret->is_v4 = true;
		return true;
	}
	if (n > 2 && text[0] == '[' && text[n - 1] == ']' && n - 2 < sizeof(inner)) {
		memcpy(inner, text + 1, n - 2);
		inner[n - 2] = '\0';
		text = inner;
	}
	return inet_pton(AF_INET6, text, ret->b) == 1;
}

void nx_ip_format(const struct nx_ip *ip, char ret[64])
{
	if (!inet_ntop(ip->is_v4 ? AF_INET : AF_INET6, ip->b, ret, 64))
		snprintf(ret, 64, "?");
}

static bool has_prefix(const uint8_t *a, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(a, prefix, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

struct block {
	uint8_t prefix[16];
	uint8_t bits;
	const char *kind;
};

/* IANA's registries of special-purpose addresses (RFC 6890 and its updates); what is not "globally reachable" there, and
 * what only stands for another address. */
static const struct block v4_blocks[] = {
	{{0}, 8, "unspecified"},
	{{10}, 8, "private"},
	{{100, 64}, 10, "carrier-grade NAT"},
	{{127}, 8, "loopback"},
	{{168, 63, 129, 16}, 32, "a cloud's own service"}, /* Azure's, public by its number alone */
	{{169, 254}, 16, "link-local"},
	{{172, 16}, 12, "private"},
	{{192, 0, 0}, 24, "reserved"},
	{{192, 0, 2}, 24, "documentation"},
	{{192, 88, 99}, 24, "6to4 relay"},
	{{192, 168}, 16, "private"},
	{{198, 18}, 15, "benchmarking"},
	{{198, 51, 100}, 24, "documentation"},
	{{203, 0, 113}, 24, "documentation"},
	{{224}, 4, "multicast"},
	{{240}, 4, "reserved"},
};
static const struct block v6_blocks[] = {
	{{0}, 128, "unspecified"},
	{{[15] = 1}, 128, "loopback"},
	{{[10] = 0xff, [11] = 0xff}, 96, "v4-mapped"},
	{{0}, 96, "v4-compatible"},
	{{0, 0x64, 0xff, 0x9b}, 96, "NAT64"},
	{{0, 0x64, 0xff, 0x9b, 0, 1}, 48, "NAT64"},
	{{0x20, 0x01, 0, 0}, 32, "Teredo"},
	{{0x20, 0x01, 0}, 23, "reserved"},
	{{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
	{{0x20, 0x02}, 16, "6to4"},
	{{0x3f, 0xff}, 20, "documentation"},
	{{0xfc}, 7, "unique local"},
	{{0xfe, 0x80}, 10, "link-local"},
	{{0xfe, 0xc0}, 10, "site-local"},
	{{0xff}, 8, "multicast"},
};

static const char *kind_in(const struct block *blocks, size_t n, const uint8_t *a, unsigned *ret_bits)
{
	for (size_t i = 0; i < n; i++) {
		if (!has_prefix(a, blocks[i].prefix, blocks[i].bits))
			continue;
		*ret_bits = blocks[i].bits;
		return blocks[i].kind;
	}
	return NULL;
}

/* RFC 5214: an interface identifier that ends in an IPv4 address, behind any prefix. */
static bool is_isatap(const uint8_t *b)
{
	return (b[8] & 0xfc) == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe;
}

/* *ret_bits: of the block that is of this kind; 32 or 128 where it is no block. */
static const char *kind_of(const struct nx_ip *ip, unsigned *ret_bits)
{
	static const uint8_t global_unicast[] = {0x20};
	*ret_bits = ip->is_v4 ? 32 : 128;
	if (ip->is_v4)
		return kind_in(v4_blocks, nx_countof(v4_blocks), ip->b, ret_bits);
	const char *kind = kind_in(v6_blocks, nx_countof(v6_blocks), ip->b, ret_bits);
	if (kind)
		return kind;
	return is_isatap(ip->b) ? "ISATAP" : has_prefix(ip->b, global_unicast, 3) ? NULL : "reserved";
}

const char *nx_ip_kind(const struct nx_ip *ip)
{
	unsigned bits;
	return kind_of(ip, &bits);
}

/* The IPv4 address that a form of IPv6 stands for: a rule that denies the one denies the other. */
static bool embedded(const struct nx_ip *ip, struct nx_ip *ret)
{
	static const struct {
		uint8_t prefix[12], bits, at;
	} forms[] = {{{[10] = 0xff, [11] = 0xff}, 96, 12},
		     {{0}, 96, 12},
		     {{0, 0x64, 0xff, 0x9b}, 96, 12},
		     {{0x20, 0x02}, 16, 2}};
	*ret = (struct nx_ip){.is_v4 = true};
	for (size_t i = 0; i < nx_countof(forms) && !ip->is_v4; i++) {
		if (!has_prefix(ip->b, forms[i].prefix, forms[i].bits))
			continue;
		memcpy(ret->b, ip->b + forms[i].at, 4);
		return true;
	}
	if (ip->is_v4 || !is_isatap(ip->b))
		return false;
	memcpy(ret->b, ip->b + 12, 4);
	return true;
}

/* ---- rules ---- */

bool nx_proxy_host(const char *text, size_t n, char ret[NX_PROXY_HOST_MAX])
{
	size_t label = 0;
	if (n > 1 && text[n - 1] == '.')
		n--;
	if (n == 0 || n >= NX_PROXY_HOST_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
		if (!ok || (c == '.' && label == 0) || (c != '.' && label == 63))
			return false;
		label = c == '.' ? 0 : label + 1;
		ret[i] = c;
	}
	ret[n] = '\0';
	return label > 0; /* a second last dot would make another text of the same name */
}

/* "127.1", "0x7f000001" and "0177.0.0.1" are addresses to a resolver (inet_aton), and names to nobody: no top-level domain
 * is a number (RFC 3696, 2). */
static bool is_numeric(const char *host)
{
	const char *dot = strrchr(host, '.'), *p = dot ? dot + 1 : host;
	bool is_hex = p[0] == '0' && p[1] == 'x';
	return strspn(p + 2 * is_hex, is_hex ? "0123456789abcdef" : "0123456789") == strlen(p + 2 * is_hex);
}

static bool parse_number(const char *text, int64_t max, int64_t *ret)
{
	int64_t v = 0;
	size_t n = 0;
	for (; text[n] >= '0' && text[n] <= '9' && n < 6; n++)
		v = v * 10 + (text[n] - '0');
	*ret = v;
	return n > 0 && text[n] == '\0' && v <= max;
}

/* Takes ":PORT" off the end of a copy. Colons inside brackets, or of a bare IPv6 address, are none. */
static const char *take_port(char *text, bool is_deny, struct nx_proxy_rule *ret)
{
	struct nx_ip ip;
	int64_t port;
	char *colon = strrchr(text, ':');
	const char *bracket = strrchr(text, ']');
	ret->port = is_deny ? NX_PORT_ANY : NX_PORT_WEB;
	if (!colon || (bracket && colon < bracket) || nx_ip_parse(text, &ip))
		return NULL;
	if (!bracket && strchr(text, ':') != colon) /* IPv6 with a length */
		return NULL;
	*colon++ = '\0';
	if (strcmp(colon, "*") == 0) {
		ret->port = NX_PORT_ANY;
		return NULL;
	}
	if (!parse_number(colon, 65535, &port) || port == 0)
		return "its port is not a number from 1 to 65535, nor *";
	ret->port = (int32_t)port;
	ret->has_port = true;
	return NULL;
}

static const char *parse_address(char *text, struct nx_proxy_rule *ret)
{
	char *slash = strchr(text, '/');
	int64_t bits = -1;
	if (slash)
		*slash = '\0';
	if (!nx_ip_parse(text, &ret->ip))
		return "it is neither a host name nor an address";
	int max = ret->ip.is_v4 ? 32 : 128;
	if (slash && !parse_number(slash + 1, max, &bits))
		return "the length of its prefix is out of range";
	ret->bits = (uint8_t)(slash ? bits : max);
	ret->kind = NX_RULE_ADDRESS;
	return NULL;
}

const char *nx_proxy_rule_parse(const char *text, bool is_deny, struct nx_proxy_rule *ret)
{
	char copy[NX_PROXY_HOST_MAX + 16];
	struct nx_ip ip;
	*ret = (struct nx_proxy_rule){0};
	size_t n = strlen(text);
	if (n == 0 || n >= sizeof(copy))
		return "it is empty or too long";
	memcpy(copy, text, n + 1);
	const char *wrong = take_port(copy, is_deny, ret);
	if (wrong)
		return wrong;
	if (strcmp(copy, "*") == 0) {
		ret->kind = NX_RULE_ANY;
		return NULL;
	}
	if (strchr(copy, '/') || nx_ip_parse(copy, &ip))
		return parse_address(copy, ret);
	ret->kind = strncmp(copy, "*.", 2) == 0 ? NX_RULE_BELOW : NX_RULE_HOST;
	const char *host = copy + (ret->kind == NX_RULE_BELOW ? 2 : 0);
	bool ok = nx_proxy_host(host, strlen(host), ret->host) && !is_numeric(ret->host);
	return ok ? NULL : "it is neither a host name nor an address";
}

bool nx_proxy_rules_read(const struct nx_spawn_network *n, struct nx_proxy_rules *ret)
{
	const char *p = n->rules, *end = n->rules + sizeof(n->rules);
	if (n->nallow > NX_SPAWN_RULES_MAX || n->ndeny > NX_SPAWN_RULES_MAX)
		return false;
	ret->is_public_only = n->is_public_only;
	ret->nallow = n->nallow;
	ret->ndeny = n->ndeny;
	for (size_t i = 0; i < ret->nallow + ret->ndeny; i++) {
		const char *nul = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;
		bool is_deny = i >= ret->nallow;
		struct nx_proxy_rule *rule = is_deny ? &ret->deny[i - ret->nallow] : &ret->allow[i];
		if (!nul || nx_proxy_rule_parse(p, is_deny, rule))
			return false;
		p = nul + 1;
	}
	return true;
}

/* ---- decisions ---- */

static bool port_fits(const struct nx_proxy_rule *r, uint16_t port)
{
	if (r->port == NX_PORT_WEB)
		return port == 80 || port == 443;
	return r->port == NX_PORT_ANY || r->port == port;
}

static bool name_fits(const struct nx_proxy_rule *r, const char *host)
{
	size_t n = strlen(host), m = strlen(r->host);
	if (r->kind == NX_RULE_ANY)
		return true;
	if (r->kind == NX_RULE_HOST)
		return strcmp(r->host, host) == 0;
	return r->kind == NX_RULE_BELOW && n > m + 1 && host[n - m - 1] == '.' && strcmp(host + n - m, r->host) == 0;
}

static bool address_fits(const struct nx_proxy_rule *r, const struct nx_ip *ip)
{
	return r->kind == NX_RULE_ADDRESS && r->ip.is_v4 == ip->is_v4 && has_prefix(ip->b, r->ip.b, r->bits);
}

static bool rule_fits(const struct nx_proxy_rule *r, const char *host, const struct nx_ip *ip, uint16_t port)
{
	return port_fits(r, port) && (r->kind == NX_RULE_ADDRESS ? ip && address_fits(r, ip) : name_fits(r, host));
}

#define DENIED "it is in the deny list"

const char *nx_proxy_check_host(const struct nx_proxy_rules *r, const char *host, uint16_t port)
{
	struct nx_ip ip;
	const struct nx_ip *literal = nx_ip_parse(host, &ip) ? &ip : NULL;
	if (!literal && is_numeric(host))
		return "it is an address in a form that is not taken";
	for (size_t i = 0; i < r->ndeny; i++)
		if (rule_fits(&r->deny[i], host, literal, port))
			return DENIED;
	for (size_t i = 0; i < r->nallow; i++)
		if (rule_fits(&r->allow[i], host, literal, port))
			return NULL;
	return "it is not in the allow list";
}

static bool is_denied(const struct nx_proxy_rules *r, const struct nx_ip *ip, uint16_t port)
{
	for (size_t i = 0; i < r->ndeny; i++)
		if (port_fits(&r->deny[i], port) && address_fits(&r->deny[i], ip))
			return true;
	return false;
}

/* Of these a network of one's own is made: a block of them may be named. The rest (link-local, as the metadata services of
 * clouds are, this host's own, and what stands for another address) has to be named one by one. */
static bool is_blockwise(const char *kind)
{
	static const char *const kinds[] = {"loopback", "private", "carrier-grade NAT", "unique local"};
	for (size_t i = 0; i < nx_countof(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

/* By address and port. A name does not vouch for what it resolves to, or whoever answers for it could have this host's
 * neighbours reached; localhost alone is its address (RFC 6761, 6.3). */
static bool is_named(const struct nx_proxy_rules *r, const char *host, const struct nx_ip *ip, uint16_t port,
		     const char *kind, unsigned bits)
{
	bool is_localhost = strcmp(host, "localhost") == 0 && strcmp(kind, "loopback") == 0;
	unsigned least = is_blockwise(kind) ? bits : ip->is_v4 ? 32 : 128;
	for (size_t i = 0; i < r->nallow; i++) {
		const struct nx_proxy_rule *a = &r->allow[i];
		if (!a->has_port || a->port != port)
			continue;
		if (address_fits(a, ip) && a->bits >= least)
			return true;
		if (is_localhost && a->kind == NX_RULE_HOST && strcmp(a->host, host) == 0)
			return true;
	}
	return false;
}

const char *nx_proxy_check_ip(const struct nx_proxy_rules *r, const char *host, const struct nx_ip *ip, bool is_own,
			      uint16_t port)
{
	static char why[96]; /* the process has one thread */
	struct nx_ip inner;
	if (is_denied(r, ip, port) || (embedded(ip, &inner) && is_denied(r, &inner, port)))
		return DENIED;
	unsigned bits;
	const char *kind = kind_of(ip, &bits);
	kind = !kind && is_own ? "this host's own" : kind;
	if (!kind || (!r->is_public_only && is_named(r, host, ip, port, kind, bits)))
		return NULL;
	snprintf(why, sizeof(why),
		 r->is_public_only ? "its address is %s, and only public ones are granted here"
				   : "its address is %s, which the allow list must name with its port",
		 kind);
	return why;
}
