/* The descriptors of a session on the loop: its output, and the socket on which its driver answers. */
#include "execution/process_protocol.h"
#include "execution/session_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define READ_BYTES 65536
#define ANSWER_SLACK (64 << 10)

static size_t longest_answer(const struct nx_session *s)
{
	/* Text, HTML and an image, each up to the limit of output, with room for what JSON escapes. */
	return 6 * (size_t)s->e->config->sandbox_max_output_bytes + ANSWER_SLACK;
}

/* ---- output ---- */

/* What comes between runs is nobody's: a process that goes on writes into a file what it wants kept. */
static void take_output(struct nx_session *s, const struct nx_session_pipe *p, const char *bytes, size_t n)
{
	if (s->current && s->turn == NX_TURN_RUNS)
		nx_run_on_output(s->current, p->which == NX_SESSION_OUT ? 1 : 2, nx_str_n(bytes, n));
}

/* One block a turn, so that a flood does not hold the loop. */
static void on_output(uv_poll_t *poll, int status, int events)
{
	struct nx_session_pipe *p = poll->data;
	char block[READ_BYTES];
	(void)events;
	ssize_t n = status < 0 ? 0 : read(p->fd, block, sizeof(block));
	if (n > 0)
		take_output(p->session, p, block, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		(void)uv_poll_stop(poll);
}

/* What a run wrote was in the pipe before its driver answered; processes that go on may write more, without an end. */
static void drain(struct nx_session *s, struct nx_session_pipe *p)
{
	char block[READ_BYTES];
	int left = 0;
	if (!p || ioctl(p->fd, FIONREAD, &left) < 0)
		return;
	while (left > 0) {
		ssize_t n = read(p->fd, block, nx_min((size_t)left, sizeof(block)));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		take_output(s, p, block, (size_t)n);
		left -= (int)n;
	}
}

void nx_session_drain(struct nx_session *s)
{
	drain(s, s->pipes[NX_SESSION_OUT]);
	drain(s, s->pipes[NX_SESSION_ERR]);
}

/* ---- the control socket ---- */

static void broken(struct nx_session *s, const char *reason)
{
	if (s->pipes[NX_SESSION_CONTROL])
		(void)uv_poll_stop(&s->pipes[NX_SESSION_CONTROL]->poll);
	nx_session_stop(s, reason);
}

static void on_control(uv_poll_t *poll, int status, int events);

static int arm_control(struct nx_session *s)
{
	struct nx_session_pipe *p = s->pipes[NX_SESSION_CONTROL];
	return uv_poll_start(&p->poll, s->tx.n ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_control);
}

static void write_some(struct nx_session *s)
{
	while (s->tx.n) {
		ssize_t n = send(s->pipes[NX_SESSION_CONTROL]->fd, s->tx.p, s->tx.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* a full socket calls again; one that is closed is noticed when it is read */
		nx_buf_consume(&s->tx, (size_t)n);
	}
}

int nx_session_send(struct nx_session *s, struct nx_error **err)
{
	if (!s->pipes[NX_SESSION_CONTROL])
		return nx_error_set(err, NX_ECONFLICT, "the session has ended");
	write_some(s);
	int n = arm_control(s);
	return n < 0 ? nx_error_set(err, NX_EIO, "watch a session: %s", uv_strerror(n)) : 0;
}

/* Hands on every answer that has come whole. Each is read in an arena of its own: strings of a run's are copied when kept. */
static int take_answers(struct nx_session *s, struct nx_error **err)
{
	nx_str json;
	size_t used;
	int r;
	while ((r = nx_session_frame_cut(nx_buf_str(&s->rx), longest_answer(s), &json, &used, err)) > 0) {
		struct nx_session_answer answer;
		nx_auto_arena struct nx_arena *a = nx_arena_new(0);
		r = a ? nx_session_answer_read(json, a, &answer, err) : nx_error_set(err, NX_ENOMEM, "no memory");
		if (r < 0)
			return r;
		nx_buf_consume(&s->rx, used);
		nx_session_on_answer(s, &answer);
	}
	return r;
}

static void on_control(uv_poll_t *poll, int status, int events)
{
	struct nx_session_pipe *p = poll->data;
	struct nx_session *s = p->session;
	char block[READ_BYTES];
	nx_auto_error struct nx_error *err = NULL;
	if (status < 0) {
		broken(s, "protocol");
		return;
	}
	if (events & UV_WRITABLE) {
		write_some(s);
		if (!s->tx.n)
			(void)arm_control(s);
	}
	if (!(events & UV_READABLE))
		return;
	/* By recv without room for descriptors: what a guest would pass is dropped by the kernel. */
	ssize_t n = recv(p->fd, block, sizeof(block), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		(void)uv_poll_stop(poll);
		nx_session_hang_up(s);
	} else if (n > 0 && (!nx_buf_add(&s->rx, block, (size_t)n) || take_answers(s, &err) < 0)) {
		broken(s, "protocol");
	}
}

/* ---- the reaper's socket ---- */

static void on_words(uv_poll_t *poll, int status, int events)
{
	struct nx_session_pipe *p = poll->data;
	struct nx_process_word word;
	char block[sizeof(word) + 1];
	(void)events;
	/* By recv without room for descriptors, as from the driver. */
	ssize_t n = status < 0 ? 0 : recv(p->fd, block, sizeof(block), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		(void)uv_poll_stop(poll); /* the spawner tells how it ended */
	else if (nx_process_word_read(block, (size_t)n, &word))
		nx_session_stop(p->session, "protocol");
	else
		nx_session_on_word(p->session, &word);
}

/* ---- beginning and end ---- */

static void free_pipe(uv_handle_t *h)
{
	free(h->data);
}

static const uv_poll_cb readers[NX_SESSION_PIPES] = {[NX_SESSION_OUT] = on_output,
						     [NX_SESSION_ERR] = on_output,
						     [NX_SESSION_CONTROL] = on_control,
						     [NX_SESSION_PROCESSES] = on_words};

static int watch_one(struct nx_session *s, int which, struct nx_error **err)
{
	int flags = fcntl(s->fds[which], F_GETFL);
	struct nx_session_pipe *p = calloc(1, sizeof(*p));
	if (!p || flags < 0 || fcntl(s->fds[which], F_SETFL, flags | O_NONBLOCK) < 0) {
		free(p);
		return nx_error_set(err, NX_ENOMEM, "no memory for the pipes of a session");
	}
	int n = uv_poll_init(nx_loop_uv(s->e->loop), &p->poll, s->fds[which]);
	if (n < 0) {
		free(p);
		return nx_error_set(err, NX_EIO, "watch a session: %s", uv_strerror(n));
	}
	p->session = s;
	p->fd = nx_steal_fd(&s->fds[which]);
	p->which = (__typeof__(p->which))which;
	p->poll.data = p;
	s->pipes[which] = p;
	n = uv_poll_start(&p->poll, UV_READABLE, readers[which]);
	return n < 0 ? nx_error_set(err, NX_EIO, "watch a session: %s", uv_strerror(n)) : 0;
}

int nx_session_watch(struct nx_session *s, struct nx_error **err)
{
	for (int i = 0; i < (int)nx_countof(s->pipes); i++)
		if (watch_one(s, i, err) < 0)
			return nx_error_code(*err);
	return 0;
}

void nx_session_close(struct nx_session *s)
{
	for (size_t i = 0; i < nx_countof(s->pipes); i++) {
		struct nx_session_pipe *p = nx_steal(s->pipes[i]);
		if (s->fds[i] >= 0)
			(void)close(nx_steal_fd(&s->fds[i]));
		if (!p)
			continue;
		uv_close((uv_handle_t *)&p->poll, free_pipe);
		(void)close(p->fd); /* after the handle, which takes its number out of the loop */
	}
	if (s->pidfd >= 0)
		(void)close(nx_steal_fd(&s->pidfd));
}
