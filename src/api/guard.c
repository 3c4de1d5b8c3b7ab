#include "api/guard_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Cuts the port off "name:port" or "[v6]:port". False when what follows the name is no port. */
static bool cut_port(nx_str host, nx_str *ret_name)
{
	size_t i = 0;
	if (host.n > 0 && host.p[0] == '[') {
		while (i < host.n && host.p[i] != ']')
			i++;
		if (i == host.n)
			return false;
		i++;
	} else {
		while (i < host.n && host.p[i] != ':')
			i++;
	}
	*ret_name = nx_str_slice(host, 0, i);
	if (i == host.n)
		return i > 0;
	if (host.p[i] != ':')
		return false;
	for (size_t j = i + 1; j < host.n; j++)
		if (host.p[j] < '0' || host.p[j] > '9')
			return false;
	return i > 0;
}

static bool is_loopback_v4(nx_str name)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr a;
	if (name.n >= sizeof(text))
		return false;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	return inet_pton(AF_INET, text, &a) == 1 && ntohl(a.s_addr) >> 24 == 127;
}

bool nx_guard_is_loopback_host(nx_str host)
{
	nx_str name;
	if (!cut_port(host, &name))
		return false;
	return nx_str_ieq_ascii(name, NX_STR("localhost")) || nx_str_eqz(name, "[::1]") || is_loopback_v4(name);
}

bool nx_guard_is_loopback_addr(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)a;
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	if (a->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)a;
		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
	}
	return false;
}

static bool list_has(const char *list, nx_str item)
{
	nx_str rest = nx_str_z(list);
	while (rest.n > 0) {
		nx_str one = nx_str_trim(nx_str_cut(&rest, ','));
		if (one.n > 0 && nx_str_ieq_ascii(one, item))
			return true;
	}
	return false;
}

/* "http://HOST" or "https://HOST" with the very Host of the request. */
static bool is_own_origin(nx_str origin, nx_str host)
{
	static const char *const schemes[] = {"http://", "https://"};
	for (size_t i = 0; i < nx_countof(schemes); i++) {
		nx_str scheme = nx_str_z(schemes[i]);
		if (nx_str_starts(origin, scheme) && host.n > 0 &&
		    nx_str_ieq_ascii(nx_str_slice(origin, scheme.n, origin.n), host))
			return true;
	}
	return false;
}

static int check_host(const struct nx_guard *g, nx_str host, struct nx_error **err)
{
	nx_str name;
	if (nx_guard_is_loopback_host(host) || list_has(g->allowed_hosts, host) ||
	    (cut_port(host, &name) && list_has(g->allowed_hosts, name)))
		return 0;
	nx_error_set(err, NX_EFORBIDDEN, "the Host header `%.*s` is not a name of this server",
		     NX_FMT(nx_str_slice(host, 0, 200)));
	return nx_error_hint(err, "list it in api.allowed_hosts, or make a key: with keys any Host is taken");
}

int nx_guard_check(const struct nx_guard *g, const struct nx_origin *o, bool *ret_cors, struct nx_error **err)
{
	*ret_cors = false;
	/* A request without a Host (HTTP/1.0) comes from no browser. */
	if (!o->keys_exist && o->host.p) {
		int rc = check_host(g, o->host, err);
		if (rc)
			return rc;
	}
	if (o->origin.p) {
		*ret_cors = list_has(g->allowed_origins, o->origin);
		if (*ret_cors || is_own_origin(o->origin, o->host))
			return 0;
		nx_error_set(err, NX_EFORBIDDEN, "pages of the origin `%.*s` may not call this server",
			     NX_FMT(nx_str_slice(o->origin, 0, 200)));
		return nx_error_hint(err, "list it in api.allowed_origins");
	}
	if (o->fetch_site.p && nx_str_ieq_ascii(o->fetch_site, NX_STR("cross-site"))) {
		nx_error_set(err, NX_EFORBIDDEN, "a page of another site may not call this server");
		return nx_error_hint(err, "list its origin in api.allowed_origins and fetch with CORS");
	}
	return 0;
}
