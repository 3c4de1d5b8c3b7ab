#include "tests/unit/execution/container_fixture.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <errno.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DENY(nr, errnum) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (errnum))

static int load_filter(void)
{
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		DENY(SYS_unshare, EPERM),
		DENY(SYS_setns, EPERM),
		DENY(SYS_mount, EPERM),
		DENY(SYS_fsopen, EPERM),
		DENY(SYS_open_tree, EPERM),
		DENY(SYS_pivot_root, EPERM),
		DENY(SYS_keyctl, EPERM),
		DENY(SYS_clone3, ENOSYS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x7e020000, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {.len = COUNT(code), .filter = (struct sock_filter *)(uintptr_t)code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

static int keep_capabilities(void)
{
	static const int kept[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FSETID,      CAP_FOWNER,  CAP_MKNOD,
				   CAP_SETGID, CAP_SETUID,       CAP_SETFCAP,     CAP_SETPCAP, CAP_NET_BIND_SERVICE,
				   CAP_KILL,   CAP_SYS_CHROOT,   CAP_AUDIT_WRITE, CAP_NET_RAW};
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
	uint64_t mask = 0;
	for (size_t i = 0; i < COUNT(kept); i++)
		mask |= UINT64_C(1) << kept[i];
	for (int cap = 0; cap < 64; cap++)
		if (!(mask & UINT64_C(1) << cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return -1;
	for (size_t i = 0; i < COUNT(sets); i++)
		sets[i].effective = sets[i].permitted = (uint32_t)(mask >> (32 * i));
	return (int)syscall(SYS_capset, &head, sets);
}

int enter_container(void)
{
	if (geteuid() == 0 && keep_capabilities() < 0)
		return -1;
	return load_filter();
}
