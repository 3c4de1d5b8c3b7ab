/*
 * An interpreter that was started ahead, in a sandbox that waits for a run: the first look at the program's file comes here,
 * and does not go on before the run does. All walls stand since before the interpreter was exec'ed; what is left to do is
 * what a cold run's process does between START and its exec. Then the look goes on, and finds the program.
 *
 * Node asks for the file's state by syscall(2), as libuv does, before it opens it. Its other threads call that, too.
 */
#include "execution/door.h"
#include "execution/sandbox_internal.h"

#include "base/macros.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	atomic_bool is_waiting;
	char path[256];
	long (*syscall)(long, ...);
	int (*open64)(const char *, int, ...);
} W;

/* Of the first environment, too, which /proc shows for as long as the process lives. */
static void forget(const char *name)
{
	char *value = getenv(name);
	if (!value)
		return;
	size_t n = strlen(name) + 1 + strlen(value);
	(void)unsetenv(name);
	memset(value - strlen(name) - 1, 0, n);
}

bool nx_door_is_started(void)
{
	const char *path = getenv(NX_DOOR_VARIABLE);
	bool is_started = path && strlen(path) < sizeof(W.path);
	if (!NX_DOOR_FIND(RTLD_NEXT, "syscall", W.syscall) || !NX_DOOR_FIND(RTLD_NEXT, "open64", W.open64))
		_exit(1);
	if (is_started)
		memcpy(W.path, path, strlen(path) + 1);
	if (is_started)
		forget("LD_PRELOAD");
	forget(NX_DOOR_VARIABLE);
	atomic_store(&W.is_waiting, is_started);
	return is_started;
}

static void stand_at_door(void)
{
	static union nx_spawn_msg m;
	static char *argv[NX_SPAWN_ARGS_MAX + 1], *envp[NX_SPAWN_ARGS_MAX + 1];
	static const char here = NX_GUEST_AT_DOOR;
	int errnum = errno;
	nx_guest_env.ctl = NX_DOOR_CTL_FD;
	if (send(NX_DOOR_CTL_FD, &here, 1, MSG_NOSIGNAL) != 1)
		_exit(1);
	nx_guest_read_start(&m, argv, envp);
	nx_guest_enter_program(&m.start, "");
	if (!m.start.is_warm)
		nx_guest_exec(&m.start, argv, envp); /* it is another program that is asked for */
	(void)close(NX_DOOR_CTL_FD);
	errno = errnum;
}

static void pass(const char *path)
{
	if (strcmp(path, W.path) == 0 && atomic_exchange(&W.is_waiting, false))
		stand_at_door();
}

NX_DOOR_EXPORTED long syscall(long number, ...)
{
	va_list ap;
	long a[6];
	va_start(ap, number);
	for (size_t i = 0; i < nx_countof(a); i++)
		a[i] = va_arg(ap, long); /* as many as the kernel takes, whatever this call has */
	va_end(ap);
	if (number == SYS_statx && atomic_load_explicit(&W.is_waiting, memory_order_relaxed))
		pass((const char *)(uintptr_t)a[1]);
	return W.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

NX_DOOR_EXPORTED int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	if (flags & (O_CREAT | __O_TMPFILE)) {
		va_list ap;
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (atomic_load_explicit(&W.is_waiting, memory_order_relaxed))
		pass(path);
	return W.open64(path, flags, mode);
}
