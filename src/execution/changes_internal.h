/* The directories of a watch: a tree by the kernel's numbers, so that one that moves takes along what is below it. */
#ifndef NX_EXECUTION_CHANGES_INTERNAL_H
#define NX_EXECUTION_CHANGES_INTERNAL_H

#include "execution/session_internal.h"

/* ---- changes_tree.c: pure, tested ---- */

struct nx_watched {
	int wd, parent;  /* parent -1: the root of the watch */
	bool is_leaving; /* while it is removed with those above it */
	char *name;      /* below its parent */
};
/* By wd, which the kernel gives in ascending order. */
struct nx_watch_tree {
	struct nx_watched *dirs;
	size_t n, cap;
};
void nx_watch_tree_done(struct nx_watch_tree *t);
struct nx_watched *nx_watch_tree_find(const struct nx_watch_tree *t, int wd); /* NULL: none */
/* What has the number already gets another place. NX_ENOMEM. */
int nx_watch_tree_put(struct nx_watch_tree *t, int wd, int parent, nx_str name, struct nx_error **err);
void nx_watch_tree_remove(struct nx_watch_tree *t, int wd);
/* With all below it; `left` is called for each. */
void nx_watch_tree_prune(struct nx_watch_tree *t, int top, void (*left)(int wd, void *ctx), void *ctx);
/* The number of a directory by its name in another; -1: it is not watched. */
int nx_watch_tree_child(const struct nx_watch_tree *t, int parent, nx_str name);
/* Is `wd` that directory, or below it? */
bool nx_watch_tree_is_below(const struct nx_watch_tree *t, int wd, int top);
/* The path of `name` in the directory `wd`, from the root of the watch; *ret_depth counts its parts. False: it is longer than
 * paths may be, or its directory is not known. */
bool nx_watch_tree_path(const struct nx_watch_tree *t, int wd, nx_str name, char ret[NX_EXEC_PATH_MAX + 1],
			unsigned *ret_depth);

/* ---- changes.c ---- */

void nx_changes_end(struct nx_session *s); /* all watches, with their session */

#endif
