/* The guest's side of a granted network: loopback, and the socket on it from which the proxy will accept. */
#include "execution/proxy_internal.h"

#include "base/assert.h"
#include "base/macros.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { BACKLOG = 128 };

static int raise_loopback(void)
{
	struct ifreq r = {.ifr_name = "lo"};
	nx_auto_fd int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || ioctl(s, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	r.ifr_flags = (short)(r.ifr_flags | IFF_UP | IFF_RUNNING);
	return ioctl(s, SIOCSIFFLAGS, &r) < 0 ? -errno : 0;
}

static int send_fd(int ctl, int fd)
{
	char byte = NX_GUEST_LISTENS;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	nx_assert(c);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(ctl, &h, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int nx_guest_network(int ctl, const char **ret_stage)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET, .sin_port = htons(NX_PROXY_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	*ret_stage = "bring loopback up";
	int r = raise_loopback();
	if (r < 0)
		return r;
	*ret_stage = "listen for the proxy";
	nx_auto_fd int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0 || bind(s, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(s, BACKLOG) < 0)
		return -errno;
	return send_fd(ctl, s);
}

/* The other end of send_fd: bytes received, *ret_fd the descriptor or -1. */
ssize_t nx_guest_hear(int ctl, struct nx_guest_error *ret, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {ret, sizeof(*ret)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	*ret_fd = -1;
	ssize_t n = recvmsg(ctl, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return n;
}
