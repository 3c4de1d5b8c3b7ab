/* Apart from seccomp.c, whose compiler an interpreter at its door does not carry. */
#include "execution/sandbox_internal.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

int nx_seccomp_install(const struct nx_seccomp *s)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &s->prog) < 0 ? -errno : 0;
}
