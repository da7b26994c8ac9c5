/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Contents of files on disk that are open or mapped and have no name, and what is to be known of such
 * folders: collected before the file systems are frozen, put back by restore. The format is
 * image/ghosts_format.h.
 */
#pragma once

#include "util/err.h"
#include "util/types.h"

struct machine;
struct ohib_image;
struct ghosts;

#define GHOSTS_BYTES_MAX (256u << 20)	/* of all of them: memory, and the image's section */

/* What m_ghost.ghost_id and a record are known by. Never 0. */
u64 ghost_id(u64 dev, u64 ino);

/*
 * Read every nameless file that a process has open, mapped, runs or stands in, through /proc. To be called when
 * user tasks are frozen and file systems are not. @data is to be freed by the caller; NULL and 0
 * when there is none. -EFBIG: more than @max bytes, with the file's name in @err. -EPERM: a file that could not be written again.
 */
int ghosts_collect(size_t max, void **data, size_t *len, struct ohib_err *err);

/* The same of a single process. */
int ghosts_collect_process(pid_t pid, size_t max, void **data, size_t *len, struct ohib_err *err);

/* Check a section and index it; @data is taken over, also on failure. -EBADMSG. */
int ghosts_parse(void *data, size_t len, struct ghosts **out, struct ohib_err *err);
/* The section of an image; an image without one gives an empty index. */
int ghosts_from_image(struct ohib_image *img, struct ghosts **out, struct ohib_err *err);
void ghosts_free(struct ghosts *g);

bool ghosts_has(const struct ghosts *g, u64 id);
/*
 * Write contents, owner, mode, attributes, times and flags of @id into the empty file or folder @fd. -ENOENT: no such ghost.
 */
int ghosts_write(const struct ghosts *g, u64 id, int fd, struct ohib_err *err);

/* Refuse the files of @m whose contents should be in @g and are not. */
void ghosts_check(const struct ghosts *g, struct machine *m);
