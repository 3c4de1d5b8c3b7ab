#include "execution/spawn_protocol.h"

#include "base/assert.h"
#include "base/macros.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define GIB (INT64_C(1) << 30)
#define HOUR_US INT64_C(3600000000)

static const char *const mechanism_names[] = {
	[NX_MECH_NONE] = "none",       [NX_MECH_CGROUP_V2] = "cgroup-v2", [NX_MECH_CGROUP_V1] = "cgroup-v1",
	[NX_MECH_RLIMIT] = "rlimit",   [NX_MECH_WATCHDOG] = "watchdog",   [NX_MECH_NAMESPACE] = "namespace",
	[NX_MECH_SECCOMP] = "seccomp", [NX_MECH_TMPFS] = "tmpfs",         [NX_MECH_UID] = "uid",
	[NX_MECH_PROXY] = "proxy",     [NX_MECH_LANDLOCK] = "landlock",
};

const char *nx_mechanism_name(enum nx_mechanism m)
{
	return (unsigned)m < NX_MECH_MAX ? mechanism_names[m] : "none";
}

size_t nx_spawn_size(uint16_t type)
{
	switch (type) {
	case NX_SPAWN_HELLO: return sizeof(struct nx_spawn_hello);
	case NX_SPAWN_PREPARE: return sizeof(struct nx_spawn_prepare);
	case NX_SPAWN_PREPARED: return sizeof(struct nx_spawn_prepared);
	case NX_SPAWN_START: return sizeof(struct nx_spawn_start);
	case NX_SPAWN_EXITED: return sizeof(struct nx_spawn_exited);
	case NX_SPAWN_KILL:
	case NX_SPAWN_INTERRUPT:
	case NX_SPAWN_MEASURE: return sizeof(struct nx_spawn_kill);
	case NX_SPAWN_MEASURED: return sizeof(struct nx_spawn_measured);
	case NX_SPAWN_FAILED: return sizeof(struct nx_spawn_failed);
	case NX_SPAWN_REFUSED: return sizeof(struct nx_spawn_refused);
	default: return 0;
	}
}

void nx_spawn_init(union nx_spawn_msg *m, enum nx_spawn_type type, uint64_t run)
{
	memset(m, 0, sizeof(*m));
	m->head = (struct nx_spawn_head){
		.magic = NX_SPAWN_MAGIC, .version = NX_SPAWN_VERSION, .type = (uint16_t)type, .run = run};
}

static bool within(int64_t v, int64_t min, int64_t max)
{
	return v >= min && v <= max;
}

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool texts_fit(const char *text, size_t size, uint32_t count)
{
	const char *p = text, *end = text + size;
	for (uint32_t i = 0; i < count; i++) {
		const char *nul = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;
		if (!nul)
			return false;
		p = nul + 1;
	}
	return true;
}

static const char *check_network(const struct nx_spawn_network *n)
{
	if (!n->is_granted)
		return NULL;
	if (n->nallow > NX_SPAWN_RULES_MAX || n->ndeny > NX_SPAWN_RULES_MAX ||
	    !texts_fit(n->rules, sizeof(n->rules), (uint32_t)n->nallow + n->ndeny))
		return "rules of the network do not fit";
	return within(n->connections, 1, 1024) && within(n->lookups, 0, 1000000) && n->is_public_only <= 1 &&
			       within(n->bytes, 1, 1024 * 1024 * GIB) && within(n->idle_us, 1, 24 * HOUR_US)
		       ? NULL
		       : "network out of range";
}

/* One part of a path, never one that begins with a dot. */
static bool is_image(const char image[NX_SPAWN_IMAGE_MAX])
{
	return ends(image, NX_SPAWN_IMAGE_MAX) && strspn(image, "0123456789abcdef-") == strlen(image);
}

static const char *check_prepare(const struct nx_spawn_prepare *p)
{
	if (!within(p->memory_bytes, 1 << 20, 1024 * 1024 * GIB))
		return "memory out of range";
	if (!within(p->cpu_percent, 1, 10000) || !within(p->cpu_us, 1, 10000 * HOUR_US))
		return "cpu out of range";
	if (!within(p->max_processes, 1, 4096))
		return "processes out of range";
	if (!within(p->box_bytes, 4096, 1024 * GIB) || !within(p->box_inodes, 16, 1 << 24) ||
	    !within(p->file_bytes, 1, 1024 * GIB))
		return "box out of range";
	if (p->cpu_kill > 1)
		return "cpu policy out of range";
	if (p->files.nread > NX_SPAWN_PATHS_MAX || p->files.nwrite > NX_SPAWN_PATHS_MAX ||
	    !texts_fit(p->files.paths, sizeof(p->files.paths), p->files.nread + p->files.nwrite))
		return "paths do not fit";
	if (!is_image(p->image))
		return "no name of an image";
	if (p->ready >= NX_READY_MAX)
		return "readiness out of range";
	return within(p->wall_us, 1, 1000 * HOUR_US) ? check_network(&p->network) : "time out of range";
}

static const char *check_start(const struct nx_spawn_start *s)
{
	if (s->argc < 1 || s->argc > NX_SPAWN_ARGS_MAX || s->envc > NX_SPAWN_ARGS_MAX)
		return "number of arguments out of range";
	if (s->blocked & ~NX_BLOCKED_ALL)
		return "blocked operations out of range";
	if (!texts_fit(s->args, sizeof(s->args), s->argc) || !texts_fit(s->env, sizeof(s->env), s->envc))
		return "arguments do not fit";
	return s->args[0] == '/' ? NULL : "the program is not an absolute path";
}

static const char *check_hello(const struct nx_spawn_hello *h)
{
	if (h->nchecks > NX_SPAWN_CHECKS_MAX || !ends(h->refusal, sizeof(h->refusal)))
		return "malformed hello";
	for (uint32_t i = 0; i < h->nchecks; i++) {
		const struct nx_spawn_check *c = &h->checks[i];
		if (!ends(c->what, sizeof(c->what)) || !ends(c->detail, sizeof(c->detail)) ||
		    !ends(c->fix, sizeof(c->fix)))
			return "malformed check";
	}
	return NULL;
}

static bool goes_to_spawner(uint16_t type)
{
	return type == NX_SPAWN_PREPARE || type == NX_SPAWN_START || type == NX_SPAWN_KILL ||
	       type == NX_SPAWN_INTERRUPT || type == NX_SPAWN_MEASURE;
}

const char *nx_spawn_check(const union nx_spawn_msg *m, size_t n, bool to_spawner)
{
	if (n < sizeof(m->head) || m->head.magic != NX_SPAWN_MAGIC)
		return "not a message";
	if (m->head.version != NX_SPAWN_VERSION)
		return "another version";
	size_t size = nx_spawn_size(m->head.type);
	if (!size || goes_to_spawner(m->head.type) != to_spawner)
		return "unexpected type";
	if (n != size)
		return "wrong size";
	if ((m->head.run == 0) != (m->head.type == NX_SPAWN_HELLO))
		return "run out of range";

	switch (m->head.type) {
	case NX_SPAWN_PREPARE: return check_prepare(&m->prepare);
	case NX_SPAWN_START: return check_start(&m->start);
	case NX_SPAWN_HELLO: return check_hello(&m->hello);
	case NX_SPAWN_FAILED:
		return m->failed.why < NX_SPAWN_WHY_MAX && ends(m->failed.stage, sizeof(m->failed.stage))
			       ? NULL
			       : "malformed failure";
	case NX_SPAWN_REFUSED:
		return ends(m->refused.host, sizeof(m->refused.host)) &&
				       ends(m->refused.reason, sizeof(m->refused.reason))
			       ? NULL
			       : "malformed refusal";
	case NX_SPAWN_EXITED:
		return m->exited.end < NX_SPAWN_END_MAX && m->exited.ready < NX_READY_MAX &&
				       ends(m->exited.stage, sizeof(m->exited.stage))
			       ? NULL
			       : "malformed end";
	default: return NULL;
	}
}

bool nx_spawn_split(char *text, uint32_t count, char **ret)
{
	if (count > NX_SPAWN_ARGS_MAX || !texts_fit(text, NX_SPAWN_TEXT_MAX, count))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		ret[i] = text;
		text += strlen(text) + 1;
	}
	ret[count] = NULL;
	return true;
}

bool nx_spawn_append(char text[NX_SPAWN_TEXT_MAX], size_t *used, const char *s)
{
	size_t n = strlen(s) + 1;
	if (n > NX_SPAWN_TEXT_MAX - *used)
		return false;
	memcpy(text + *used, s, n);
	*used += n;
	return true;
}

static uint64_t mix_texts(uint64_t h, const char *text, uint32_t count)
{
	for (const char *p = text; count > 0 && p < text + NX_SPAWN_TEXT_MAX; p++) {
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3); /* FNV-1a */
		count -= *p == '\0';
	}
	return h;
}

uint64_t nx_spawn_command_key(const struct nx_spawn_start *s)
{
	uint64_t h = mix_texts(UINT64_C(0xcbf29ce484222325), s->args, s->argc);
	return mix_texts(h, s->env, s->envc) | 1;
}

int nx_spawn_send(int sock, const union nx_spawn_msg *m, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * NX_SPAWN_FDS_MAX)];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)m, nx_spawn_size(m->head.type)};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	if (nfds) {
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		nx_assert(c && nfds <= NX_SPAWN_FDS_MAX);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	ssize_t n;
	do
		n = sendmsg(sock, &h, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void take_fds(struct msghdr *h, int *fds, size_t *ret_nfds)
{
	*ret_nfds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*ret_nfds < NX_SPAWN_FDS_MAX)
				fds[(*ret_nfds)++] = fd;
			else
				(void)close(fd);
		}
	}
}

int nx_spawn_recv(int sock, union nx_spawn_msg *m, int *fds, size_t *ret_nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * NX_SPAWN_FDS_MAX)];
	} control;
	struct iovec iov = {m, sizeof(*m)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t n;
	do
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		*ret_nfds = 0;
		return -errno;
	}
	take_fds(&h, fds, ret_nfds);
	if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		while (*ret_nfds)
			(void)close(fds[--*ret_nfds]);
		return -EMSGSIZE;
	}
	return (int)n;
}
