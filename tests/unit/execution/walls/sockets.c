/* Socket families and protocols beyond AF_UNIX and plain TCP and UDP. */
#include <stdio.h>
#include <sys/socket.h>

int main(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, 6 /* DCCP */, 10};
	static const int protocols[] = {0, 1, 2, 6, 16, 17, 33, 41, 50, 58, 103, 112, 115, 132, 136, 255, 262};
	int reached = 0;
	for (int family = 0; family < 64; family++)
		for (unsigned t = 0; t < sizeof(types) / sizeof(*types); t++)
			for (unsigned p = 0; p < sizeof(protocols) / sizeof(*protocols); p++) {
				int is_inet = family == AF_INET || family == AF_INET6;
				int is_plain = types[t] == SOCK_STREAM || types[t] == SOCK_DGRAM;
				if (socket(family, types[t], protocols[p]) < 0)
					continue;
				if (family == AF_UNIX || (is_inet && is_plain && protocols[p] != 132))
					goto next; /* one of each is enough, and descriptors are few */
				printf("family %d type %d protocol %d\n", family, types[t], protocols[p]);
				reached = 1;
				goto next;
next:;
			}
	if (!reached)
		puts("held");
	return 0;
}
