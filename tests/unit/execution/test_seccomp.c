/* The filter in a process of its own, without the other walls: what it refuses, it refuses alone. */
#include "execution/sandbox_internal.h"
#include "tests/unit/nx_test.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The errno of a call below the filter, 0 when it went well. */
static int below(unsigned flags, long nr, long a, long b, long c)
{
	struct nx_seccomp s;
	int status = 0;
	ASSERT_EQ(nx_seccomp_compile(flags, &s), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || nx_seccomp_install(&s) < 0)
			_exit(255);
		_exit(syscall(nr, a, b, c) < 0 ? errno : 0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	nx_seccomp_free(&s);
	ASSERT_TRUE(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(the_filter_is_of_a_sound_size)
{
	struct nx_seccomp s;
	ASSERT_EQ(nx_seccomp_compile(NX_SECCOMP_INET, &s), 0);
	print_message("%u instructions\n", s.prog.len);
	ASSERT_GT(s.prog.len, 100);
	ASSERT_LT(s.prog.len, 4096);
	nx_seccomp_free(&s);
}

TEST(ordinary_calls_pass)
{
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_getpid, 0, 0, 0), 0);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_dup, 1, 0, 0), 0);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_personality, 0xffffffff, 0, 0), 0);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_socket, AF_UNIX, SOCK_STREAM, 0), 0);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_socket, AF_INET, SOCK_STREAM, 0), 0);
}

TEST(families_and_protocols_are_chosen)
{
	ASSERT_EQ(below(0, SYS_socket, AF_INET, SOCK_STREAM, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_socket, AF_INET, SOCK_STREAM, 132), EPERM); /* SCTP */
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_socket, AF_NETLINK, SOCK_RAW, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_socket, AF_VSOCK, SOCK_STREAM, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_socket, AF_ALG, SOCK_SEQPACKET, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_socket, AF_PACKET, SOCK_RAW, 0), EPERM);
}

TEST(what_root_could_do_is_refused_to_root)
{
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_unshare, CLONE_NEWNS, 0, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_chroot, (long)"/", 0, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_ptrace, 0, 0, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_personality, 0x0400000, 0, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_clone, CLONE_NEWUSER | 17, 0, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_clone3, 0, 0, 0), ENOSYS);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_ioctl, 0, 0x5412, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_ioctl, 0, 0x541c, 0), EPERM);
	ASSERT_EQ(below(NX_SECCOMP_INET, SYS_ioctl, 0, 0x100005412, 0), EPERM); /* the kernel looks at 32 bits only */
}

TEST(calls_that_the_list_cannot_know_do_not_exist)
{
	ASSERT_EQ(below(NX_SECCOMP_INET, 451, 0, 0, 0), ENOSYS);
	ASSERT_EQ(below(NX_SECCOMP_INET, 5000, 0, 0, 0), ENOSYS);
	ASSERT_EQ(below(NX_SECCOMP_INET, 0x40000000L | SYS_getpid, 0, 0, 0), ENOSYS);
}
