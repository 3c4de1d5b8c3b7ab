#include "cli/follow.h"

#include "base/clock.h"
#include "cli/verbs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <uv.h>

#define QUIET_MS 300      /* after the last event, before the tree is looked at */
#define AGAIN_MS 5000     /* after a round that the server did not take */
#define DIRECTORIES 16384 /* more are refused; inotify's own limit comes first on most hosts */

struct seen { /* a file, as it was when it was last sent; one that could not be read waits for a change, too */
	const char *path;
	int64_t size, changed_ns;
	uint64_t inode;
};

struct watched {
	uv_fs_event_t event;
	char *path;
	struct follow *follow;
	bool is_there;
};

struct follow {
	struct nx_cli *cli;
	char root[PATH_MAX];
	bool (*is_wanted)(const char *path);
	uv_loop_t loop;
	uv_timer_t timer;
	uv_signal_t signals[2];
	struct nx_arena *memory; /* of what was seen */
	struct seen *seen;       /* sorted by path */
	size_t nseen;
	struct watched **watched; /* DIRECTORIES of them at most */
	size_t nwatched;
	struct nx_arena *round; /* of one look */
	struct nx_error *err;   /* what ends it */
};

/* ---- directories ---- */

static void free_watched(uv_handle_t *h)
{
	struct watched *w = h->data;
	free(w->path);
	free(w);
}

static void on_event(uv_fs_event_t *e, const char *name, int events, int status);

static bool is_watched(struct follow *f, const char *path)
{
	for (size_t i = 0; i < f->nwatched; i++) {
		if (strcmp(f->watched[i]->path, path) != 0)
			continue;
		f->watched[i]->is_there = true;
		return true;
	}
	return false;
}

static struct watched *new_watched(struct follow *f, const char *path)
{
	struct watched *w = calloc(1, sizeof(*w));
	char *copy = strdup(path);
	if (!w || !copy || uv_fs_event_init(&f->loop, &w->event) < 0) {
		free(copy);
		free(w);
		return NULL;
	}
	w->path = copy;
	w->follow = f;
	w->is_there = true;
	return w;
}

static int watch(struct follow *f, const char *path, struct nx_error **err)
{
	if (is_watched(f, path))
		return 0;
	if (f->nwatched == DIRECTORIES)
		return nx_error_set(err, NX_ELIMIT, "%s: more than %d directories to follow", f->root, DIRECTORIES);
	struct watched *w = new_watched(f, path);
	if (!w)
		return nx_error_set(err, NX_ENOMEM, "no memory to follow %s", path);
	w->event.data = w;
	f->watched[f->nwatched++] = w;
	int n = uv_fs_event_start(&w->event, on_event, path, 0);
	if (n < 0 && n != UV_ENOENT) {
		nx_error_set(err, NX_ELIMIT, "%s cannot be followed: %s", path, uv_strerror(n));
		return nx_error_hint(err, "sysctl fs.inotify.max_user_watches=524288");
	}
	return 0;
}

static int watch_below(struct follow *f, const char *path, unsigned depth, struct nx_error **err)
{
	char child[PATH_MAX];
	int rc = watch(f, path, err);
	DIR *d = rc == 0 && depth < 16 ? opendir(path) : NULL;
	for (struct dirent *e; rc == 0 && d && (e = readdir(d));) {
		struct stat st;
		if (e->d_name[0] == '.' || snprintf(child, sizeof(child), "%s/%s", path, e->d_name) >= PATH_MAX ||
		    lstat(child, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		rc = watch_below(f, child, depth + 1, err);
	}
	if (d)
		(void)closedir(d);
	return rc;
}

static void forget(struct follow *f, bool all)
{
	size_t n = 0;
	for (size_t i = 0; i < f->nwatched; i++) {
		if (!all && f->watched[i]->is_there)
			f->watched[n++] = f->watched[i];
		else
			uv_close((uv_handle_t *)&f->watched[i]->event, free_watched);
	}
	f->nwatched = n;
}

static int watch_tree(struct follow *f, struct nx_error **err)
{
	for (size_t i = 0; i < f->nwatched; i++)
		f->watched[i]->is_there = false;
	int rc = watch_below(f, f->root, 0, err);
	forget(f, false);
	return rc;
}

/* ---- files ---- */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct seen *)a)->path, ((const struct seen *)b)->path);
}

static const struct seen *find(const struct seen *v, size_t n, const char *path)
{
	struct seen key = {.path = path};
	return n ? bsearch(&key, v, n, sizeof(key), by_path) : NULL;
}

/* The tree as it is now; what vanishes meanwhile is not in it. */
static int look(struct follow *f, struct nx_arena *a, struct seen **ret, size_t *ret_n, struct nx_error **err)
{
	struct nx_cli_files files = {0};
	size_t n = 0;
	int rc = nx_cli_find_files(f->cli, f->root, f->is_wanted, &files, err);
	if (rc < 0)
		return rc;
	struct seen *v = nx_arena_array(a, struct seen, files.n + 1);
	for (size_t i = 0; v && i < files.n; i++) {
		struct stat st;
		if (stat(files.paths[i], &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		v[n] = (struct seen){.path = nx_arena_strdup(a, files.paths[i]),
				     .size = st.st_size,
				     .changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
				     .inode = st.st_ino};
		if (!v[n++].path)
			v = NULL;
	}
	if (!v)
		return nx_error_set(err, NX_ENOMEM, "no memory to follow %s", f->root);
	qsort(v, n, sizeof(*v), by_path);
	*ret = v;
	*ret_n = n;
	return 0;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
	return a->size == b->size && a->changed_ns == b->changed_ns && a->inode == b->inode;
}

static void tell(const struct follow *f, const char *what, const struct seen *s)
{
	if (f->cli->json)
		return;
	fprintf(stderr, "%s %s\n", what, s->path + strlen(f->root) + 1);
}

/* One at a time, so that a file that cannot be read is named and passed over, and the next is sent. */
static int send_file(struct follow *f, struct nx_feed *feed, const struct seen *s, struct nx_error **err)
{
	struct nx_error *why = NULL;
	struct nx_feed one = {.cli = feed->cli, .follows = true};
	int rc = nx_feed_add(&one, s->path, s->path + strlen(f->root) + 1, &why);
	if (rc == 0)
		rc = nx_feed_run(&one, &why);
	if (rc == 0) {
		feed->inserted += one.inserted;
		feed->updated += one.updated;
		feed->deleted += one.deleted;
		if (one.inserted || one.updated || one.deleted)
			tell(f, one.updated ? "updated" : "stored", s);
		return 0;
	}
	if (rc == NX_EUNREACHABLE || rc == NX_EBUSY || rc == NX_EUNAUTHORIZED || rc == NX_ENETWORK)
		return nx_error_move(err, why);
	fprintf(stderr, "nexus: %s: %s\n", s->path, nx_error_message(why));
	nx_error_free(why);
	return 0;
}

static int send_changed(struct follow *f, struct nx_feed *feed, const struct seen *now, size_t n, struct nx_error **err)
{
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct seen *before = find(f->seen, f->nseen, now[i].path);
		if (!before || !is_same(before, &now[i]))
			rc = send_file(f, feed, &now[i], err);
	}
	return rc;
}

static int delete_gone(struct follow *f, struct nx_feed *feed, const struct seen *now, size_t n, struct nx_error **err)
{
	int rc = 0;
	for (size_t i = 0; i < f->nseen && rc == 0; i++) {
		if (find(now, n, f->seen[i].path))
			continue;
		rc = nx_feed_delete(feed, f->seen[i].path, NULL, NULL, err);
		if (rc == 0)
			tell(f, "deleted", &f->seen[i]);
	}
	return rc;
}

static int round_of(struct follow *f, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_feed feed = {.cli = f->cli};
	struct seen *now = NULL;
	size_t n = 0;
	int rc = a ? watch_tree(f, err) : nx_error_set(err, NX_ENOMEM, "no memory to follow %s", f->root);
	if (rc == 0)
		rc = look(f, a, &now, &n, err);
	/* Files that came first: a rename never leaves the store without the document. */
	if (rc == 0)
		rc = send_changed(f, &feed, now, n, err);
	if (rc == 0)
		rc = delete_gone(f, &feed, now, n, err);
	if (rc < 0) /* what was seen before stays, so that all of it is done again: what was sent is unchanged then */
		return rc;
	nx_arena_free(f->memory);
	f->memory = nx_steal(a);
	f->seen = now;
	f->nseen = n;
	return 0;
}

/* Memory of a look ends with it. */
static int look_and_send(struct follow *f, struct nx_error **err)
{
	struct nx_arena *before = f->cli->arena;
	f->cli->arena = f->round;
	int rc = round_of(f, err);
	f->cli->arena = before;
	nx_arena_reset(f->round);
	return rc;
}

/* ---- the loop ---- */

static bool passes(int code)
{
	return code == NX_EUNREACHABLE || code == NX_EBUSY || code == NX_ENETWORK || code == NX_ETIMEOUT;
}

static void on_timer(uv_timer_t *t)
{
	struct follow *f = t->data;
	struct nx_error *err = NULL;
	int rc = look_and_send(f, &err);
	if (rc == 0)
		return;
	if (!passes(rc)) {
		f->err = err;
		uv_stop(&f->loop);
		return;
	}
	fprintf(stderr, "nexus: %s; it is tried again\n", nx_error_message(err));
	nx_error_free(err);
	(void)uv_timer_start(t, on_timer, AGAIN_MS, 0);
}

static void on_event(uv_fs_event_t *e, const char *name, int events, int status)
{
	struct follow *f = ((struct watched *)e->data)->follow;
	(void)name;
	(void)events;
	(void)status;
	(void)uv_timer_start(&f->timer, on_timer, QUIET_MS, 0);
}

static void on_signal(uv_signal_t *s, int number)
{
	(void)number;
	uv_stop(((struct follow *)s->data)->loop.data);
}

static int open_loop(struct follow *f, struct nx_error **err)
{
	static const int numbers[] = {SIGINT, SIGTERM};
	f->watched = calloc(DIRECTORIES, sizeof(*f->watched));
	if (!f->watched || uv_loop_init(&f->loop) < 0)
		return nx_error_set(err, NX_ENOMEM, "no memory to follow %s", f->root);
	f->loop.data = &f->loop;
	(void)uv_timer_init(&f->loop, &f->timer);
	f->timer.data = f;
	for (size_t i = 0; i < nx_countof(numbers); i++) {
		(void)uv_signal_init(&f->loop, &f->signals[i]);
		f->signals[i].data = f;
		(void)uv_signal_start(&f->signals[i], on_signal, numbers[i]);
	}
	return 0;
}

static void close_loop(struct follow *f)
{
	forget(f, true);
	uv_close((uv_handle_t *)&f->timer, NULL);
	uv_close((uv_handle_t *)&f->signals[0], NULL);
	uv_close((uv_handle_t *)&f->signals[1], NULL);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&f->loop);
	free(f->watched);
	nx_arena_free(f->memory);
	nx_arena_free(f->round);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The path of an uri that nx_feed_uri made; false: it is another one. */
static bool path_of(nx_str uri, char ret[PATH_MAX])
{
	size_t n = 0;
	for (size_t i = sizeof("file://") - 1; i < uri.n && n < PATH_MAX - 1; i++) {
		int high = uri.p[i] == '%' && i + 2 < uri.n ? hex_digit(uri.p[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(uri.p[i + 2]) : -1;
		ret[n++] = low >= 0 ? (char)(high << 4 | low) : uri.p[i];
		i += low >= 0 ? 2 : 0;
	}
	ret[n] = '\0';
	return n > 0;
}

/* What is in the store from a file that is not there any more: it went while nobody followed. */
static bool is_there(void *ctx, nx_str name, nx_str uri)
{
	const struct follow *f = ctx;
	char path[PATH_MAX];
	(void)name;
	return path_of(uri, path) && find(f->seen, f->nseen, path);
}

static int delete_old(struct follow *f, struct nx_error **err)
{
	struct nx_feed feed = {.cli = f->cli};
	char *below = nx_arena_printf(f->cli->arena, "%s/", f->root);
	return below ? nx_feed_delete(&feed, below, is_there, f, err) : nx_error_set(err, NX_ENOMEM, "list documents");
}

int nx_follow(struct nx_cli *c, const char *directory, bool (*is_wanted)(const char *path), struct nx_error **err)
{
	struct follow f = {.cli = c, .is_wanted = is_wanted, .round = nx_arena_new(0)};
	struct stat st;
	if (!f.round || !realpath(directory, f.root) || stat(f.root, &st) < 0 || !S_ISDIR(st.st_mode)) {
		nx_arena_free(f.round);
		return nx_error_set(err, NX_ENOTFOUND, "%s is not a directory", directory);
	}
	int rc = open_loop(&f, err);
	if (rc < 0) {
		free(f.watched);
		nx_arena_free(f.round);
		return rc;
	}
	rc = round_of(&f, err); /* in the arena of the verb, in which the server of a verb alone is named */
	if (rc == 0)
		rc = delete_old(&f, err);
	if (rc == 0) {
		if (!c->json)
			fprintf(stderr, "following %s with %zu files; Ctrl-C ends it\n", f.root, f.nseen);
		(void)uv_run(&f.loop, UV_RUN_DEFAULT);
	}
	close_loop(&f);
	return f.err ? nx_error_move(err, f.err) : rc;
}
