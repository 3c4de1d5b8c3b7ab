/* Starting a process of a session: what is checked, and the order to the reaper. */
#include "execution/hostfs.h"
#include "execution/process_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

/* What an interactive shell is, whatever the root holds. */
static const char any_shell[] = "command -v bash >/dev/null 2>&1 && exec bash -i; exec sh -i";

int nx_process_send(struct nx_session *s, const struct nx_process_order *o, const int *fds, size_t nfds,
		    struct nx_error **err)
{
	const struct nx_session_pipe *p = s->pipes[NX_SESSION_PROCESSES];
	size_t n = o->type == NX_PROCESS_START ? sizeof(*o) : NX_PROCESS_ORDER_SHORT;
	if (!p)
		return nx_error_set(err, NX_ECONFLICT, "the session starts no processes any more");
	if (nx_fds_send(p->fd, o, n, fds, nfds, MSG_DONTWAIT) == 0)
		return 0;
	if (errno == EAGAIN)
		return nx_error_set(err, NX_EBUSY, "the session does not get to starting processes: try again");
	return nx_error_set_errno(err, errno, "ask the session for a process");
}

/* ---- the command ---- */

static int add_text(char *texts, size_t size, size_t *used, uint32_t *count, nx_str text)
{
	if (*count >= NX_PROCESS_TEXTS_MAX || !nx_process_text_add(texts, size, used, text.p ? text.p : "", text.n))
		return -1;
	++*count;
	return 0;
}

static int add_command(const struct nx_process *p, struct nx_process_order *o, struct nx_error **err)
{
	size_t used = 0;
	int r = 0;
	if (p->ncommand == 0) {
		r = add_text(o->args, sizeof(o->args), &used, &o->argc, NX_STR("/bin/sh")) |
		    add_text(o->args, sizeof(o->args), &used, &o->argc, NX_STR("-c")) |
		    add_text(o->args, sizeof(o->args), &used, &o->argc, nx_str_z(any_shell));
	}
	for (size_t i = 0; i < p->ncommand && r == 0; i++)
		r = add_text(o->args, sizeof(o->args), &used, &o->argc, p->command[i]);
	if (r == 0 && o->args[0])
		return 0;
	if (r == 0)
		nx_error_set(err, NX_EINVAL, "the command has no program");
	else
		nx_error_set(err, NX_ETOOBIG,
			     "a command has at most %d arguments of %d bytes in all, and no NUL in them",
			     NX_PROCESS_TEXTS_MAX, NX_PROCESS_ARGS_BYTES - 1);
	if (r != 0)
		nx_error_hint(err, "give a long script as a file");
	return nx_error_at(err, "/command");
}

/* ---- the environment ---- */

static size_t name_length(nx_str variable)
{
	const char *end = variable.n ? memchr(variable.p, '=', variable.n) : NULL;
	return end ? (size_t)(end - variable.p) : variable.n;
}

static bool is_named(const struct nx_process_call *c, nx_str variable)
{
	size_t n = name_length(variable);
	for (size_t i = 0; i < c->nenv; i++)
		if (name_length(c->env[i]) == n && memcmp(c->env[i].p, variable.p, n) == 0)
			return true;
	return false;
}

/* Those of the session, less those that the caller sets; a terminal is one that programs know. */
static int add_env(const struct nx_session *s, const struct nx_process_call *c, struct nx_process_order *o,
		   struct nx_error **err)
{
	size_t used = 0;
	int r = 0;
	const char *at = s->env.p;
	for (uint32_t i = 0; i < s->envc && r == 0; i++) {
		nx_str v = nx_str_z(at);
		at += v.n + 1;
		if (c->rows && nx_str_eqz(v, "TERM=dumb"))
			v = NX_STR("TERM=xterm-256color");
		if (!is_named(c, v))
			r = add_text(o->env, sizeof(o->env), &used, &o->envc, v);
	}
	if (c->ncommand == 0 && r == 0 && !is_named(c, NX_STR("HISTFILE")))
		r = add_text(o->env, sizeof(o->env), &used, &o->envc, NX_STR("HISTFILE=")); /* no file among theirs */
	for (size_t i = 0; i < c->nenv && r == 0; i++)
		r = add_text(o->env, sizeof(o->env), &used, &o->envc, c->env[i]);
	if (r == 0)
		return 0;
	nx_error_set(err, NX_ETOOBIG, "the environment has at most %d variables of %d bytes in all, and no NUL in them",
		     NX_PROCESS_TEXTS_MAX, NX_PROCESS_ENV_BYTES - 1);
	return nx_error_at(err, "/env");
}

static int add_dir(const struct nx_process_call *c, struct nx_process_order *o, struct nx_error **err)
{
	if (c->dir.n && nx_exec_path_check(c->dir, err) < 0)
		return nx_error_at(err, "/directory");
	(void)snprintf(o->dir, sizeof(o->dir), "/work%s%.*s", c->dir.n ? "/" : "", NX_FMT(c->dir));
	return 0;
}

static struct nx_process_order *make_order(const struct nx_process *p, const struct nx_process_call *c,
					   struct nx_error **err)
{
	struct nx_process_order *o = nx_arena_new_of(c->arena, struct nx_process_order);
	if (!o) {
		nx_error_set(err, NX_ENOMEM, "no memory for a process");
		return NULL;
	}
	o->magic = NX_PROCESS_MAGIC;
	o->type = NX_PROCESS_START;
	o->number = p->number;
	o->is_terminal = p->is_terminal;
	if (add_command(p, o, err) < 0 || add_env(p->session, c, o, err) < 0 || add_dir(c, o, err) < 0)
		return NULL;
	return o;
}

/* ---- the process ---- */

static int copy_command(struct nx_process *p, const struct nx_process_call *c, struct nx_error **err)
{
	p->arena = nx_arena_new(0);
	p->command = p->arena ? nx_arena_array(p->arena, nx_str, c->ncommand + 1) : NULL;
	for (size_t i = 0; p->command && i < c->ncommand; i++) {
		p->command[i] = nx_str_dup(p->arena, c->command[i]);
		if (!p->command[i].p)
			p->command = NULL;
	}
	p->ncommand = c->ncommand;
	return p->command ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for a process");
}

static int launch(struct nx_process *p, const struct nx_process_call *c, struct nx_error **err)
{
	int fds[3];
	size_t nfds;
	const struct nx_process_order *o = make_order(p, c, err);
	if (!o)
		return nx_error_code(*err);
	int r = nx_process_open(p, fds, &nfds, err);
	if (r == 0)
		r = nx_process_send(p->session, o, fds, nfds, err);
	for (size_t i = 0; i < nx_countof(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return r;
}

int nx_process_new(struct nx_session *s, const struct nx_process_call *c, struct nx_process **ret,
		   struct nx_error **err)
{
	struct nx_process *p = calloc(1, sizeof(*p));
	if (!p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a process");
	p->session = s;
	p->id = nx_id_new();
	p->number = ++s->last_process;
	p->is_terminal = c->rows > 0;
	p->rows = c->rows;
	p->columns = c->columns;
	nx_ring_init(&p->ring, (size_t)s->e->config->sandbox_process_output_bytes);
	nx_timer_init(&p->pause, s->e->loop, nx_process_on_pause);
	nx_timer_init(&p->grace, s->e->loop, nx_process_on_grace);
	int r = copy_command(p, c, err);
	if (r == 0)
		r = launch(p, c, err);
	if (r < 0) {
		nx_process_free(p);
		return r;
	}
	*ret = p;
	return 0;
}
