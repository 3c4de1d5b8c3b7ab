/*
 * `nexus model-worker --model FILE --context TOKENS --threads N`: the child's side of worker_protocol.
 *
 * One thread, one model, one chat at a time. Commands come on descriptor 3; it is looked at between tokens and within long
 * passes, so that a cancel is noticed in the middle of an answer. When the server goes away, descriptor 3 ends and so does
 * the worker.
 */
#include "base/io.h"
#include "model/generator_internal.h"
#include "model/worker_protocol_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

struct child {
	struct nx_buf in;
	struct nx_arena *arena;        /* of the command in hand */
	struct nx_worker_command next; /* id != 0: to be answered */
	uint64_t current;              /* 0: none */
	bool is_cancelled, is_over;
	struct nx_error *err; /* why it is over; NULL: the server has gone */
};

struct options {
	const char *model;
	int64_t context, threads;
};

static int parse_options(int argc, char **argv, struct options *ret)
{
	*ret = (struct options){.context = 4096, .threads = 1};
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--model") == 0)
			ret->model = argv[i + 1];
		else if (strcmp(argv[i], "--context") == 0 && !nx_str_to_i64(nx_str_z(argv[i + 1]), &ret->context))
			return -1;
		else if (strcmp(argv[i], "--threads") == 0 && !nx_str_to_i64(nx_str_z(argv[i + 1]), &ret->threads))
			return -1;
	}
	bool ok = ret->model != NULL && ret->context >= 1 && ret->context <= INT32_MAX && ret->threads >= 1 &&
		  ret->threads <= 256;
	return ok ? 0 : -1;
}

/* Dies with the server, dies before it when memory runs out, and has nothing of it but descriptor 3. */
static void keep_to_oneself(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)close_range(NX_WORKER_FD + 1, ~0U, 0);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	nx_auto_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)nx_write_all(fd, NX_STR("500"));
}

static int say(const struct nx_worker_event *e, struct nx_error **err)
{
	nx_auto_buf struct nx_buf line = NX_BUF_INIT;
	int r = nx_worker_write_event(e, &line, err);
	if (r != 0)
		return r;
	r = nx_write_all(NX_WORKER_FD, nx_buf_str(&line));
	return r == 0 ? 0 : nx_error_set_errno(err, -r, "write to the server");
}

static int say_error(uint64_t id, const struct nx_error *e, struct nx_error **err)
{
	return say(&(struct nx_worker_event){.kind = NX_WORKER_ERROR,
					     .id = id,
					     .code = nx_error_code(e),
					     .text = nx_str_z(nx_error_message(e))},
		   err);
}

static int on_line(nx_str line, void *ctx, struct nx_error **err)
{
	struct child *c = ctx;
	struct nx_worker_command command;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (a == NULL)
		return nx_error_set(err, NX_ENOMEM, "model worker: out of memory");
	int r = nx_worker_read_command(a, line, &command, err);
	if (r != 0)
		return r;
	if (command.op == NX_WORKER_CANCEL) {
		c->is_cancelled = c->is_cancelled || command.id == c->current;
		if (command.id == c->next.id)
			c->next.id = 0;
		return 0;
	}
	if (c->current != 0 || c->next.id != 0)
		return nx_error_set(err, NX_ECONFLICT, "model worker: a chat before the last has ended");
	c->next = command;
	nx_arena_free(c->arena);
	c->arena = nx_steal(a);
	return 0;
}

/* Reads what is there, waiting for it or not. False when the server has gone or breaks the protocol. */
static bool listen_to_server(struct child *c, bool wait)
{
	struct pollfd p = {.fd = NX_WORKER_FD, .events = POLLIN};
	int r = poll(&p, 1, wait ? -1 : 0);
	if (r == 0 || (r < 0 && errno == EINTR))
		return true;
	char bytes[16384];
	ssize_t n = r > 0 ? read(NX_WORKER_FD, bytes, sizeof(bytes)) : -1;
	if (n < 0 && errno == EINTR)
		return true;
	c->is_over = n <= 0 || !nx_buf_add(&c->in, bytes, (size_t)n) ||
		     nx_worker_take_lines(&c->in, on_line, c, &c->err) != 0;
	return !c->is_over;
}

static bool should_stop(void *ctx)
{
	struct child *c = ctx;
	return !listen_to_server(c, false) || c->is_cancelled;
}

static int on_text(nx_str text, void *ctx, struct nx_error **err)
{
	struct child *c = ctx;
	return say(&(struct nx_worker_event){.kind = NX_WORKER_DELTA, .id = c->current, .text = text}, err);
}

static int answer(struct child *c, struct nx_generator *g, struct nx_error **err)
{
	struct nx_error *failure = NULL;
	struct nx_generation n = {.messages = c->next.messages,
				  .nmessages = c->next.nmessages,
				  .max_tokens = c->next.max_tokens,
				  .temperature = c->next.temperature,
				  .should_stop = should_stop,
				  .on_text = on_text,
				  .ctx = c};
	c->current = c->next.id;
	c->next.id = 0;
	c->is_cancelled = false;
	int r = nx_generator_run(g, &n, &failure);
	if (r == 0)
		r = say(&(struct nx_worker_event){.kind = NX_WORKER_DONE,
						  .id = c->current,
						  .finish = n.finish,
						  .input_tokens = n.input_tokens,
						  .cached_tokens = n.cached_tokens,
						  .output_tokens = n.output_tokens},
			err);
	else
		r = say_error(c->current, failure, err);
	nx_error_free(failure);
	c->current = 0;
	return r;
}

static int serve(struct child *c, struct nx_generator *g, struct nx_error **err)
{
	int r = say(&(struct nx_worker_event){.kind = NX_WORKER_READY, .context = nx_generator_context(g)}, err);
	while (r == 0 && !c->is_over) {
		if (c->next.id != 0)
			r = answer(c, g, err);
		else
			(void)listen_to_server(c, true);
	}
	if (r == 0 && c->err != NULL)
		r = nx_error_move(err, nx_steal(c->err));
	return r;
}

int nx_model_worker_main(int argc, char **argv)
{
	struct options o;
	struct child c = {.in = NX_BUF_INIT};
	struct nx_generator *g = NULL;
	nx_auto_error struct nx_error *err = NULL;
	if (parse_options(argc, argv, &o) != 0 || fcntl(NX_WORKER_FD, F_GETFD) < 0) {
		(void)fputs("nexus model-worker is started by the server; it is of no use by hand\n", stderr);
		return 2;
	}
	keep_to_oneself();
	int r = nx_generator_open(o.model, (uint32_t)o.context, (int)o.threads, &g, &err);
	if (r == 0)
		r = serve(&c, g, &err);
	else
		(void)say_error(0, err, NULL);
	nx_generator_close(g);
	nx_buf_done(&c.in);
	nx_arena_free(c.arena);
	return r == 0 ? 0 : 1;
}
