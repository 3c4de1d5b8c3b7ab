/* Any bytes as what a guest says to its proxy, and as a rule: whatever is taken is of one form, and nothing but the public
 * internet is reached where everything is allowed. */
#include "execution/proxy_internal.h"

#include "base/assert.h"
#include "base/macros.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nx_proxy_rules everything(void)
{
	struct nx_proxy_rules r;
	struct nx_spawn_network n = {.is_granted = 1, .nallow = 1, .rules = "*:*"};
	nx_assert(nx_proxy_rules_read(&n, &r));
	return r;
}

/* A host that was taken means the same when it is read again. */
static void check_host(const char *host, uint16_t port)
{
	char again[NX_PROXY_HOST_MAX];
	struct nx_ip ip;
	nx_assert(port != 0 && memchr(host, '\0', NX_PROXY_HOST_MAX) && host[0]);
	if (!nx_ip_parse(host, &ip)) {
		nx_assert(nx_proxy_host(host, strlen(host), again) && strcmp(host, again) == 0);
		nx_assert(host[strlen(host) - 1] != '.');
		return;
	}
	struct nx_proxy_rules r = everything();
	nx_assert(!nx_proxy_check_host(&r, host, port));
	nx_assert(!nx_proxy_check_ip(&r, host, &ip, false, port) == !nx_ip_kind(&ip));
	nx_assert(nx_proxy_check_ip(&r, host, &ip, true, port));
}

static void as_http(const char *p, size_t size)
{
	static char out[32768];
	struct nx_proxy_request r, again;
	int n = nx_proxy_http_parse(p, size, &r);
	nx_assert(n >= NX_PROXY_FLOOD && n <= (int)size);
	if (n <= 0)
		return;
	check_host(r.host, r.port);
	nx_assert(nx_proxy_http_parse(p, (size_t)n, &again) == n && strcmp(r.host, again.host) == 0);
	int m = r.verb == NX_PROXY_FORWARD ? nx_proxy_http_rewrite(p, (size_t)n, out, sizeof(out)) : 0;
	if (m <= 0)
		return;
	/* The server gets one head, which ends where it ends. */
	const char *end = memmem(out, (size_t)m, "\r\n\r\n", 4);
	nx_assert(end && end + 4 == out + m);
	nx_assert(memmem(out, (size_t)m, "\r\nHost: ", 8) && nx_proxy_http_parse(out, (size_t)m, &again) < 0);
}

static void as_socks(const uint8_t *p, size_t size)
{
	struct nx_proxy_request r;
	uint8_t reply;
	int n = nx_proxy_socks_greeting(p, size);
	nx_assert(n <= (int)size);
	n = nx_proxy_socks_request(p, size, &r, &reply);
	nx_assert(n <= (int)size);
	if (n > 0)
		check_host(r.host, r.port);
}

static void as_rule(const char *p, size_t size)
{
	char text[512];
	struct nx_proxy_rule r;
	size_t n = nx_min(size, sizeof(text) - 1);
	memcpy(text, p, n);
	text[n] = '\0';
	if (nx_proxy_rule_parse(text, false, &r))
		return;
	nx_assert(r.port >= NX_PORT_ANY && r.port <= 65535 && r.bits <= (r.ip.is_v4 ? 32 : 128));
	nx_assert(r.kind == NX_RULE_ANY || r.kind == NX_RULE_ADDRESS || r.host[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const char *text = (const char *)data + 1;
	switch (data[0] % 3) {
	case 0: as_http(text, size - 1); break;
	case 1: as_socks(data + 1, size - 1); break;
	default: as_rule(text, size - 1);
	}
	return 0;
}
