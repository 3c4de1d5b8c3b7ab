/* Every way out of an empty network: addresses, the loopback, broadcast, routes, interfaces. argv: none; port on stdin. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int reached;

static void try_v4(const char *ip, int port, int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	int s = socket(AF_INET, type, 0), on = 1;
	inet_pton(AF_INET, ip, &a.sin_addr);
	setsockopt(s, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	int r = type == SOCK_STREAM ? connect(s, (struct sockaddr *)&a, sizeof(a))
				    : (int)sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof(a));
	int is_own = type == SOCK_DGRAM &&
		     strcmp(ip, "0.0.0.0") == 0; /* this host: sent, and lost at the loopback that is down */
	if (r >= 0 && !is_own) {
		printf("%s:%d %s\n", ip, port, type == SOCK_STREAM ? "tcp" : "udp");
		reached = 1;
	}
	close(s);
}

static void try_v6(const char *ip, int port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
	int s = socket(AF_INET6, SOCK_STREAM, 0);
	inet_pton(AF_INET6, ip, &a.sin6_addr);
	if (s >= 0 && connect(s, (struct sockaddr *)&a, sizeof(a)) == 0) {
		printf("[%s]:%d\n", ip, port);
		reached = 1;
	}
	close(s);
}

/* Raising the loopback is CAP_NET_ADMIN's. */
static void try_interfaces(void)
{
	struct ifreq r = {0};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	memcpy(r.ifr_name, "lo", 3);
	r.ifr_flags = IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r) == 0) {
		puts("lo is up");
		reached = 1;
	}
	if (setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5) == 0 ||
	    setsockopt(s, SOL_SOCKET, SO_MARK, &(int){1}, 4) == 0) {
		puts("a device or a mark was set");
		reached = 1;
	}
	close(s);
}

int main(void)
{
	static const char *const v4[] = {"127.0.0.1",  "127.0.0.53",  "0.0.0.0", "169.254.169.254", "10.0.0.1",
					 "172.17.0.1", "192.168.0.1", "8.8.8.8", "255.255.255.255", "224.0.0.1"};
	int port = 53;
	if (scanf("%d", &port) != 1)
		port = 53;
	for (unsigned i = 0; i < sizeof(v4) / sizeof(*v4); i++) {
		try_v4(v4[i], port, SOCK_STREAM);
		try_v4(v4[i], port, SOCK_DGRAM);
	}
	try_v6("::1", port);
	try_v6("::ffff:127.0.0.1", port);
	try_v6("fe80::1", port);
	try_interfaces();
	if (!reached)
		puts("held");
	return 0;
}
