#include "api/guard_internal.h"
#include "tests/unit/nx_test.h"

#include <netinet/in.h>
#include <sys/socket.h>

static const struct nx_guard guard = {.allowed_hosts = "nexus.lan, other:9000",
				      .allowed_origins = "https://app.example"};

static int check(const char *host, const char *origin, const char *site, bool keys, bool *cors)
{
	struct nx_origin o = {
		.host = nx_str_z(host), .origin = nx_str_z(origin), .fetch_site = nx_str_z(site), .keys_exist = keys};
	return nx_guard_check(&guard, &o, cors, NULL);
}

TEST(names_of_this_machine_are_loopback)
{
	static const char *const yes[] = {"localhost",      "LOCALHOST:1", "127.0.0.1",
					  "127.8.9.1:8600", "[::1]",       "[::1]:8600"};
	static const char *const no[] = {"",
					 ":80",
					 "localhost.evil",
					 "127.0.0.1.evil",
					 "0.0.0.0",
					 "[::1",
					 "[::2]",
					 "localhost:80a",
					 "127.1",
					 "2130706433",
					 "[::ffff:127.0.0.1]x",
					 "localhost@evil",
					 "1.2.3.4"};
	for (size_t i = 0; i < nx_countof(yes); i++)
		ASSERT_TRUE(nx_guard_is_loopback_host(nx_str_z(yes[i])));
	for (size_t i = 0; i < nx_countof(no); i++)
		ASSERT_FALSE(nx_guard_is_loopback_host(nx_str_z(no[i])));
}

TEST(a_foreign_host_is_refused_only_without_keys)
{
	bool cors;
	ASSERT_ERR(check("evil.example", NULL, NULL, false, &cors), NX_EFORBIDDEN);
	ASSERT_OK(check("evil.example", NULL, NULL, true, &cors));
	ASSERT_OK(check("nexus.lan:1", NULL, NULL, false, &cors));
	ASSERT_OK(check("other:9000", NULL, NULL, false, &cors));
	ASSERT_ERR(check("other:9001", NULL, NULL, false, &cors), NX_EFORBIDDEN);
	ASSERT_OK(check(NULL, NULL, NULL, false, &cors));
}

TEST(a_foreign_origin_is_refused_with_keys_and_without)
{
	bool cors;
	for (int keys = 0; keys < 2; keys++) {
		ASSERT_ERR(check("localhost:1", "http://evil.example", NULL, keys, &cors), NX_EFORBIDDEN);
		ASSERT_ERR(check("localhost:1", "null", NULL, keys, &cors), NX_EFORBIDDEN);
		ASSERT_ERR(check("localhost:1", "", NULL, keys, &cors), NX_EFORBIDDEN);
		ASSERT_ERR(check("localhost:1", "http://localhost:2", NULL, keys, &cors), NX_EFORBIDDEN);
		ASSERT_ERR(check("localhost:1", NULL, "cross-site", keys, &cors), NX_EFORBIDDEN);
		ASSERT_OK(check("localhost:1", "http://localhost:1", "same-origin", keys, &cors));
		ASSERT_FALSE(cors);
		ASSERT_OK(check("localhost:1", "https://app.example", "cross-site", keys, &cors));
		ASSERT_TRUE(cors);
	}
}

TEST(addresses_are_told_apart)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	ASSERT_TRUE(nx_guard_is_loopback_addr((struct sockaddr *)&v4));
	ASSERT_TRUE(nx_guard_is_loopback_addr((struct sockaddr *)&v6));
	v4.sin_addr.s_addr = 0;
	v6.sin6_addr = in6addr_any;
	ASSERT_FALSE(nx_guard_is_loopback_addr((struct sockaddr *)&v4));
	ASSERT_FALSE(nx_guard_is_loopback_addr((struct sockaddr *)&v6));
}
