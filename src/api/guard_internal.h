/*
 * What is checked before anything else is: where a request comes from, and where the server may listen.
 *
 * A page in a browser can make the browser call a server on the same machine, directly or by a name that it lets resolve
 * to loopback (DNS rebinding). Without keys nothing but these checks stands in its way, so the Host must then be a
 * loopback name or one that api.allowed_hosts lists; and with keys or without, an Origin that is neither the server's own
 * nor listed in api.allowed_origins gets nothing, nor does a cross-site request that a browser marks as such.
 */
#ifndef NX_API_GUARD_INTERNAL_H
#define NX_API_GUARD_INTERNAL_H

#include "base/str.h"

struct sockaddr;

struct nx_guard {
	const char *allowed_hosts, *allowed_origins; /* lists separated by commas */
};

struct nx_origin {
	nx_str host, origin, fetch_site; /* headers; p NULL: absent */
	bool keys_exist;
};

/* NX_EFORBIDDEN with the option that would allow it. *ret_cors: the Origin may read the answer (a listed one). */
int nx_guard_check(const struct nx_guard *g, const struct nx_origin *o, bool *ret_cors, struct nx_error **err);

/* "127.0.0.1:8600", "[::1]:8600", "localhost", any case. */
bool nx_guard_is_loopback_host(nx_str host);
bool nx_guard_is_loopback_addr(const struct sockaddr *a);

#endif
