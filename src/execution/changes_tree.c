#include "execution/changes_internal.h"

void nx_watch_tree_done(struct nx_watch_tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->dirs[i].name);
	free(t->dirs);
	*t = (struct nx_watch_tree){0};
}

/* The first that is not before `wd`. */
static size_t place_of(const struct nx_watch_tree *t, int wd)
{
	size_t low = 0, high = t->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (t->dirs[middle].wd < wd)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct nx_watched *nx_watch_tree_find(const struct nx_watch_tree *t, int wd)
{
	size_t i = place_of(t, wd);
	return i < t->n && t->dirs[i].wd == wd ? &t->dirs[i] : NULL;
}

/* Room for one more at its place. NULL: no memory. */
static struct nx_watched *insert(struct nx_watch_tree *t, int wd)
{
	size_t cap = t->n < t->cap ? t->cap : t->cap * 2 + 16, i = place_of(t, wd);
	struct nx_watched *dirs = cap == t->cap ? t->dirs : realloc(t->dirs, cap * sizeof(*dirs));
	if (!dirs)
		return NULL;
	t->dirs = dirs;
	t->cap = cap;
	memmove(dirs + i + 1, dirs + i, (t->n - i) * sizeof(*dirs));
	t->n++;
	dirs[i] = (struct nx_watched){.wd = wd};
	return &dirs[i];
}

int nx_watch_tree_put(struct nx_watch_tree *t, int wd, int parent, nx_str name, struct nx_error **err)
{
	char *copy = strndup(name.n ? name.p : "", name.n);
	struct nx_watched *d = copy ? nx_watch_tree_find(t, wd) : NULL;
	if (copy && !d)
		d = insert(t, wd);
	if (!d) {
		free(copy);
		return nx_error_set(err, NX_ENOMEM, "no memory for a watched directory");
	}
	free(d->name);
	d->name = copy;
	d->parent = parent;
	return 0;
}

void nx_watch_tree_remove(struct nx_watch_tree *t, int wd)
{
	struct nx_watched *d = nx_watch_tree_find(t, wd);
	if (!d)
		return;
	free(d->name);
	size_t i = (size_t)(d - t->dirs);
	memmove(d, d + 1, (t->n - i - 1) * sizeof(*d));
	t->n--;
}

void nx_watch_tree_prune(struct nx_watch_tree *t, int top, void (*left)(int wd, void *ctx), void *ctx)
{
	size_t kept = 0;
	for (size_t i = 0; i < t->n; i++)
		t->dirs[i].is_leaving = nx_watch_tree_is_below(t, t->dirs[i].wd, top);
	for (size_t i = 0; i < t->n; i++) {
		if (!t->dirs[i].is_leaving) {
			t->dirs[kept++] = t->dirs[i];
			continue;
		}
		left(t->dirs[i].wd, ctx);
		free(t->dirs[i].name);
	}
	t->n = kept;
}

int nx_watch_tree_child(const struct nx_watch_tree *t, int parent, nx_str name)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->dirs[i].parent == parent && nx_str_eqz(name, t->dirs[i].name))
			return t->dirs[i].wd;
	return -1;
}

bool nx_watch_tree_is_below(const struct nx_watch_tree *t, int wd, int top)
{
	const struct nx_watched *d;
	for (size_t steps = 0; steps <= t->n && (d = nx_watch_tree_find(t, wd)); steps++, wd = d->parent)
		if (wd == top)
			return true;
	return false;
}

/* Written from its end. Paths are short: the bound on steps is only for a tree that were broken. */
bool nx_watch_tree_path(const struct nx_watch_tree *t, int wd, nx_str name, char ret[NX_EXEC_PATH_MAX + 1],
			unsigned *ret_depth)
{
	char text[NX_EXEC_PATH_MAX + 1];
	size_t at = sizeof(text), steps = 0;
	unsigned depth = 0;
	nx_str part = name;
	for (;;) {
		if (part.n) {
			if (part.n + (depth > 0) > at - 1)
				return false;
			if (depth > 0)
				text[--at] = '/';
			at -= part.n;
			memcpy(text + at, part.p, part.n);
			depth++;
		}
		if (wd < 0)
			break;
		const struct nx_watched *d = nx_watch_tree_find(t, wd);
		if (!d || steps++ > t->n)
			return false;
		part = nx_str_z(d->name);
		wd = d->parent;
	}
	memcpy(ret, text + at, sizeof(text) - at);
	ret[sizeof(text) - at] = '\0';
	*ret_depth = depth;
	return true;
}
