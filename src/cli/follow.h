/*
 * A directory that is followed: what is in it, and in the directories below, is in the knowledge store, and what leaves it
 * leaves the store.
 *
 * inotify, by libuv, says that something has changed somewhere; after a moment of quiet the tree is looked at as a whole and
 * set beside what was last seen (path, size, time of change, inode). So a rename is a file that went and one that came, an
 * event that was lost costs nothing once another comes, and an editor that writes thrice is read once. Documents are known
 * by the uri of their file; a line of JSON that names an uri of its own belongs to that, and is left alone.
 */
#ifndef NX_CLI_FOLLOW_H
#define NX_CLI_FOLLOW_H

#include "cli/feed.h"

/* Until SIGINT or SIGTERM. `is_wanted` chooses files by their path. */
int nx_follow(struct nx_cli *c, const char *directory, bool (*is_wanted)(const char *path), struct nx_error **err);

#endif
