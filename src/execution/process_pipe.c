/* The descriptors of a process on the loop: pipes, or both sides of its terminal. */
#include "base/fault.h"
#include "execution/process_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define READ_BYTES 65536
/* A whole block means that more waits: the next is read after this, which is 13 MB a second at most. */
#define PAUSE_US (5 * NX_USEC_PER_MSEC)

/* ---- output ---- */

static void on_out(uv_poll_t *poll, int status, int events);

static void take(struct nx_process *p, const char *bytes, size_t n)
{
	nx_ring_add(&p->ring, bytes, n);
	nx_process_feed(p);
}

void nx_process_on_pause(struct nx_timer *t)
{
	struct nx_process *p = nx_container_of(t, struct nx_process, pause);
	if (p->out && uv_poll_start(&p->out->poll, UV_READABLE, on_out) < 0)
		nx_process_close_out(p);
}

/* A terminal whose last user has gone fails with EIO: that is its end. */
static void on_out(uv_poll_t *poll, int status, int events)
{
	struct nx_process_end *end = poll->data;
	struct nx_process *p = end->process;
	char block[READ_BYTES];
	(void)events;
	ssize_t n = status < 0 ? 0 : read(end->fd, block, sizeof(block));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		nx_process_close_out(p);
		return;
	}
	if ((size_t)n == sizeof(block)) {
		(void)uv_poll_stop(poll);
		(void)nx_timer_start(&p->pause, PAUSE_US, NULL);
	}
	take(p, block, (size_t)n);
}

void nx_process_drain(struct nx_process *p)
{
	char block[READ_BYTES];
	int left = 0;
	if (!p->out || ioctl(p->out->fd, FIONREAD, &left) < 0)
		return;
	while (left > 0) {
		ssize_t n = read(p->out->fd, block, nx_min((size_t)left, sizeof(block)));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		nx_ring_add(&p->ring, block, (size_t)n);
		left -= (int)n;
	}
}

/* ---- input ---- */

static void on_in(uv_poll_t *poll, int status, int events)
{
	struct nx_process_end *end = poll->data;
	(void)events;
	if (status < 0)
		nx_process_close_in(end->process);
	else
		nx_process_write(end->process);
}

void nx_process_write(struct nx_process *p)
{
	while (p->in && p->tx.n) {
		ssize_t n = write(p->in->fd, p->tx.p, p->tx.n); /* loops block all signals: no SIGPIPE */
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (uv_poll_start(&p->in->poll, UV_WRITABLE, on_in) < 0)
				nx_process_close_in(p);
			return;
		}
		if (n < 0) {
			nx_process_close_in(p);
			return;
		}
		nx_buf_consume(&p->tx, (size_t)n);
	}
	if (p->in && p->is_end_asked)
		nx_process_close_in(p);
	else if (p->in)
		(void)uv_poll_stop(&p->in->poll);
}

/* ---- beginning and end ---- */

static void free_end(uv_handle_t *h)
{
	free(h->data);
}

static void close_end(struct nx_process_end *end)
{
	if (!end)
		return;
	uv_close((uv_handle_t *)&end->poll, free_end);
	(void)close(end->fd); /* after the handle, which takes its number out of the loop */
}

void nx_process_close_out(struct nx_process *p)
{
	nx_timer_stop(&p->pause);
	close_end(nx_steal(p->out));
}

void nx_process_close_in(struct nx_process *p)
{
	nx_buf_clear(&p->tx);
	close_end(nx_steal(p->in));
}

/* Takes the descriptor. */
static int watch(struct nx_process *p, int fd, bool is_out, struct nx_error **err)
{
	int flags = fcntl(fd, F_GETFL);
	struct nx_process_end *end = calloc(1, sizeof(*end));
	if (!end || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    uv_poll_init(nx_loop_uv(p->session->e->loop), &end->poll, fd) < 0) {
		free(end);
		(void)close(fd);
		return nx_error_set(err, NX_ENOMEM, "no memory for the streams of a process");
	}
	end->process = p;
	end->fd = fd;
	end->poll.data = end;
	*(is_out ? &p->out : &p->in) = end;
	int n = is_out ? uv_poll_start(&end->poll, UV_READABLE, on_out) : 0;
	return n < 0 ? nx_error_set(err, NX_EIO, "watch a process: %s", uv_strerror(n)) : 0;
}

static int open_pipes(struct nx_process *p, int fds[3], struct nx_error **err)
{
	int in[2], out[2];
	if (NX_FAULT(sandbox_process) || pipe2(in, O_CLOEXEC) < 0)
		return nx_error_set_errno(err, errno ? errno : EMFILE, "make a pipe for a process");
	if (pipe2(out, O_CLOEXEC) < 0) {
		int errnum = errno;
		(void)close(in[0]);
		(void)close(in[1]);
		return nx_error_set_errno(err, errnum, "make a pipe for a process");
	}
	fds[0] = in[0];
	fds[1] = out[1];
	fds[2] = fcntl(out[1], F_DUPFD_CLOEXEC, 3);
	int r = watch(p, in[1], false, err);
	if (r < 0)
		(void)close(out[0]);
	else
		r = watch(p, out[0], true, err);
	if (r == 0 && fds[2] < 0)
		r = nx_error_set_errno(err, errno, "make a pipe for a process");
	return r;
}

/* O_NOCTTY on both sides: it is to be the guest's controlling terminal, and nobody's here. */
static int open_terminal(struct nx_process *p, int fds[3], struct nx_error **err)
{
	char name[64];
	nx_auto_fd int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (NX_FAULT(sandbox_process) || master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0) {
		nx_error_set_errno(err, errno ? errno : EMFILE, "make a terminal");
		return nx_error_hint(err, "the server needs /dev/ptmx and a devpts on /dev/pts");
	}
	fds[0] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	const struct winsize size = {.ws_row = (unsigned short)p->rows, .ws_col = (unsigned short)p->columns};
	if (fds[0] < 0 || ioctl(master, TIOCSWINSZ, &size) < 0)
		return nx_error_set_errno(err, errno, "open a terminal");
	int other = fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (other < 0)
		return nx_error_set_errno(err, errno, "open a terminal");
	int r = watch(p, other, false, err);
	return r < 0 ? r : watch(p, nx_steal_fd(&master), true, err);
}

/* The guest's ends are the caller's, also after an error. */
int nx_process_open(struct nx_process *p, int fds[3], size_t *ret_nfds, struct nx_error **err)
{
	fds[0] = fds[1] = fds[2] = -1;
	*ret_nfds = p->is_terminal ? 1 : 3;
	errno = 0;
	return p->is_terminal ? open_terminal(p, fds, err) : open_pipes(p, fds, err);
}
