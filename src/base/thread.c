#include "base/thread_internal.h"

#include <signal.h>
#include <stdio.h>

int nx_thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg, struct nx_error **err)
{
	/* A thread inherits the mask, so it is blocked around the start: no signal finds the new thread unprepared. */
	sigset_t all, before;
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails only for an unknown `how` */
	int r = pthread_create(ret, NULL, run, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return nx_error_set_errno(err, r, "start the thread `%s`", name);

	char full[16];
	(void)snprintf(full, sizeof(full), "nx-%s", name);
	(void)pthread_setname_np(*ret, full); /* a name is a help to whoever looks, no more */
	return 0;
}
