// SPDX-License-Identifier: GPL-2.0-only
/* Pipes and FIFOs: both ends from one pipe, with its size and what was not read yet. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kinds.h"

/* Hangs on m_pipe.restore. */
struct pipe_obj {
	int end[2];	/* read, write; a FIFO's are one O_RDWR descriptor */
	bool given[2];	/* the descriptor itself is an open file of the machine's */
};

static int fill(struct restore *r, struct m_pipe *p, int w)
{
	int fl = fcntl(w, F_GETFL), ret = 0;

	for (size_t i = 0; !ret && i < p->bufs.n; i++) {
		const struct m_pipe_buf *b = &p->bufs.v[i];

		if (fcntl(w, F_SETFL, O_NONBLOCK | (b->packet ? O_DIRECT : 0)) ||
		    write(w, b->data, b->len) != (ssize_t)b->len)
			ret = r_fail(r, -errno, "cannot put %u bytes back into a pipe", b->len);
	}
	if (fcntl(w, F_SETFL, fl))
		ret = r_fail(r, -errno, "cannot set a pipe's flags");
	return ret;
}

/* The name of a FIFO that has none any more is lent to it while it is opened. */
static int open_fifo(struct restore *r, struct m_file *f)
{
	const char *path = f->path->path, *slash = strrchr(path, '/');
	char *dir_path = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd, dir;

	if (!f->path->unlinked) {
		free(dir_path);
		return path_open(r, path, O_RDWR | O_NONBLOCK, 0);
	}
	dir = dir_path ? path_open(r, dir_path, O_PATH | O_DIRECTORY, 0) : -ENOMEM;
	free(dir_path);
	if (dir < 0)
		return dir;
	if (mkfifoat(dir, slash + 1, 0600)) {
		fd = -errno;
	} else {
		fd = openat(dir, slash + 1, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
		unlinkat(dir, slash + 1, 0);
	}
	close(dir);
	return fd;
}

static int make(struct restore *r, struct m_file *f)
{
	struct m_pipe *p = f->pipe;
	struct pipe_obj *o = calloc(1, sizeof(*o));
	int ret;

	if (!o || vec_push(&r->pipes, p)) {
		free(o);
		return r_fail(r, -ENOMEM, "no memory");
	}
	p->restore = o;
	o->end[0] = o->end[1] = -1;
	if (p->fifo && f->path) {
		o->end[0] = o->end[1] = open_fifo(r, f);
		if (o->end[0] < 0)
			return r_fail(r, o->end[0], "cannot open FIFO %s", f->path->path);
		o->given[1] = true; /* one descriptor: closed once */
	} else if (pipe2(o->end, O_CLOEXEC)) {
		return r_fail(r, -errno, "cannot make a pipe");
	}
	/* Who opens /dev/stderr or /dev/fd/N is asked whether he may. */
	if ((!p->fifo || !f->path || f->path->unlinked) &&
	    (fchown(o->end[0], p->uid, p->gid) || fchmod(o->end[0], p->mode)))
		return r_fail(r, -errno, "cannot set the owner of a pipe");
	ret = p->capacity ? fcntl(o->end[1], F_SETPIPE_SZ, p->capacity) : 0;
	if (ret < 0)
		return r_fail(r, -errno, "cannot make a pipe %llu bytes long",
			      (unsigned long long)p->capacity);
	return fill(r, p, o->end[1]);
}

static int open_pipe(struct restore *r, struct m_file *f, int *fd)
{
	int acc = (int)(f->flags & O_ACCMODE), end = acc != O_RDONLY, ret;
	struct pipe_obj *o;
	char path[40];

	if (!f->pipe)
		return r_fail(r, -EINVAL, "a pipe's end without its pipe");
	if (!f->pipe->restore && (ret = make(r, f)))
		return ret;
	o = f->pipe->restore;
	/* The pipe's own ends first; any further one is opened by way of /proc, as it was. */
	if (!f->pipe->fifo && acc != O_RDWR && !o->given[end]) {
		o->given[end] = true;
		*fd = o->end[end];
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", o->end[end]);
	*fd = open(path, acc | O_NONBLOCK | O_CLOEXEC);
	return *fd < 0 ? r_fail(r, -errno, "cannot open a pipe's end again") : 0;
}

void pipes_close(struct restore *r)
{
	struct m_pipe *p;

	vec_foreach(p, &r->pipes) {
		struct pipe_obj *o = p->restore;

		for (int i = 0; i < 2; i++)
			if (!o->given[i] && o->end[i] >= 0)
				close(o->end[i]);
		free(o);
		p->restore = NULL;
	}
	vec_free(&r->pipes);
}

const struct restore_kind kind_pipe = { .id = M_FILE_PIPE, .name = "pipe", .open = open_pipe };
