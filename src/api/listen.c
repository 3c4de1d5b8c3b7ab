/* The listening socket, and what to say when it cannot be had. */
#include "api/guard_internal.h"
#include "api/http_internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

enum { BACKLOG = 1024 };

/* "host:port", "[v6]:port" or "port". */
static int split_address(const char *address, char host[128], char port[8], struct nx_error **err)
{
	nx_str s = nx_str_z(address), name = NX_STR("127.0.0.1"), number = s;
	for (size_t i = s.n; i > 0; i--) {
		if (s.p[i - 1] == ':') {
			name = nx_str_slice(s, 0, i - 1);
			number = nx_str_slice(s, i, s.n);
			break;
		}
	}
	int64_t n = -1;
	if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
		name = nx_str_slice(name, 1, name.n - 1);
	if (!nx_str_to_i64(number, &n) || n < 0 || n > 65535 || name.n == 0 || name.n > 127) {
		nx_error_set(err, NX_EINVAL, "`%s` is not an address to listen on", address);
		return nx_error_hint(err, "listen: 127.0.0.1:8600 (port 0 takes any free one)");
	}
	memcpy(host, name.p, name.n);
	host[name.n] = '\0';
	(void)snprintf(port, 8, "%" PRId64, n);
	return 0;
}

/* ---- who has the port ---- */

/* The inode of the socket that listens on `port`, from /proc/net/tcp and tcp6; 0 when there is none. */
static unsigned long listening_inode(unsigned port)
{
	static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
	unsigned long found = 0;
	for (size_t t = 0; t < nx_countof(tables) && !found; t++) {
		FILE *f = fopen(tables[t], "re");
		char line[512], local[128];
		unsigned state, p;
		unsigned long inode;
		while (f && !found && fgets(line, sizeof(line), f)) {
			/* sl local rem st queues tr:when retrnsmt uid timeout inode */
			if (sscanf(line, " %*[^:]: %127s %*s %x %*s %*s %*s %*s %*s %lu", local, &state, &inode) != 3)
				continue;
			const char *colon = strrchr(local, ':');
			if (state == 0x0a && colon && sscanf(colon + 1, "%x", &p) == 1 && p == port)
				found = inode;
		}
		if (f)
			(void)fclose(f);
	}
	return found;
}

static bool process_has(int pid, unsigned long inode)
{
	char dir[64], path[340], link[64], want[64];
	struct dirent *e;
	bool has = false;
	(void)snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	(void)snprintf(want, sizeof(want), "socket:[%lu]", inode);
	DIR *d = opendir(dir);
	while (d && !has && (e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		has = strcmp(link, want) == 0;
	}
	if (d)
		(void)closedir(d);
	return has;
}

/* Process id of the listener, 0 when it cannot be found (another user's). */
static int port_owner(unsigned port)
{
	unsigned long inode = listening_inode(port);
	struct dirent *e;
	int pid = 0;
	DIR *d = inode ? opendir("/proc") : NULL;
	while (d && !pid && (e = readdir(d)) != NULL) {
		int64_t n;
		if (nx_str_to_i64(nx_str_z(e->d_name), &n) && n > 0 && n < INT32_MAX && process_has((int)n, inode))
			pid = (int)n;
	}
	if (d)
		(void)closedir(d);
	return pid;
}

static int port_in_use(const char *address, const char *port, struct nx_error **err)
{
	int64_t n = 0;
	(void)nx_str_to_i64(nx_str_z(port), &n);
	int pid = port_owner((unsigned)n);
	if (pid)
		nx_error_set(err, NX_EINUSE, "port %s is in use by process %d", port, pid);
	else
		nx_error_set(err, NX_EINUSE, "port %s is in use by another process", port);
	return nx_error_hint(err,
			     "end that one, or listen elsewhere: nexus serve --listen 127.0.0.1:%" PRId64
			     " (or 127.0.0.1:0 for any free port); asked for was %s",
			     n < 65535 ? n + 1 : 8600, address);
}

/* ---- binding ---- */

static int bind_one(const struct addrinfo *ai, int *ret_fd)
{
	nx_auto_fd int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;
	if (fd < 0)
		return errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
		return errno;
	*ret_fd = nx_steal_fd(&fd);
	return 0;
}

static void describe(int fd, const char *host, char *ret_url, size_t size)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof(a);
	unsigned port = 0;
	if (getsockname(fd, (struct sockaddr *)&a, &n) == 0)
		port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
						     : ((struct sockaddr_in *)&a)->sin_port);
	(void)snprintf(ret_url, size, strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u", host, port);
}

static int refuse_public(const char *address, struct nx_error **err)
{
	nx_error_set(err, NX_EFORBIDDEN, "`%s` can be reached from other machines, and no key protects the server",
		     address);
	return nx_error_hint(err, "make a key first: nexus key create --name me; or listen on 127.0.0.1");
}

int nx_listen(const char *address, bool loopback_only, int *ret_fd, char *ret_url, size_t size, struct nx_error **err)
{
	char host[128], port[8];
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
	int rc = split_address(address, host, port, err);
	if (rc)
		return rc;
	if (getaddrinfo(host, port, &hints, &list) != 0 || !list)
		return nx_error_set(err, NX_EINVAL, "`%s` is not an address of this machine", host);
	if (loopback_only && !nx_guard_is_loopback_addr(list->ai_addr))
		rc = refuse_public(address, err);
	int errnum = rc ? 0 : bind_one(list, ret_fd);
	freeaddrinfo(list);
	if (rc)
		return rc;
	if (errnum == EADDRINUSE)
		return port_in_use(address, port, err);
	if (errnum)
		return nx_error_set_errno(err, errnum, "listen on %s", address);
	describe(*ret_fd, host, ret_url, size);
	return 0;
}
