/* What the guest may use and who it is: resource limits, ids, capabilities. */
#include "execution/sandbox_internal.h"

#include "base/macros.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define MIB (1 << 20)
/* Root gains nothing, ids change nothing, and nobody can turn that back. */
#define LOCKED_BITS                                                                                      \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | \
	 SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int set_limit(int what, int64_t soft, int64_t hard)
{
	struct rlimit now, want = {(rlim_t)soft, (rlim_t)hard};
	if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max < want.rlim_max) {
		want.rlim_max = now.rlim_max; /* an ordinary user cannot raise what he was given */
		want.rlim_cur = nx_min(want.rlim_cur, want.rlim_max);
	}
	return setrlimit((__rlimit_resource_t)what, &want) < 0 ? -errno : 0;
}

static int64_t data_limit(int64_t memory_bytes)
{
	return memory_bytes ? 2 * memory_bytes + 256 * MIB : (int64_t)(RLIM_INFINITY >> 1);
}

static int64_t cpu_limit(int64_t cpu_us)
{
	return (cpu_us + 999999) / 1000000;
}

int nx_guest_limits_lower(const struct nx_spawn_rlimits *l)
{
	int64_t cpu_s = cpu_limit(l->cpu_us), data = data_limit(l->memory_bytes);
	int r = set_limit(RLIMIT_FSIZE, l->file_bytes, l->file_bytes);
	if (r == 0)
		r = set_limit(RLIMIT_NPROC, l->nproc, l->nproc);
	if (r == 0)
		r = set_limit(RLIMIT_CPU, cpu_s + 1, cpu_s + 2);
	return r == 0 ? set_limit(RLIMIT_DATA, data, data) : r;
}

int nx_guest_limits(const struct nx_guest *g, const char **ret_stage)
{
	int64_t cpu_s = cpu_limit(g->cpu_us), data = data_limit(g->memory_bytes);
	const struct {
		const char *stage;
		int what;
		int64_t soft, hard;
	} limits[] = {
		{"RLIMIT_CORE", RLIMIT_CORE, 1,
		 1}, /* at 0 a handler in core_pattern would still be run, as root; see core(5) */
		{"RLIMIT_NOFILE", RLIMIT_NOFILE, 1024, 1024},
		{"RLIMIT_FSIZE", RLIMIT_FSIZE, g->file_bytes, g->file_bytes},
		{"RLIMIT_NPROC", RLIMIT_NPROC, g->nproc, g->nproc},
		{"RLIMIT_STACK", RLIMIT_STACK, 8 * MIB, 64 * MIB},
		{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK, 65536, 65536},
		{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE, 0, 0},
		{"RLIMIT_RTPRIO", RLIMIT_RTPRIO, 0, 0},
		{"RLIMIT_NICE", RLIMIT_NICE, 0, 0},
		{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING, 1024, 1024},
		{"RLIMIT_CPU", RLIMIT_CPU, cpu_s + 1, cpu_s + 2},
		/* Not RLIMIT_AS, which breaks runtimes that reserve address space; memory in use is the cgroup's job, and this
		 * only keeps one process from running far ahead of the watchdog where there is none. */
		{"RLIMIT_DATA", RLIMIT_DATA, data, data},
	};
	for (size_t i = 0; i < nx_countof(limits); i++) {
		*ret_stage = limits[i].stage;
		int r = set_limit(limits[i].what, limits[i].soft, limits[i].hard);
		if (r < 0)
			return r;
	}
	return 0;
}

static int drop_bounding_set(void)
{
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EINVAL ? 0 : -errno; /* the first number the kernel does not know */
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

/* The bounding set and securebits go first, while CAP_SETPCAP is there; ids before the capabilities that change them. */
int nx_guest_drop(const struct nx_host *h, uid_t uid, const char **ret_stage)
{
	uid_t id = h->userns ? NX_GUEST_UID : uid;
	*ret_stage = "drop the bounding set";
	int r = drop_bounding_set();
	if (r < 0)
		return r;
	*ret_stage = "lock securebits";
	if (prctl(PR_SET_SECUREBITS, LOCKED_BITS, 0, 0, 0) < 0)
		return -errno;
	*ret_stage = "change to the user of this sandbox";
	/* By the system call: the C library would first wait for threads that only the parent of this clone has (nptl(7)). */
	if (syscall(SYS_setresgid, id, id, id) < 0 || syscall(SYS_setresuid, id, id, id) < 0)
		return -errno;
	*ret_stage = "drop capabilities";
	return drop_capabilities();
}
