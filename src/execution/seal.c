/*
 * The program that guests are cloned from, out of their reach.
 *
 * Until it execs, what will be a guest is this program: an interpreter of an image that is a script naming /proc/self/exe
 * would have the kernel run it inside the sandbox, with the file of the host behind it (runc: CVE-2019-5736). Landlock
 * refuses that, since the file lies below none of its paths. Where there is no Landlock the spawner is a sealed copy in
 * memory, which nobody can write to, and which loses its execute bits as soon as it runs.
 */
#include "execution/sandbox_internal.h"

#include "base/fault.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3; older kernels do not know it and make every copy executable */
#endif

#define SELF "/proc/self/exe"
#define HIGH_FD 16 /* above what a spawner is started with */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int new_copy(void)
{
	int fd = memfd_create("nexus", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	return fd < 0 && errno == EINVAL ? memfd_create("nexus", MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

static int copy_all(int from, int to)
{
	struct stat st;
	if (fstat(from, &st) < 0)
		return -errno;
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)left);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		left -= n;
	}
	return 0;
}

int nx_seal_program(void)
{
	if (NX_FAULT(sandbox_seal))
		return -ENOMEM;
	nx_auto_fd int from = open(SELF, O_RDONLY | O_CLOEXEC);
	nx_auto_fd int to = from < 0 ? -1 : new_copy();
	if (to < 0)
		return -errno;
	int r = copy_all(from, to);
	if (r == 0 && (fchmod(to, 0500) < 0 || fcntl(to, F_ADD_SEALS, SEALS) < 0))
		r = -errno;
	if (r < 0)
		return r;
	int high = fcntl(to, F_DUPFD_CLOEXEC, HIGH_FD);
	return high < 0 ? -errno : high;
}

bool nx_seal_hold(void)
{
	nx_auto_fd int self = open(SELF, O_RDONLY | O_CLOEXEC);
	int seals = self < 0 ? -1 : fcntl(self, F_GET_SEALS);
	return seals >= 0 && (seals & SEALS) == SEALS && fchmod(self, 0400) == 0;
}
