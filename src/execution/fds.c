/* Datagrams with descriptors, between the processes of the spawner. */
#include "execution/hostfs.h"

#include "base/assert.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * NX_HOSTFS_TREES_MAX)];
};

int nx_fds_send(int sock, const void *bytes, size_t n, const int *fds, size_t nfds, int flags)
{
	union control control = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes, n};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	nx_assert(nfds <= NX_HOSTFS_TREES_MAX);
	if (nfds) {
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		nx_assert(c);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	ssize_t sent;
	do
		sent = sendmsg(sock, &h, MSG_NOSIGNAL | flags);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)n ? 0 : -1;
}

static void take(struct msghdr *h, int *fds, size_t max, size_t *ret_nfds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		bool is_rights = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
		size_t count = is_rights ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*ret_nfds < max)
				fds[(*ret_nfds)++] = fd;
			else
				(void)close(fd);
		}
	}
}

ssize_t nx_fds_recv(int sock, void *bytes, size_t n, int *fds, size_t max, size_t *ret_nfds, int flags)
{
	union control control;
	struct iovec iov = {bytes, n};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t got;
	*ret_nfds = 0;
	do
		got = recvmsg(sock, &h, MSG_CMSG_CLOEXEC | flags);
	while (got < 0 && errno == EINTR);
	if (got >= 0)
		take(&h, fds, max, ret_nfds);
	return got;
}
