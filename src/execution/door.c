/*
 * The object that holds an interpreter at its door (door.h), as a zygote.
 *
 * The interpreter gets the command line of a cold run and does all that it does before it opens its program. That opening,
 * fopen(3) in Python, comes here: the process becomes a zygote, which clones guests for the spawner as a keeper does. A
 * guest's pid 2 returns from the call with its walls up, inside its own file system, and the interpreter goes on as if it
 * had just been started there. It never learns that it waited; nothing of its behaviour is imitated.
 *
 * Python is the one that is known here, by the functions of its interface around fork (os.fork does the same). The objects
 * of its start are taken from the garbage collector's sight, as gc.freeze is for: at the end of a guest it would write to
 * all of them, and each page would be copied. gc.get_freeze_count() is all that a program could notice. An interpreter without them, or one that never opens its door, is not warm: the spawner gives up on it.
 */
#include "execution/door.h"
#include "execution/sandbox_internal.h"

#include "base/assert.h"
#include "base/clock.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
	bool is_waiting; /* the door has not been reached */
	struct nx_zygote_plan plan;
	struct nx_seccomp seccomp;
	FILE *(*fopen)(const char *, const char *);
	FILE *(*fopen64)(const char *, const char *);
	int (*gil_ensure)(void); /* PyGILState_STATE is an enum */
	void (*gil_release)(int);
	void (*before_fork)(void), (*after_fork)(void);
	int (*run)(const char *);
} D;

/* ---- what base gives to the rest of the program ---- */

void nx_assert_failed(const char *expr, const char *file, int line)
{
	(void)expr;
	(void)file;
	(void)line;
	abort();
}

int64_t nx_time_mono_us(void)
{
	struct timespec ts;
	nx_assert(clock_gettime(CLOCK_BOOTTIME, &ts) == 0);
	return (int64_t)ts.tv_sec * NX_USEC_PER_SEC + ts.tv_nsec / 1000;
}

/* ---- at the start of the interpreter ---- */

bool nx_door_find(void *where, const char *name, void *ret_function, size_t size)
{
	void *p = dlsym(where, name);
	if (p)
		memcpy(ret_function, (const void *)&p, size);
	return p != NULL;
}

static bool read_plan(void)
{
	char *p = (char *)&D.plan;
	for (size_t n = 0; n < sizeof(D.plan);) {
		ssize_t got = pread(NX_ZYGOTE_PLAN_FD, p + n, sizeof(D.plan) - n, (off_t)n);
		if (got <= 0)
			return false;
		n += (size_t)got;
	}
	return close(NX_ZYGOTE_PLAN_FD) == 0 && D.plan.nfilter <= BPF_MAXINSNS &&
	       memchr(D.plan.door, '\0', sizeof(D.plan.door)) != NULL;
}

static void __attribute__((constructor)) begin(void)
{
	bool ok = NX_DOOR_FIND(RTLD_NEXT, "fopen", D.fopen) && NX_DOOR_FIND(RTLD_NEXT, "fopen64", D.fopen64);
	if (ok && nx_door_is_started())
		return;
	(void)unsetenv("LD_PRELOAD"); /* before anybody looks at the environment */
	ok = ok && read_plan() && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == D.plan.spawner;
	if (!ok)
		_exit(1);
	D.is_waiting = NX_DOOR_FIND(RTLD_DEFAULT, "PyGILState_Ensure", D.gil_ensure) &&
		       NX_DOOR_FIND(RTLD_DEFAULT, "PyGILState_Release", D.gil_release) &&
		       NX_DOOR_FIND(RTLD_DEFAULT, "PyOS_BeforeFork", D.before_fork) &&
		       NX_DOOR_FIND(RTLD_DEFAULT, "PyOS_AfterFork_Child", D.after_fork) &&
		       NX_DOOR_FIND(RTLD_DEFAULT, "PyRun_SimpleString", D.run);
	if (!D.is_waiting)
		_exit(1);
}

/* ---- at the door ---- */

static void before_fork(void)
{
	D.before_fork();
}

static void after_fork(void)
{
	D.after_fork();
}

/* In __main__, whose names it takes away again. */
static const char freeze[] = "import gc, sys\n"
			     "gc.collect()\n"
			     "gc.freeze()\n"
			     "sys.modules.pop('gc')\n"
			     "del gc, sys\n";

static const struct nx_warm_hooks hooks = {.before_fork = before_fork, .after_fork = after_fork};

/* The interpreter started in a changed root, which forbids user namespaces: it goes back to the spawner's. */
static bool leave_root(void)
{
	return fchdir(NX_ZYGOTE_ROOT_FD) == 0 && chroot(".") == 0 && close(NX_ZYGOTE_ROOT_FD) == 0;
}

/* Returns in guests only. The caller of fopen has let go of the interpreter's lock, which a fork has to hold. */
static void stand_at_door(void)
{
	int32_t ready = 0;
	int state = D.gil_ensure();
	D.is_waiting = false;
	D.seccomp.prog = (struct sock_fprog){.len = D.plan.nfilter, .filter = D.plan.filter};
	nx_guest_env = (struct nx_guest_env){
		.host = &D.plan.host, .seccomp = &D.seccomp, .spawner = D.plan.spawner, .warm = &hooks};
	if (D.run(freeze) < 0 || !leave_root() ||
	    send(NX_ZYGOTE_SOCK_FD, &ready, sizeof(ready), MSG_NOSIGNAL) != (ssize_t)sizeof(ready) ||
	    !nx_keeper_serve(NX_ZYGOTE_SOCK_FD, D.plan.has_net))
		_exit(1);
	D.gil_release(state);
}

static void pass(const char *path)
{
	if (D.is_waiting && strcmp(path, D.plan.door) == 0)
		stand_at_door();
}

NX_DOOR_EXPORTED FILE *fopen(const char *restrict path, const char *restrict mode)
{
	pass(path);
	return D.fopen(path, mode);
}

NX_DOOR_EXPORTED FILE *fopen64(const char *restrict path, const char *restrict mode)
{
	pass(path);
	return D.fopen64(path, mode);
}
