/*
 * Changes of a session's files, told as they happen: inotify on the directories of its work directory, from outside.
 *
 * A watch has one descriptor of the kernel's queue, and one watch for each directory below the path that is asked for, at
 * most sandbox.max_watches. The kernel queues while the client is slow; what it drops then is told as `overflow`, as is a
 * directory that there was no watch left for: the client lists the files again. What lies deeper than lists of files go is
 * not watched.
 *
 * Events: `ready` (what changes from now on is told), `created` (is there now: new, moved in, or put in the place of
 * another), `modified`, `deleted` (or moved out), `moved` (`from`, `path`), `overflow` (`reason`). Paths begin at the work
 * directory. What is in a directory that was made a moment ago may be told twice.
 */
#ifndef NX_EXECUTION_CHANGES_H
#define NX_EXECUTION_CHANGES_H

#include "execution/process.h"

/* As nx_process_follow, with `path` a directory, empty: the work directory. NX_ENOTFOUND: it is none; NX_ELIMIT: it has more
 * directories than sandbox.max_watches, or the kernel gives no more watches. */
void nx_changes_follow(struct nx_execution *e, struct nx_follow *f);

#endif
