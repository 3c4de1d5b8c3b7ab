/* Watches of a session's files on the loop: the kernel's events, what they mean, and the watches that follow from them. */
#include "execution/changes.h"

#include "base/fault.h"
#include "base/io.h"
#include "execution/changes_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>

/* One piece for a client: some dozens of events. The rest waits in the kernel. */
#define PIECE_BYTES 4096
/* The second half of a move comes with the first, or at once after it. */
#define PAIR_US (20 * NX_USEC_PER_MSEC)
#define MASK                                                                                               \
	(IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | \
	 IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)
#define UPLOAD ".upload-" /* as session_files.c names what is not whole yet */

struct watch_handle { /* freed when libuv has let go of it */
	uv_poll_t poll;
	struct nx_changes *changes;
};

struct nx_changes {
	struct nx_session *session;
	struct nx_changes *next;
	struct nx_follow *follow;
	int queue, work; /* of inotify; the work directory */
	int root_wd;
	nx_str base; /* its path, "" or with a last "/" */
	char base_text[NX_EXEC_PATH_MAX + 2];
	struct nx_watch_tree tree;
	struct watch_handle *handle;
	bool is_ready_told, is_told; /* is_told: something of the piece that is being made */
	/* the first half of a move */
	struct nx_timer pair;
	uint32_t cookie; /* 0: none */
	int from_wd;
	bool from_is_dir, is_from_upload;
	char from[NX_EXEC_PATH_MAX + 1], from_name[NAME_MAX + 1];
	char last[NX_EXEC_PATH_MAX + 1]; /* path that was told as modified just before; "": none */
};

/* ---- telling ---- */

static void tell(struct nx_changes *c, const char *event, const char *from, const char *path, bool is_dir)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = a ? nx_json_new(a) : NULL;
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	nx_str json;
	bool ok = o && nx_utf8_valid(nx_str_z(path)) && (!from || nx_utf8_valid(nx_str_z(from)));
	if (ok && from)
		ok = nx_json_add_strz(d, o, "from", nx_arena_printf(a, "%s%s", c->base_text, from));
	nx_str whole = path[0] && ok ? nx_str_z(nx_arena_printf(a, "%s%s", c->base_text, path)) : c->base;
	ok = ok && nx_json_add_str(d, o, "path", whole) && yyjson_mut_obj_add_bool(d, o, "is_directory", is_dir);
	c->last[0] = '\0';
	if (!ok || nx_json_write(a, o, false, &json, NULL) < 0)
		return; /* a name that is no text: lists do not have it either */
	c->is_told = true;
	c->follow->on_event(c->follow, event, 0, json);
}

static void tell_overflow(struct nx_changes *c, const char *reason)
{
	char json[160];
	int n = snprintf(json, sizeof(json), "{\"reason\":\"%s\"}", reason);
	c->is_told = true;
	c->last[0] = '\0';
	c->follow->on_event(c->follow, "overflow", 0, nx_str_n(json, (size_t)n));
}

/* ---- watches ---- */

static int explain(const struct nx_changes *c, int errnum, struct nx_error **err)
{
	if (errnum == ENOSPC)
		nx_error_set(err, NX_ELIMIT,
			     "the kernel has no watches left for this user (fs.inotify.max_user_watches)");
	else if (errnum == EMFILE)
		nx_error_set(err, NX_ELIMIT,
			     "this user has as many watches open as it may (fs.inotify.max_user_instances)");
	else if (errnum == ELOOP || errnum == ENOTDIR || errnum == ENOENT || errnum == EXDEV)
		return nx_error_set(err, NX_ENOTFOUND, "the session has no directory \"%.*s\"", NX_FMT(c->base));
	else
		return nx_error_set_errno(err, errnum, "watch the session's files");
	return nx_error_hint(err, "raise it with sysctl");
}

/* By the descriptor, so that it is this very directory, whatever the guest does with its name meanwhile. */
static int add_watch(struct nx_changes *c, int dir, int parent, nx_str name, int *ret_wd, struct nx_error **err)
{
	char path[40];
	const int64_t max = c->session->e->config->sandbox_max_watches;
	if ((int64_t)c->tree.n >= max)
		return nx_error_set(err, NX_ELIMIT, "there are more directories than %lld (sandbox.max_watches)",
				    (long long)max);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/.", dir);
	errno = ENOSPC;
	int wd = NX_FAULT(sandbox_watch) ? -1 : inotify_add_watch(c->queue, path, MASK);
	if (wd < 0)
		return explain(c, errno, err);
	*ret_wd = wd;
	return nx_watch_tree_put(&c->tree, wd, parent, name, err);
}

/* A directory by its path from the one that is watched; "" is that one. */
static int open_below(const struct nx_changes *c, const char *path)
{
	char whole[2 * NX_EXEC_PATH_MAX + 4];
	snprintf(whole, sizeof(whole), "./%s%s", c->base_text, path);
	return nx_open_beneath(c->work, whole, O_RDONLY | O_DIRECTORY, 0);
}

static int watch_below(struct nx_changes *c, int dir, int wd, bool is_new, struct nx_error **err);

/* Of an entry of a directory that is watched. What is no directory any more needs no watch. */
static int watch_entry(struct nx_changes *c, int parent_dir, int parent, const char *name, bool is_new,
		       struct nx_error **err)
{
	char path[NX_EXEC_PATH_MAX + 1];
	unsigned depth;
	int wd;
	if (!nx_watch_tree_path(&c->tree, parent, nx_str_z(name), path, &depth) || depth >= NX_EXEC_PATH_PARTS)
		return 0;
	nx_auto_fd int dir = nx_open_beneath(parent_dir, name, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return 0;
	int r = add_watch(c, dir, parent, nx_str_z(name), &wd, err);
	return r < 0 ? r : watch_below(c, dir, wd, is_new, err);
}

/* is_new: what it holds was made before it was watched, and is told. */
static int watch_below(struct nx_changes *c, int dir, int wd, bool is_new, struct nx_error **err)
{
	int r = 0, other = nx_open_beneath(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = other < 0 ? NULL : fdopendir(other);
	if (!d) {
		if (other >= 0)
			(void)close(other);
		return 0;
	}
	for (struct dirent *e; r == 0 && (e = readdir(d));) {
		char path[NX_EXEC_PATH_MAX + 1];
		unsigned depth;
		bool is_dir = e->d_type == DT_DIR;
		if (nx_is_dots(e->d_name))
			continue;
		if (is_new && nx_watch_tree_path(&c->tree, wd, nx_str_z(e->d_name), path, &depth))
			tell(c, "created", NULL, path, is_dir);
		if (is_dir)
			r = watch_entry(c, dir, wd, e->d_name, is_new, err);
	}
	(void)closedir(d);
	return r;
}

static void watch_new(struct nx_changes *c, int parent, const char *name, const char *path)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_auto_fd int dir = open_below(c, path);
	unsigned depth;
	char whole[NX_EXEC_PATH_MAX + 1];
	int wd;
	if (dir < 0 || !nx_watch_tree_path(&c->tree, parent, nx_str_z(name), whole, &depth) ||
	    depth >= NX_EXEC_PATH_PARTS)
		return;
	if (add_watch(c, dir, parent, nx_str_z(name), &wd, &err) < 0 || watch_below(c, dir, wd, true, &err) < 0)
		tell_overflow(c, nx_error_code(err) == NX_ELIMIT
					 ? "no watch is left for a new directory (sandbox.max_watches)"
					 : "a new directory could not be watched");
}

/* Its IN_IGNORED finds nothing more. */
static void rm_watch(int wd, void *ctx)
{
	const struct nx_changes *c = ctx;
	(void)inotify_rm_watch(c->queue, wd);
}

/* ---- what events mean ---- */

/* The other half did not come: it has left. */
static void settle_move(struct nx_changes *c)
{
	nx_timer_stop(&c->pair);
	if (!c->cookie)
		return;
	c->cookie = 0;
	if (c->is_from_upload)
		return;
	int wd = c->from_is_dir ? nx_watch_tree_child(&c->tree, c->from_wd, nx_str_z(c->from_name)) : -1;
	if (wd >= 0) /* what is below it is out of sight */
		nx_watch_tree_prune(&c->tree, wd, rm_watch, c);
	tell(c, "deleted", NULL, c->from, c->from_is_dir);
}

static void begin_move(struct nx_changes *c, const struct inotify_event *e, const char *path)
{
	c->cookie = e->cookie;
	c->from_wd = e->wd;
	c->from_is_dir = e->mask & IN_ISDIR;
	c->is_from_upload = strncmp(e->name, UPLOAD, sizeof(UPLOAD) - 1) == 0;
	snprintf(c->from, sizeof(c->from), "%s", path);
	snprintf(c->from_name, sizeof(c->from_name), "%s", e->name);
	(void)nx_timer_start(&c->pair, PAIR_US, NULL);
}

static void end_move(struct nx_changes *c, const struct inotify_event *e, const char *path)
{
	bool is_dir = e->mask & IN_ISDIR;
	bool is_pair = c->cookie && c->cookie == e->cookie;
	if (!is_pair)
		settle_move(c);
	c->cookie = 0;
	nx_timer_stop(&c->pair);
	if (!is_pair || c->is_from_upload) {
		tell(c, "created", NULL, path, is_dir);
		if (is_dir)
			watch_new(c, e->wd, e->name, path);
		return;
	}
	int wd = is_dir ? nx_watch_tree_child(&c->tree, c->from_wd, nx_str_z(c->from_name)) : -1;
	if (wd >= 0)
		(void)nx_watch_tree_put(&c->tree, wd, e->wd, nx_str_z(e->name), NULL);
	tell(c, "moved", c->from, path, is_dir);
	if (is_dir && wd < 0)
		watch_new(c, e->wd, e->name, path); /* it was too deep where it came from */
}

static void take_modified(struct nx_changes *c, const char *path)
{
	if (strcmp(c->last, path) == 0)
		return;
	tell(c, "modified", NULL, path, false);
	snprintf(c->last, sizeof(c->last), "%s", path);
}

static void take_entry(struct nx_changes *c, const struct inotify_event *e)
{
	char path[NX_EXEC_PATH_MAX + 1];
	unsigned depth;
	bool is_dir = e->mask & IN_ISDIR, is_upload = strncmp(e->name, UPLOAD, sizeof(UPLOAD) - 1) == 0;
	if (!nx_watch_tree_path(&c->tree, e->wd, nx_str_z(e->name), path, &depth))
		return;
	if (e->mask & IN_MOVED_TO) {
		end_move(c, e, path);
		return;
	}
	settle_move(c);
	if (e->mask & IN_MOVED_FROM) {
		begin_move(c, e, path);
	} else if (is_upload) {
		return;
	} else if (e->mask & IN_CREATE) {
		tell(c, "created", NULL, path, is_dir);
		if (is_dir)
			watch_new(c, e->wd, e->name, path);
	} else if (e->mask & IN_DELETE) {
		tell(c, "deleted", NULL, path, is_dir);
	} else if (e->mask & IN_MODIFY) {
		take_modified(c, path);
	}
}

/* False: what was asked for is no more. */
static bool take_event(struct nx_changes *c, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW) {
		settle_move(c);
		tell_overflow(c, "changes came faster than they were read");
	} else if (e->wd == c->root_wd && e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
		tell(c, "deleted", NULL, "", true);
		return false;
	} else if (e->mask & IN_IGNORED) {
		nx_watch_tree_remove(&c->tree, e->wd);
	} else if (e->len > 0) {
		take_entry(c, e);
	}
	return true;
}

/* ---- the follower ---- */

static void free_handle(uv_handle_t *h)
{
	free(h->data);
}

static void free_changes(struct nx_changes *c)
{
	nx_timer_stop(&c->pair);
	if (c->handle)
		uv_close((uv_handle_t *)&c->handle->poll, free_handle);
	if (c->queue >= 0)
		(void)close(c->queue);
	if (c->work >= 0)
		(void)close(c->work);
	nx_watch_tree_done(&c->tree);
	free(c);
}

static void unlist(struct nx_follow *f)
{
	struct nx_changes *c = nx_steal(f->of);
	if (!c)
		return;
	struct nx_changes **at = &c->session->changes;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->session->nfollowers--;
	free_changes(c);
}

static void over(struct nx_changes *c)
{
	struct nx_follow *f = c->follow;
	unlist(f);
	f->on_over(f);
}

void nx_changes_end(struct nx_session *s)
{
	while (s->changes)
		over(s->changes);
}

/* One piece, then the client asks for the next. */
static void flush(struct nx_changes *c)
{
	if (!c->is_told)
		return;
	c->is_told = false;
	c->follow->is_hungry = false;
	c->follow->on_piece(c->follow);
}

static void on_queue(uv_poll_t *poll, int status, int events);

static void arm(struct nx_changes *c)
{
	if (c->follow->is_hungry)
		(void)uv_poll_start(&c->handle->poll, UV_READABLE, on_queue);
	else
		(void)uv_poll_stop(&c->handle->poll);
}

static void on_queue(uv_poll_t *poll, int status, int events)
{
	struct watch_handle *h = poll->data;
	struct nx_changes *c = h->changes;
	_Alignas(struct inotify_event) char block[PIECE_BYTES];
	(void)events;
	ssize_t n = status < 0 ? -1 : read(c->queue, block, sizeof(block));
	if (n < 0 && status == 0 && (errno == EAGAIN || errno == EINTR))
		return;
	bool goes_on = n > 0;
	for (ssize_t at = 0; goes_on && at < n;) {
		const struct inotify_event *e = (const struct inotify_event *)(const void *)(block + at);
		goes_on = take_event(c, e);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	flush(c);
	if (goes_on)
		arm(c);
	else
		over(c);
}

static void on_pair(struct nx_timer *t)
{
	struct nx_changes *c = nx_container_of(t, struct nx_changes, pair);
	settle_move(c);
	flush(c);
	arm(c);
}

static void feed(struct nx_follow *f)
{
	struct nx_changes *c = f->of;
	if (!c || !f->is_hungry)
		return;
	if (!c->is_ready_told) {
		c->is_ready_told = c->is_told = true;
		f->on_event(f, "ready", 0, NX_STR("{}"));
		flush(c);
	}
	arm(c);
}

/* ---- beginning ---- */

/* The directory itself is not kept open: while it were, the kernel would not tell that it is deleted. */
static int open_root(struct nx_changes *c, nx_str path, int *ret, struct nx_error **err)
{
	if (path.n && nx_exec_path_check(path, err) < 0)
		return nx_error_at(err, "/path");
	snprintf(c->base_text, sizeof(c->base_text), "%.*s%s", NX_FMT(path), path.n ? "/" : "");
	c->base = nx_str_n(c->base_text, path.n);
	c->work = nx_open_beneath(c->session->box, "work", O_RDONLY | O_DIRECTORY, 0);
	*ret = c->work < 0 ? -1 : open_below(c, "");
	return *ret < 0 ? explain(c, errno, err) : 0;
}

static int open_queue(struct nx_changes *c, struct nx_error **err)
{
	c->queue = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (c->queue < 0)
		return explain(c, errno, err);
	c->handle = calloc(1, sizeof(*c->handle));
	if (!c->handle || uv_poll_init(nx_loop_uv(c->session->e->loop), &c->handle->poll, c->queue) < 0) {
		free(nx_steal(c->handle));
		return nx_error_set(err, NX_ENOMEM, "no memory for a watch");
	}
	c->handle->changes = c;
	c->handle->poll.data = c->handle;
	return 0;
}

static int begin(struct nx_follow *f, struct nx_error **err)
{
	struct nx_session *s;
	if (nx_follow_need_session(f, &s, err) < 0)
		return nx_error_code(*err);
	struct nx_changes *c = calloc(1, sizeof(*c));
	if (!c)
		return nx_error_set(err, NX_ENOMEM, "no memory for a watch");
	c->session = s;
	c->follow = f;
	c->queue = c->work = -1;
	nx_timer_init(&c->pair, s->e->loop, on_pair);
	nx_auto_fd int root = -1;
	int r = open_root(c, f->path, &root, err);
	if (r == 0)
		r = open_queue(c, err);
	if (r == 0)
		r = add_watch(c, root, -1, NX_STR(""), &c->root_wd, err);
	if (r == 0)
		r = watch_below(c, root, c->root_wd, false, err);
	if (r < 0) {
		free_changes(c);
		return r;
	}
	c->next = s->changes;
	s->changes = c;
	s->nfollowers++;
	f->of = c;
	return 0;
}

static const struct nx_follow_source source = {.begin = begin, .feed = feed, .unlist = unlist};

void nx_changes_follow(struct nx_execution *e, struct nx_follow *f)
{
	nx_follow_begin(e, f, &source);
}
