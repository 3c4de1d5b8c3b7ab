/*
 * The network of a run that was granted one: a proxy, and nothing else.
 *
 * Such a guest has a network namespace of its own without a route. Before it gives up its privilege it brings loopback up,
 * binds NX_PROXY_PORT there and hands that socket out; a proxy of its own, in the host's network and without privilege,
 * accepts from it. The namespace itself decides who can reach the socket: nobody but this guest.
 *
 *   spawner ── net-keeper (forked before the spawner leaves the host's files, which name resolution needs)
 *     └─ proxy, one per granted run: child of the spawner, cloned by the net-keeper; ends with the run
 *          └─ one short-lived child per name that is looked up, because getaddrinfo(3) waits
 *
 * A name is resolved here, each address is checked after that, and the connection goes to exactly the address that was
 * checked: a name that means something else a moment later changes nothing.
 */
#ifndef NX_EXECUTION_PROXY_INTERNAL_H
#define NX_EXECUTION_PROXY_INTERNAL_H

#include "execution/sandbox_internal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NX_PROXY_PORT 3128
#define NX_PROXY_HOST_MAX 254 /* RFC 1035: 253 bytes; with the NUL */

/* ---- proxy_rules.c: what may be reached ---- */

struct nx_ip {
	uint8_t b[16]; /* an IPv4 address in the first four */
	bool is_v4;
};
/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; nothing that only inet_aton would take. */
bool nx_ip_parse(const char *text, struct nx_ip *ret);
void nx_ip_format(const struct nx_ip *ip, char ret[64]);
/* NULL for an address of the public internet, else the name of its kind: "loopback", "private", "link-local"... */
const char *nx_ip_kind(const struct nx_ip *ip);

enum { NX_PORT_WEB = 0, NX_PORT_ANY = -1 }; /* of a rule: 80 and 443; every port */

/* HOST, *.HOST, *, ADDRESS or ADDRESS/BITS, each with :PORT or :* behind it. Names are of ASCII: of others their xn-- form. */
struct nx_proxy_rule {
	enum { NX_RULE_ANY, NX_RULE_HOST, NX_RULE_BELOW, NX_RULE_ADDRESS } kind;
	char host[NX_PROXY_HOST_MAX]; /* lower case; of BELOW without "*." */
	struct nx_ip ip;
	uint8_t bits; /* of an address */
	bool has_port;
	int32_t port; /* or NX_PORT_WEB, NX_PORT_ANY */
};
struct nx_proxy_rules {
	struct nx_proxy_rule allow[NX_SPAWN_RULES_MAX], deny[NX_SPAWN_RULES_MAX];
	size_t nallow, ndeny;
	bool is_public_only; /* naming another address does not help */
};
/* NULL, or what is wrong. In a deny list a missing port means every port. */
const char *nx_proxy_rule_parse(const char *text, bool is_deny, struct nx_proxy_rule *ret);
/* The rules as they cross the socket; false when one is malformed. */
bool nx_proxy_rules_read(const struct nx_spawn_network *n, struct nx_proxy_rules *ret);
/* A name as it is compared: lower case, without a last dot; false when it is no host name. */
bool nx_proxy_host(const char *text, size_t n, char ret[NX_PROXY_HOST_MAX]);

/* Before resolving: NULL when the host (a name or an address) may be reached on this port, else why not. */
const char *nx_proxy_check_host(const struct nx_proxy_rules *r, const char *host, uint16_t port);
/* After resolving: NULL when this address may be connected to for that host. is_own: it is one of this host's. */
const char *nx_proxy_check_ip(const struct nx_proxy_rules *r, const char *host, const struct nx_ip *ip, bool is_own,
			      uint16_t port);

/* ---- proxy_http.c and proxy_socks.c: what the guest asks for; pure, tested and fuzzed ---- */

enum nx_proxy_verb { NX_PROXY_CONNECT, NX_PROXY_FORWARD };
struct nx_proxy_request {
	enum nx_proxy_verb verb;
	char host[NX_PROXY_HOST_MAX];
	uint16_t port;
};
enum { NX_PROXY_MORE = 0, NX_PROXY_MALFORMED = -1, NX_PROXY_UNSUPPORTED = -2, NX_PROXY_FLOOD = -3 };
#define NX_PROXY_FIELDS_MAX 100 /* header fields of a request */

/* Bytes of the head of a request, or MORE, MALFORMED, UNSUPPORTED (neither CONNECT nor http://), FLOOD (too many fields). */
int nx_proxy_http_parse(const char *p, size_t n, struct nx_proxy_request *ret);
/* The head as it goes to the server: origin-form, its Host by the target, hop-by-hop fields removed, Connection: close.
 * Bytes written, or -1 when it does not fit. */
int nx_proxy_http_rewrite(const char *head, size_t n, char *ret, size_t size);

/* RFC 1928. Bytes of the greeting; MALFORMED; UNSUPPORTED: it offers no method "no authentication". */
int nx_proxy_socks_greeting(const uint8_t *p, size_t n);
/* Bytes of the request; UNSUPPORTED: not CONNECT (*ret_reply 7) or no known kind of address (8). */
int nx_proxy_socks_request(const uint8_t *p, size_t n, struct nx_proxy_request *ret, uint8_t *ret_reply);

/* ---- proxy.c: the process ---- */

/* In a memory file that proxy and spawner share; the spawner only reads it. */
struct nx_proxy_counts {
	uint64_t in, out; /* bytes: from servers, to servers */
	uint64_t refused;
};
/* One per refusal, from the proxy to the spawner, before the guest gets its answer. */
struct nx_proxy_refusal {
	char host[256];
	char reason[96];
	uint16_t port;
};
#define NX_PROXY_REFUSALS_MAX 200 /* told one by one; further ones are counted */

struct nx_proxy_fds {
	int listener, report, counts;
};
/* Serves until `report` closes. */
void nx_proxy_main(const struct nx_spawn_network *n, const struct nx_proxy_fds *fds) __attribute__((noreturn));

/* ---- net_keeper.c ---- */

/* To be called while the caller has the host's files. On failure sock is -1, and no network can be granted. */
void nx_net_keeper_start(struct nx_net_keeper *k, const struct nx_host *h);

struct nx_proxy_end { /* kept by the spawner */
	pid_t pid;
	int report, counts;
};
#define NX_PROXY_END_NONE ((struct nx_proxy_end){-1, -1, -1})
/* Has a proxy made for this listener, as a child of the caller. uid 0: it keeps the net-keeper's. */
int nx_proxy_start(struct nx_net_keeper *k, const struct nx_spawn_network *n, int listener, uid_t uid,
		   struct nx_proxy_end *ret, struct nx_fault_at *fault);
void nx_proxy_read(const struct nx_proxy_end *e, struct nx_proxy_counts *ret);
void nx_proxy_stop(struct nx_proxy_end *e);

#endif
