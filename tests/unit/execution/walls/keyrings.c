/* The key "nexus-test-secret" that the server has in its session keyring is not found, by any way to it; nor can one be left
 * for the next run. */
#define _GNU_SOURCE
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void search(const char *what, int ring)
{
	char text[64] = "";
	long id = syscall(SYS_keyctl, KEYCTL_SEARCH, ring, "user", "nexus-test-secret", 0);
	if (id > 0) {
		(void)syscall(SYS_keyctl, KEYCTL_READ, id, text, sizeof(text) - 1);
		printf("%s: key %ld '%s'\n", what, id, text);
		reached = 1;
	}
}

int main(void)
{
	int server = 0;
	if (scanf("%d", &server) == 1 && server > 0) {
		char text[64] = "";
		if (syscall(SYS_keyctl, KEYCTL_READ, server, text, sizeof(text) - 1) >= 0) {
			printf("the server's key by its number: '%s'\n", text);
			reached = 1;
		}
	}
	for (int ring = -1; ring >= -8; ring--)
		search("keyring", ring);
	if (syscall(SYS_request_key, "user", "nexus-test-secret", NULL, 0) > 0) {
		puts("requested");
		reached = 1;
	}
	if (!reached)
		puts("held");
	return 0;
}
