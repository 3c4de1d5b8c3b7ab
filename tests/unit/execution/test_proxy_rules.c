/* What a granted run may reach: every kind of address, every form of a rule, and what the two say together. */
#include "base/macros.h"
#include "execution/proxy_internal.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

static struct nx_ip ip_of(const char *text)
{
	struct nx_ip ip;
	if (!nx_ip_parse(text, &ip))
		fail_msg("%s is no address", text);
	return ip;
}

/* ---- addresses ---- */

TEST(each_address_has_its_kind)
{
	static const struct {
		const char *ip, *kind; /* NULL: public */
	} table[] = {
		{"0.0.0.0", "unspecified"},
		{"0.255.255.255", "unspecified"},
		{"1.0.0.0", NULL},
		{"9.255.255.255", NULL},
		{"10.0.0.0", "private"},
		{"10.255.255.255", "private"},
		{"11.0.0.0", NULL},
		{"100.63.255.255", NULL},
		{"100.64.0.0", "carrier-grade NAT"},
		{"100.100.100.200", "carrier-grade NAT"},
		{"100.127.255.255", "carrier-grade NAT"},
		{"100.128.0.0", NULL},
		{"126.255.255.255", NULL},
		{"127.0.0.1", "loopback"},
		{"127.255.255.255", "loopback"},
		{"128.0.0.0", NULL},
		{"168.63.129.16", "a cloud's own service"},
		{"168.63.129.17", NULL},
		{"169.253.255.255", NULL},
		{"169.254.0.0", "link-local"},
		{"169.254.169.254", "link-local"},
		{"169.255.0.0", NULL},
		{"172.15.255.255", NULL},
		{"172.16.0.0", "private"},
		{"172.31.255.255", "private"},
		{"172.32.0.0", NULL},
		{"192.0.0.192", "reserved"},
		{"192.0.1.0", NULL},
		{"192.0.2.1", "documentation"},
		{"192.88.99.1", "6to4 relay"},
		{"192.167.255.255", NULL},
		{"192.168.0.0", "private"},
		{"192.168.255.255", "private"},
		{"192.169.0.0", NULL},
		{"198.17.255.255", NULL},
		{"198.18.0.0", "benchmarking"},
		{"198.19.255.255", "benchmarking"},
		{"198.20.0.0", NULL},
		{"198.51.100.7", "documentation"},
		{"203.0.113.7", "documentation"},
		{"223.255.255.255", NULL},
		{"224.0.0.1", "multicast"},
		{"239.255.255.255", "multicast"},
		{"240.0.0.1", "reserved"},
		{"255.255.255.255", "reserved"},
		{"::", "unspecified"},
		{"::1", "loopback"},
		{"::2", "v4-compatible"},
		{"::127.0.0.1", "v4-compatible"},
		{"::ffff:127.0.0.1", "v4-mapped"},
		{"::ffff:8.8.8.8", "v4-mapped"},
		{"::ffff:0:8.8.8.8", "reserved"}, /* SIIT */
		{"64:ff9b::8.8.8.8", "NAT64"},
		{"64:ff9b:1::7f00:1", "NAT64"},
		{"100::1", "reserved"}, /* discard-only */
		{"1fff:ffff::", "reserved"},
		{"2000::", NULL},
		{"2001::1", "Teredo"},
		{"2001:20::1", "reserved"}, /* ORCHIDv2 */
		{"2001:1ff:ffff::", "reserved"},
		{"2001:200::", NULL},
		{"2001:4860:4860::8888", NULL},
		{"2001:db8::1", "documentation"},
		{"2002:7f00:1::", "6to4"},
		{"2002:808:808::", "6to4"},
		{"2606:4700::5efe:a00:1", "ISATAP"},
		{"2606:4700::200:5efe:a00:1", "ISATAP"},
		{"2606:4700::6810:84e5", NULL},
		{"3fff::1", "documentation"},
		{"3fff:1000::", NULL},
		{"4000::", "reserved"},
		{"5f00::1", "reserved"}, /* segment routing */
		{"fc00::1", "unique local"},
		{"fd00:ec2::254", "unique local"},
		{"fe80::1", "link-local"},
		{"febf:ffff::", "link-local"},
		{"fec0::1", "site-local"},
		{"ff02::1", "multicast"},
	};
	for (size_t i = 0; i < nx_countof(table); i++) {
		struct nx_ip ip = ip_of(table[i].ip);
		const char *kind = nx_ip_kind(&ip);
		if (!kind != !table[i].kind || (kind && strcmp(kind, table[i].kind) != 0))
			fail_msg("%s is %s, not %s", table[i].ip, kind ? kind : "public",
				 table[i].kind ? table[i].kind : "public");
	}
}

TEST(only_full_forms_are_addresses)
{
	static const char *const texts[] = {
		"",          "127.1",    "2130706433", "0x7f.0.0.1", "0177.0.0.1", "1.2.3",      "1.2.3.4.5",
		"1.2.3.256", "1.2.3.4 ", "[1.2.3.4]",  "[::1",       "::1]",       "fe80::1%lo", "fe80::1%25lo",
		":::",       "1:2:3:4",  "[]",         "::ffff:1.2", "12345::",    "1.2.3.4:80"};
	struct nx_ip ip;
	for (size_t i = 0; i < nx_countof(texts); i++)
		if (nx_ip_parse(texts[i], &ip))
			fail_msg("\"%s\" is an address", texts[i]);
	ASSERT_TRUE(nx_ip_parse("[::1]", &ip) && !ip.is_v4);
	ASSERT_TRUE(nx_ip_parse("1.2.3.4", &ip) && ip.is_v4);
}

/* ---- names ---- */

TEST(names_are_compared_in_one_form)
{
	char host[NX_PROXY_HOST_MAX], label[80], name[300];
	ASSERT_TRUE(nx_proxy_host("API.Example.COM.", 16, host));
	ASSERT_STREQ(host, "api.example.com");
	ASSERT_TRUE(nx_proxy_host("xn--bcher-kva.example", 21, host));
	static const char *const bad[] = {"",    ".",         "..",  "a..",  "a..b",  ".a",   "a b",           "a/b",
					  "a@b", "b\xc3\xbc", "a:1", "a%2e", "[::1]", "a\\b", "example.com..", "*",
					  "a,b", "a\tb",      "a?b", "a#b"};
	for (size_t i = 0; i < nx_countof(bad); i++)
		if (nx_proxy_host(bad[i], strlen(bad[i]), host))
			fail_msg("\"%s\" is a name", bad[i]);
	ASSERT_FALSE(nx_proxy_host("a\0b", 3, host));
	memset(label, 'a', sizeof(label));
	ASSERT_TRUE(nx_proxy_host(label, 63, host));
	ASSERT_FALSE(nx_proxy_host(label, 64, host));
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 ? '.' : 'a';
	ASSERT_TRUE(nx_proxy_host(name, 253, host));
	ASSERT_FALSE(nx_proxy_host(name, 255, host));
}

/* ---- rules ---- */

TEST(a_rule_is_a_host_and_its_ports)
{
	static const struct {
		const char *text;
		int kind, port; /* kind -1: refused */
	} table[] = {
		{"*", NX_RULE_ANY, NX_PORT_WEB},
		{"*:*", NX_RULE_ANY, NX_PORT_ANY},
		{"*:22", NX_RULE_ANY, 22},
		{"Example.com", NX_RULE_HOST, NX_PORT_WEB},
		{"example.com.:443", NX_RULE_HOST, 443},
		{"*.example.com:*", NX_RULE_BELOW, NX_PORT_ANY},
		{"10.1.2.3:5432", NX_RULE_ADDRESS, 5432},
		{"10.0.0.0/8:80", NX_RULE_ADDRESS, 80},
		{"::1", NX_RULE_ADDRESS, NX_PORT_WEB},
		{"[::1]:8080", NX_RULE_ADDRESS, 8080},
		{"fd00::/8", NX_RULE_ADDRESS, NX_PORT_WEB},
		{"[fd00::]/8:80", NX_RULE_ADDRESS, 80},
		{"[2001:db8::1]", NX_RULE_ADDRESS, NX_PORT_WEB},
		{"", -1, 0},
		{":80", -1, 0},
		{"example.com:", -1, 0},
		{"example.com:0", -1, 0},
		{"example.com:65536", -1, 0},
		{"example.com:+80", -1, 0},
		{"example.com:80x", -1, 0},
		{"example.com:80:80", -1, 0},
		{"http://example.com", -1, 0},
		{"example.com/path", -1, 0},
		{"user@example.com", -1, 0},
		{"a*b.example.com", -1, 0},
		{"*.*.example.com", -1, 0},
		{"*example.com", -1, 0},
		{"*.", -1, 0},
		{"**", -1, 0},
		{"10.0.0.0/33", -1, 0},
		{"::/129", -1, 0},
		{"10.0.0.0/", -1, 0},
		{"example.com/8", -1, 0},
		{"127.1", -1, 0},
		{"0x7f000001", -1, 0},
		{"2130706433:80", -1, 0},
		{"*.1", -1, 0},
		{"b\xc3\xbc"
		 "cher.example",
		 -1, 0},
	};
	for (size_t i = 0; i < nx_countof(table); i++) {
		struct nx_proxy_rule r;
		const char *wrong = nx_proxy_rule_parse(table[i].text, false, &r);
		if (!wrong != (table[i].kind >= 0))
			fail_msg("\"%s\": %s", table[i].text, wrong ? wrong : "taken");
		if (!wrong && ((int)r.kind != table[i].kind || r.port != table[i].port))
			fail_msg("\"%s\" is of kind %d with port %d", table[i].text, (int)r.kind, (int)r.port);
	}
	struct nx_proxy_rule r;
	ASSERT_TRUE(nx_proxy_rule_parse("example.com", true, &r) == NULL);
	ASSERT_EQ(r.port, NX_PORT_ANY); /* a deny list is wide where an allow list is narrow */
}

/* ---- decisions ---- */

struct decision {
	const char *allow, *deny; /* separated by a space */
	const char *host;
	uint16_t port;
	const char *ip; /* what it resolves to */
	bool is_own, is_public_only, ok;
};

static size_t add(struct nx_spawn_network *n, size_t used, const char *list, uint8_t *count)
{
	for (const char *p = list; p && *p;) {
		size_t m = strcspn(p, " ");
		memcpy(n->rules + used, p, m);
		used += m + 1;
		(*count)++;
		p += m + (p[m] == ' ');
	}
	return used;
}

static bool decide(const struct decision *d)
{
	struct nx_spawn_network n = {.is_granted = 1, .is_public_only = d->is_public_only};
	struct nx_proxy_rules r;
	struct nx_ip ip = ip_of(d->ip);
	(void)add(&n, add(&n, 0, d->allow, &n.nallow), d->deny, &n.ndeny);
	if (!nx_proxy_rules_read(&n, &r))
		fail_msg("rules do not read: %s | %s", d->allow, d->deny ? d->deny : "");
	return !nx_proxy_check_host(&r, d->host, d->port) && !nx_proxy_check_ip(&r, d->host, &ip, d->is_own, d->port);
}

#define PUBLIC "93.184.215.14"
static const struct decision decisions[] = {
	{.allow = "*:*", .host = "example.com", .port = 22, .ip = PUBLIC, .ok = true},
	{.allow = "*", .host = "example.com", .port = 22, .ip = PUBLIC},
	{.allow = "*", .host = "example.com", .port = 443, .ip = PUBLIC, .ok = true},
	{.allow = "*", .host = PUBLIC, .port = 443, .ip = PUBLIC, .ok = true},
	{.allow = "example.com", .host = "example.com", .port = 80, .ip = PUBLIC, .ok = true},
	{.allow = "example.com", .host = "example.com", .port = 8080, .ip = PUBLIC},
	{.allow = "example.com", .host = "www.example.com", .port = 80, .ip = PUBLIC},
	{.allow = "example.com", .host = "example.com.evil.net", .port = 80, .ip = PUBLIC},
	{.allow = "*.example.com", .host = "a.b.example.com", .port = 80, .ip = PUBLIC, .ok = true},
	{.allow = "*.example.com", .host = "example.com", .port = 80, .ip = PUBLIC},
	{.allow = "*.example.com", .host = "bexample.com", .port = 80, .ip = PUBLIC},
	{.allow = PUBLIC, .host = "example.com", .port = 80, .ip = PUBLIC}, /* the name was not granted */
	{.allow = "93.184.0.0/16", .host = PUBLIC, .port = 80, .ip = PUBLIC, .ok = true},

	/* deny beats allow, whatever the order and the form */
	{.allow = "*", .deny = "example.com", .host = "example.com", .port = 443, .ip = PUBLIC},
	{.allow = "example.com:443", .deny = "*.com", .host = "example.com", .port = 443, .ip = PUBLIC},
	{.allow = "example.com:443",
	 .deny = "example.com:80",
	 .host = "example.com",
	 .port = 443,
	 .ip = PUBLIC,
	 .ok = true},
	{.allow = "*:*", .deny = PUBLIC, .host = "example.com", .port = 443, .ip = PUBLIC},
	{.allow = "*:*", .deny = "93.0.0.0/8", .host = "example.com", .port = 443, .ip = PUBLIC},
	{.allow = "*:* [::ffff:93.184.215.14]:80",
	 .deny = PUBLIC,
	 .host = "example.com",
	 .port = 80,
	 .ip = "::ffff:" PUBLIC},
	{.allow = "*:* [2002:5db8:d70e::1]:80",
	 .deny = PUBLIC,
	 .host = "example.com",
	 .port = 80,
	 .ip = "2002:5db8:d70e::1"},
	{.allow = "*:*", .deny = "*", .host = "example.com", .port = 9999, .ip = PUBLIC},

	/* a name that means something else than it should */
	{.allow = "*:*", .host = "example.com", .port = 80, .ip = "127.0.0.1"},
	{.allow = "example.com:80", .host = "example.com", .port = 80, .ip = "127.0.0.1"},
	{.allow = "example.com:80", .host = "example.com", .port = 80, .ip = "169.254.169.254"},
	{.allow = "example.com:80", .host = "example.com", .port = 80, .ip = "::ffff:10.0.0.1"},
	{.allow = "example.com:80", .host = "example.com", .port = 80, .ip = "64:ff9b::a00:1"},
	{.allow = "example.com:80", .host = "example.com", .port = 80, .ip = "fd00::1"},
	{.allow = "example.com:80", .host = "example.com", .port = 80, .ip = PUBLIC, .is_own = true},

	/* addresses by name */
	{.allow = "127.0.0.1:80", .host = "127.0.0.1", .port = 80, .ip = "127.0.0.1", .ok = true},
	{.allow = "127.0.0.1", .host = "127.0.0.1", .port = 80, .ip = "127.0.0.1"},
	{.allow = "127.0.0.1:*", .host = "127.0.0.1", .port = 80, .ip = "127.0.0.1"},
	{.allow = "127.0.0.1:80", .host = "127.0.0.1", .port = 81, .ip = "127.0.0.1"},
	{.allow = "127.0.0.1:80", .host = "127.0.0.2", .port = 80, .ip = "127.0.0.2"},
	{.allow = "10.0.0.0/8:80", .host = "10.9.8.7", .port = 80, .ip = "10.9.8.7", .ok = true},
	{.allow = "10.9.0.0/16:80", .host = "10.9.8.7", .port = 80, .ip = "10.9.8.7", .ok = true},
	{.allow = "0.0.0.0/0:80", .host = "10.9.8.7", .port = 80, .ip = "10.9.8.7"},
	{.allow = "0.0.0.0/0:80", .host = "127.0.0.1", .port = 80, .ip = "127.0.0.1"},
	{.allow = "[::]/0:80", .host = "::1", .port = 80, .ip = "::1"},
	{.allow = "[fd00::]/16:80", .host = "fd00::1", .port = 80, .ip = "fd00::1", .ok = true},
	{.allow = "169.254.0.0/16:80", .host = "169.254.169.254", .port = 80, .ip = "169.254.169.254"},
	{.allow = "169.254.169.254:80", .host = "169.254.169.254", .port = 80, .ip = "169.254.169.254", .ok = true},
	{.allow = "93.184.0.0/16:80", .host = PUBLIC, .port = 80, .ip = PUBLIC, .is_own = true},
	{.allow = PUBLIC ":80", .host = PUBLIC, .port = 80, .ip = PUBLIC, .is_own = true, .ok = true},
	{.allow = "db.internal:5432 10.0.0.0/8:5432",
	 .host = "db.internal",
	 .port = 5432,
	 .ip = "10.1.2.3",
	 .ok = true},
	{.allow = "db.internal:5432 10.0.0.0/8:5432", .host = "db.internal", .port = 5432, .ip = "127.0.0.1"},
	{.allow = "localhost:80", .host = "localhost", .port = 80, .ip = "127.0.0.1", .ok = true},
	{.allow = "localhost:80", .host = "localhost", .port = 80, .ip = "::1", .ok = true},
	{.allow = "localhost:80", .host = "localhost", .port = 80, .ip = "10.0.0.1"},
	{.allow = "localhost", .host = "localhost", .port = 80, .ip = "127.0.0.1"},
	{.allow = "*:80", .host = "localhost", .port = 80, .ip = "127.0.0.1"},

	/* sandbox.network_private is false */
	{.allow = "127.0.0.1:80", .host = "127.0.0.1", .port = 80, .ip = "127.0.0.1", .is_public_only = true},
	{.allow = "localhost:80", .host = "localhost", .port = 80, .ip = "127.0.0.1", .is_public_only = true},
	{.allow = "*", .host = "example.com", .port = 80, .ip = PUBLIC, .is_public_only = true, .ok = true},

	/* addresses in other clothes */
	{.allow = "*:*", .host = "2130706433", .port = 80, .ip = PUBLIC},
	{.allow = "*:*", .host = "0x5db8d70e", .port = 80, .ip = PUBLIC},
	{.allow = "*:*", .host = "93.184.55054", .port = 80, .ip = PUBLIC},
	{.allow = "*:*", .host = "0x5d.0xb8.0xd7.0x0e", .port = 80, .ip = PUBLIC},
};

TEST(what_may_be_reached)
{
	for (size_t i = 0; i < nx_countof(decisions); i++) {
		const struct decision *d = &decisions[i];
		if (decide(d) != d->ok)
			fail_msg("%zu: allow %s deny %s: %s:%u at %s is %s", i, d->allow, d->deny ? d->deny : "-",
				 d->host, d->port, d->ip, d->ok ? "refused" : "reached");
	}
}

TEST(an_address_of_each_kind_is_refused_for_its_kind)
{
	struct nx_proxy_rules r;
	struct nx_spawn_network n = {.is_granted = 1, .nallow = 1, .rules = "*:*"};
	struct nx_ip ip = ip_of("169.254.169.254");
	ASSERT_TRUE(nx_proxy_rules_read(&n, &r));
	ASSERT_STREQ(nx_proxy_check_ip(&r, "x", &ip, false, 80),
		     "its address is link-local, which the allow list must name with its port");
	ip = ip_of(PUBLIC);
	ASSERT_STREQ(nx_proxy_check_ip(&r, "x", &ip, true, 80),
		     "its address is this host's own, which the allow list must name with its port");
}

TEST(rules_that_do_not_end_are_not_read)
{
	struct nx_proxy_rules r;
	struct nx_spawn_network n = {.is_granted = 1, .nallow = 1};
	memset(n.rules, 'a', sizeof(n.rules));
	ASSERT_FALSE(nx_proxy_rules_read(&n, &r));
	n = (struct nx_spawn_network){.is_granted = 1, .nallow = NX_SPAWN_RULES_MAX + 1};
	ASSERT_FALSE(nx_proxy_rules_read(&n, &r));
}
