/*
 * nexus sandbox session shell: a terminal in a sandbox session, on this one. nexus sandbox shell: the same in a session of its
 * own, which is ended with it.
 *
 * This terminal is made raw, so that every key goes to the session, and is what it was again on every way out: the end of the
 * shell, an error, a signal, a stop. The calling thread follows the output; another sends keys and sizes, with a client of
 * its own arena. Ctrl-] leaves a shell that hangs.
 *
 * A session of our own outlives no way out that we see: on a signal that would end this program the thread of the keys ends
 * the session, which ends the output, and then the signal does what it does; a second one does not wait for that. What we do
 * not see (SIGKILL, a network that is gone) is the session's idle time, which runs when nobody looks on.
 */
#include "base/io.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define KEYS_MAX 16384
#define LEAVE_KEY 0x1d /* Ctrl-] */
#define END_KEY "\x04" /* Ctrl-D: the end of an input that is no terminal */
#define OWN_IDLE_S 60  /* of a session of our own, unless --idle says another */

/* ---- this terminal ---- */

/* What handlers need. Set before they are installed. */
static struct {
	struct termios before, raw;
	volatile sig_atomic_t is_raw;
	int wake;             /* one byte wakes the thread of the keys: the size may have changed */
	bool owns_session;    /* a signal ends it before it ends us */
	_Atomic int ended_by; /* the signal that does; 0: none came. Relaxed: nothing is read after it but itself */
	bool is_ended;        /* our session, by the thread of the keys; read when that is joined */
} tty = {.wake = -1};

static int ended_by(void)
{
	return atomic_load_explicit(&tty.ended_by, memory_order_relaxed);
}

static void make_raw(void)
{
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &tty.raw) == 0)
		tty.is_raw = 1;
}

static void restore(void)
{
	if (tty.is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &tty.before);
	tty.is_raw = 0;
}

static void on_size(int sig)
{
	int errnum = errno;
	(void)sig;
	(void)!write(tty.wake, "w", 1);
	errno = errnum;
}

static bool is_fault(int sig)
{
	return sig == SIGABRT || sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL;
}

/* The terminal first, then our session, then what the signal does to any program. */
static void on_end(int sig)
{
	int errnum = errno;
	restore();
	errno = errnum;
	if (sig == SIGHUP && ended_by() == SIGHUP)
		return; /* a window that is closed hangs up the leader of the session, and then its group */
	if (tty.owns_session && ended_by() == 0 && !is_fault(sig)) {
		atomic_store_explicit(&tty.ended_by, sig, memory_order_relaxed);
		on_size(sig);
		return;
	}
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static void on_stop(int sig)
{
	int errnum = errno;
	bool was_raw = tty.is_raw;
	(void)sig;
	restore();
	(void)raise(SIGSTOP);
	if (was_raw)
		make_raw();
	(void)!write(tty.wake, "w", 1);
	errno = errnum;
}

static void handle(int sig, void (*handler)(int sig))
{
	struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
	sigfillset(&a.sa_mask);
	if (handler == on_end) /* it raises the signal again */
		a.sa_flags |= SA_NODEFER;
	(void)sigaction(sig, &a, NULL);
}

static void handle_ends(void)
{
	static const int ends[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	for (size_t i = 0; i < nx_countof(ends); i++)
		handle(ends[i], on_end);
}

static int begin_raw(struct nx_error **err)
{
	if (tcgetattr(STDIN_FILENO, &tty.before) < 0)
		return nx_error_set_errno(err, errno, "read the settings of this terminal");
	tty.raw = tty.before;
	cfmakeraw(&tty.raw);
	handle_ends();
	handle(SIGTSTP, on_stop);
	handle(SIGWINCH, on_size);
	(void)atexit(restore);
	make_raw();
	return tty.is_raw ? 0 : nx_error_set_errno(err, errno, "make this terminal raw");
}

static void ask_size(int64_t *ret_rows, int64_t *ret_columns)
{
	struct winsize w;
	bool ok = ioctl(STDIN_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0;
	*ret_rows = ok ? nx_min((int)w.ws_row, 1000) : 24;
	*ret_columns = ok ? nx_min((int)w.ws_col, 1000) : 80;
}

/* ---- keys ---- */

struct keys {
	struct nx_cli cli; /* a copy with an arena of its own */
	const char *path;  /* of the process */
	const char *own;   /* of the session, where it is ours */
	int wake[2];
	bool is_terminal;
	_Atomic bool is_over;
};

static void call(struct keys *k, const char *method, const char *what, yyjson_mut_val *body)
{
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *answer;
	const char *path = nx_arena_printf(k->cli.arena, "%s%s", k->path, what);
	/* What fails here fails for the stream, too, which says why. */
	if (path)
		(void)nx_cli_call(&k->cli, method, path, body, &answer, &err);
}

static void with_arena(struct keys *k, void (*fn)(struct keys *k, nx_str keys), nx_str keys)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (!a)
		return;
	k->cli.arena = a;
	fn(k, keys);
}

static void send_keys(struct keys *k, nx_str keys)
{
	yyjson_mut_doc *d = nx_json_new(k->cli.arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	if (o && nx_json_add_str(d, o, "base64", nx_base64(k->cli.arena, keys)))
		call(k, "POST", "/input", o);
}

static void send_size(struct keys *k, nx_str unused)
{
	int64_t rows, columns;
	yyjson_mut_doc *d = nx_json_new(k->cli.arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	(void)unused;
	ask_size(&rows, &columns);
	if (o && yyjson_mut_obj_add_sint(d, o, "rows", rows) && yyjson_mut_obj_add_sint(d, o, "columns", columns))
		call(k, "POST", "/resize", o);
}

static void leave(struct keys *k, nx_str unused)
{
	(void)unused;
	call(k, "DELETE", "", NULL);
}

static void end_own(struct keys *k, nx_str unused)
{
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *answer;
	(void)unused;
	(void)nx_cli_call(&k->cli, "DELETE", k->own, NULL, &answer, &err); /* what is left ends when it is idle */
}

/* False: there are no more. */
static bool take_keys(struct keys *k)
{
	char block[KEYS_MAX];
	ssize_t n = read(STDIN_FILENO, block, sizeof(block));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0) {
		with_arena(k, send_keys, NX_STR(END_KEY));
		return false;
	}
	const char *key = k->is_terminal ? memchr(block, LEAVE_KEY, (size_t)n) : NULL;
	size_t sent = key ? (size_t)(key - block) : (size_t)n;
	if (sent)
		with_arena(k, send_keys, nx_str_n(block, sent));
	if (key)
		with_arena(k, leave, NX_STR_NULL);
	return !key;
}

static void *keys_main(void *arg)
{
	struct keys *k = arg;
	char woken[64];
	bool more = true;
	while (!atomic_load(&k->is_over)) {
		if (ended_by()) {
			with_arena(k, end_own, NX_STR_NULL);
			tty.is_ended = true;
			break;
		}
		struct pollfd fds[] = {{.fd = k->wake[0], .events = POLLIN},
				       {.fd = more ? STDIN_FILENO : -1, .events = POLLIN}};
		if (poll(fds, nx_countof(fds), -1) < 0)
			continue;
		if (fds[0].revents && read(k->wake[0], woken, sizeof(woken)) > 0 && !atomic_load(&k->is_over) &&
		    k->is_terminal)
			with_arena(k, send_size, NX_STR_NULL);
		if (fds[1].revents)
			more = take_keys(k);
	}
	return NULL;
}

/* Signals are the calling thread's. */
static int start_keys(struct keys *k, pthread_t *ret, struct nx_error **err)
{
	sigset_t all, before;
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = pthread_create(ret, NULL, keys_main, k);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r ? nx_error_set_errno(err, r, "start a thread") : 0;
}

/* ---- output ---- */

struct screen {
	int64_t offset;
	int status; /* of the shell; -1: it runs */
	bool has_more;
};

static bool put(nx_str base64)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str bytes;
	return a && nx_base64_decode(a, base64, &bytes, NULL) == 0 && nx_write_all(STDOUT_FILENO, bytes) == 0;
}

static bool on_event(nx_str event, yyjson_val *data, void *ctx)
{
	struct screen *s = ctx;
	if (nx_str_eqz(event, "output")) {
		s->offset = nx_json_int(data, "next_offset", s->offset);
		s->has_more = true;
		return put(nx_json_str(data, "base64"));
	}
	if (!nx_str_eqz(event, "exit"))
		return true;
	int64_t signal_number = nx_json_int(data, "signal", 0);
	s->status = (int)(signal_number ? 128 + signal_number : nx_json_int(data, "exit_code", NX_EXIT_FAILED));
	return false;
}

/* A stream that breaks off is taken up where it was, as long as that leads on. */
static int show(struct nx_cli *c, const char *path, struct screen *s, struct nx_error **err)
{
	int r = 0;
	while (s->status < 0 && r == 0 && ended_by() == 0) {
		const char *stream =
			nx_arena_printf(c->arena, "%s/stream?encoding=base64&offset=%lld", path, (long long)s->offset);
		nx_auto_error struct nx_error *broken = NULL;
		s->has_more = false;
		if (!stream)
			return nx_error_set(err, NX_ENOMEM, "follow a shell");
		if (nx_cli_stream(c, stream, on_event, s, &broken) == 0 && !broken && s->status < 0 && !s->has_more)
			r = nx_error_set(err, NX_ECONFLICT, "the session has ended");
		else if (broken && !s->has_more)
			r = nx_error_move(err, nx_steal(broken));
	}
	return r;
}

/* ---- the verb ---- */

static int open_terminal(struct nx_cli *c, const char *session, const char **ret_path, struct nx_error **err)
{
	int64_t rows, columns;
	yyjson_val *answer;
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	const char *base = nx_sandbox_session_path(c, session);
	const char *path = base ? nx_arena_printf(c->arena, "%s/terminal", base) : NULL;
	ask_size(&rows, &columns);
	if (!path || !o || !yyjson_mut_obj_add_sint(d, o, "rows", rows) ||
	    !yyjson_mut_obj_add_sint(d, o, "columns", columns))
		return nx_error_set(err, NX_ENOMEM, "open a terminal");
	int r = nx_cli_call(c, "POST", path, o, &answer, err);
	if (r < 0)
		return r;
	*ret_path = nx_arena_printf(c->arena, "%s/processes/%.*s", base, NX_FMT(nx_json_str(answer, "id")));
	return *ret_path ? 0 : nx_error_set(err, NX_ENOMEM, "open a terminal");
}

static int talk(struct nx_cli *c, struct keys *k, struct screen *s, struct nx_error **err)
{
	pthread_t thread;
	k->is_terminal = isatty(STDIN_FILENO);
	if (pipe2(k->wake, O_CLOEXEC | O_NONBLOCK) < 0)
		return nx_error_set_errno(err, errno, "make a pipe");
	tty.wake = k->wake[1];
	if (tty.owns_session)
		handle_ends();
	int r = k->is_terminal ? begin_raw(err) : 0;
	if (r == 0)
		r = start_keys(k, &thread, err);
	if (r == 0) {
		r = show(c, k->path, s, err);
		atomic_store(&k->is_over, true);
		(void)!write(k->wake[1], "w", 1);
		(void)pthread_join(thread, NULL);
	}
	restore();
	if (k->is_terminal)
		(void)signal(SIGWINCH, SIG_DFL);
	tty.wake = -1;
	(void)close(k->wake[0]);
	(void)close(k->wake[1]);
	return r;
}

static int run_shell(struct nx_cli *c, const char *session, const char *own)
{
	struct nx_error *err = NULL;
	struct screen s = {.status = -1};
	struct keys k = {.cli = *c, .own = own};
	int r = open_terminal(c, session, &k.path, &err);
	if (r == 0) {
		k.cli = *c; /* with the client that this call made */
		if (isatty(STDIN_FILENO))
			fputs(own ? "The session ends with the shell. Ctrl-] leaves.\r\n" : "Ctrl-] leaves.\r\n",
			      stderr);
		r = talk(c, &k, &s, &err);
	}
	if (ended_by())
		nx_error_free(nx_steal(err)); /* of what we have ended ourselves */
	else if (r < 0)
		return nx_cli_fail(c, err);
	return s.status < 0 ? NX_EXIT_FAILED : s.status;
}

int nx_sandbox_shell(struct nx_cli *c, const char *session)
{
	return run_shell(c, session, NULL);
}

/* ---- in a session of its own ---- */

static int end_session(struct nx_cli *c, const char *path)
{
	struct nx_error *err = NULL;
	yyjson_val *answer;
	return nx_cli_call(c, "DELETE", path, NULL, &answer, &err) < 0 ? nx_cli_fail(c, err) : NX_EXIT_OK;
}

static int run_alone(struct nx_cli *c, int argc, char **argv)
{
	yyjson_val *answer;
	(void)argv;
	if (argc > 0)
		return nx_cli_usage(
			&nx_verb_sandbox_shell,
			"it takes options alone; in a session that is there: nexus sandbox session shell ID");
	int status = nx_sandbox_session_begin(c, &nx_verb_sandbox_shell, OWN_IDLE_S, &answer);
	if (status != NX_EXIT_OK)
		return status;
	const char *id = nx_str_zdup(c->arena, nx_json_str(answer, "id"));
	const char *path = id ? nx_sandbox_session_path(c, id) : NULL;
	if (!path) {
		struct nx_error *err = NULL;
		nx_error_set(&err, NX_ENOMEM, "open a terminal");
		return nx_cli_fail(c, err);
	}
	tty.owns_session = true;
	status = run_shell(c, id, path);
	int sig = ended_by();
	int ended = tty.is_ended ? NX_EXIT_OK : end_session(c, path);
	if (sig) {
		(void)signal(sig, SIG_DFL);
		(void)raise(sig);
	}
	return status != NX_EXIT_OK ? status : ended;
}

const struct nx_verb nx_verb_sandbox_shell = {
	.name = "sandbox shell",
	.usage = "sandbox shell [options]",
	.summary = "a terminal in a sandbox of its own, which ends with it",
	.examples = "  nexus sandbox shell\n"
		    "  nexus sandbox shell --image science --memory 2048\n"
		    "  nexus sandbox shell --allow pypi.org,files.pythonhosted.org\n"
		    "  nexus sandbox shell --read /data/in --write /data/out\n"
		    "  echo 'id; ls /work' | nexus sandbox shell\n",
	.more = "A session is begun, a shell opened in it on this terminal, and the session ended with the shell: with its\n"
		"processes, its files and all that it was granted. The exit status is the shell's.\n"
		"Inside: /work is the directory, which is empty at first (or --snapshot's); nothing of the host can be written\n"
		"but what --write names; there is no network but to what --allow names; memory and CPU are the session's.\n"
		"Ctrl-] leaves a shell that hangs. Where this program is killed or cut off, the session ends after --idle\n"
		"seconds without it (60). --language says whose interpreter the session has ready besides.\n"
		"A session that stays, and several terminals in one: `nexus sandbox session`.\n",
	.options = nx_sandbox_session_options,
	.alone = true,
	.run = run_alone,
};
