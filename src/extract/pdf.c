/* PDF, by the programs of poppler: they run where this program does, in its sandbox. */
#include "base/macros.h"
#include "extract/foreign_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#define COMPLAINT_MAX 4096
#define INFO_MAX 65536

extern char **environ;

struct child {
	pid_t pid;
	int out, err;
};

static int start(struct child *c, int fd, char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int out[2] = {-1, -1}, complaints[2] = {-1, -1};
	if (lseek(fd, 0, SEEK_SET) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	int r = pipe2(complaints, O_CLOEXEC) < 0 ? errno : posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = posix_spawn_file_actions_adddup2(&actions, fd, 0);
		if (r == 0)
			r = posix_spawn_file_actions_adddup2(&actions, out[1], 1);
		if (r == 0)
			r = posix_spawn_file_actions_adddup2(&actions, complaints[1], 2);
		if (r == 0)
			r = posix_spawnp(&c->pid, argv[0], &actions, NULL, argv, environ);
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	(void)close(out[1]);
	if (complaints[1] >= 0)
		(void)close(complaints[1]);
	c->out = out[0];
	c->err = complaints[0];
	return -r;
}

/* Reads what there is; false at the end. What is over `max` is read and dropped. */
static bool drain(int fd, struct nx_buf *b, size_t max)
{
	char block[16384];
	ssize_t n = read(fd, block, sizeof(block));
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n > 0)
		nx_buf_add(b, block, nx_min((size_t)n, b->n < max ? max - b->n : 0));
	return n > 0;
}

static int finish(struct child *c, struct nx_buf *out, size_t max, struct nx_buf *complaints, int *ret_status)
{
	struct pollfd p[2] = {{.fd = c->out, .events = POLLIN}, {.fd = c->err, .events = POLLIN}};
	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (p[0].revents && !drain(c->out, out, max))
			p[0].fd = -1;
		if (p[1].revents && !drain(c->err, complaints, COMPLAINT_MAX))
			p[1].fd = -1;
	}
	(void)close(c->out);
	(void)close(c->err);
	while (waitpid(c->pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return nx_buf_failed(out) ? -ENOMEM : 0;
}

static int run(int fd, char *const argv[], struct nx_buf *out, size_t max, struct nx_buf *complaints, int *ret_status)
{
	struct child c = {.pid = -1, .out = -1, .err = -1};
	int r = start(&c, fd, argv);
	return r < 0 ? r : finish(&c, out, max, complaints, ret_status);
}

/* The last line but for those that are only warnings. */
static nx_str first_complaint(const struct nx_buf *b)
{
	nx_str rest = nx_buf_str(b);
	while (rest.n) {
		nx_str line = nx_str_trim(nx_str_cut(&rest, '\n'));
		if (line.n && !nx_str_starts(line, NX_STR("Syntax Warning")))
			return line;
	}
	return NX_STR("it is damaged");
}

static int is_refused(const struct nx_buf *complaints, struct nx_error **err)
{
	if (nx_str_find(nx_buf_str(complaints), NX_STR("Incorrect password")) >= 0) {
		nx_error_set(err, NX_EFORBIDDEN, "it is locked with a password");
		return nx_error_hint(err, "unlock it first: qpdf --decrypt --password=… in.pdf out.pdf");
	}
	nx_str why = nx_utf8_truncate(first_complaint(complaints), 200);
	return nx_error_set(err, NX_ETYPE, "it is not a PDF file that can be read: %.*s", NX_FMT(why));
}

/* Titles that programs make up are none. */
static nx_str title_of(nx_str info)
{
	static const char *const junk[] = {"Microsoft Word", "Microsoft PowerPoint", "untitled", "Untitled", NULL};
	nx_str title = NX_STR_NULL;
	while (info.n) {
		nx_str line = nx_str_cut(&info, '\n');
		if (nx_str_starts(line, NX_STR("Title:")))
			title = nx_str_trim(nx_str_slice(line, 6, line.n));
	}
	for (size_t i = 0; junk[i]; i++)
		if (nx_str_starts(title, nx_str_z(junk[i])))
			return NX_STR_NULL;
	return nx_utf8_valid(title) ? title : NX_STR_NULL;
}

static nx_str read_title(int fd, struct nx_buf *info)
{
	static char name[] = "pdfinfo", enc[] = "-enc", utf8[] = "UTF-8", in[] = "-";
	char *const argv[] = {name, enc, utf8, in, NULL};
	nx_auto_buf struct nx_buf complaints = NX_BUF_INIT;
	int status;
	return run(fd, argv, info, INFO_MAX, &complaints, &status) == 0 && status == 0 ? title_of(nx_buf_str(info))
										       : NX_STR_NULL;
}

int nx_pdf_extract(int fd, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *ret,
		   struct nx_error **err)
{
	static char name[] = "pdftotext", enc[] = "-enc", utf8[] = "UTF-8", eol[] = "-eol", unix_eol[] = "unix",
		    in[] = "-", out[] = "-";
	char *const argv[] = {name, enc, utf8, eol, unix_eol, in, out, NULL};
	nx_auto_buf struct nx_buf text = NX_BUF_INIT, complaints = NX_BUF_INIT, info = NX_BUF_INIT;
	int status = 0;
	int r = run(fd, argv, &text, l->max_text + 1, &complaints, &status);
	if (r == -ENOENT) {
		nx_error_set(err, NX_EMISSING, "pdftotext, which reads PDF files, is not there");
		return nx_error_hint(err, "apt-get install poppler-utils");
	}
	if (r < 0)
		return nx_error_set_errno(err, -r, "run pdftotext");
	if (status != 0)
		return is_refused(&complaints, err);
	return nx_pdf_text_extract(nx_buf_str(&text), read_title(fd, &info), l, a, ret, err);
}
