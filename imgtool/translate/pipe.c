// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pipes and FIFOs: size, and what was written and not read yet.
 * Source: include/linux/pipe_fs_i.h, fs/pipe.c. The ring's slots from tail up to head are in use;
 * both run freely and wrap, and the ring's size is a power of two.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "translate/kinds.h"

#define PIPE_BUF_FLAG_PACKET 0x08
/* LRU, ATOMIC, GIFT, PACKET, CAN_MERGE, WHOLE; above is LOSS, of notification pipes */
#define PIPE_BUF_FLAGS_KNOWN 0x3f
#define RING_MAX (1u << 20)	/* slots; fs.pipe-max-size is 256 by default */
#define BUF_MAX (1u << 22)	/* bytes in one slot: a huge page at most */
#define PIPE_MAX (1u << 30)	/* bytes in all of them */

static bool page_uptodate(struct xlate *x, u64 page)
{
	u64 head = x_u64(x, page, F_PAGE_COMPOUND_HEAD);

	if (head & 1)
		page = head - 1;
	return x_bit(x_u64(x, page, F_PAGE_FLAGS), x->f->value[E_PG_UPTODATE]);
}

/* @total: bytes in the slots before. */
static void pipe_buf(struct xlate *x, u64 buf, struct m_pipe *p, u64 *total)
{
	struct m_pipe_buf b = { .len = x_u64(x, buf, F_PIPEBUF_LEN) };
	u64 flags = x_u64(x, buf, F_PIPEBUF_FLAGS), page = x_u64(x, buf, F_PIPEBUF_PAGE);
	u64 ops = x_u64(x, buf, F_PIPEBUF_OPS);
	int r;

	*total += b.len;
	if (flags & ~(u64)PIPE_BUF_FLAGS_KNOWN || b.len > BUF_MAX || *total > PIPE_MAX || !page) {
		if (!x->live)
			x_refuse(x, "has a buffer of %u bytes with flags %#llx, which makes no "
				 "sense", b.len, (unsigned long long)flags);
		return;
	}
	/* spliced out of the page cache: the page may still be waiting for the disk */
	if (symbols_is(x->syms, ops, "page_cache_pipe_buf_ops") &&
	    !page_uptodate(x, page)) {
		x_refuse(x, "holds a page of a file that has not been read from its disk yet");
		return;
	}
	b.packet = flags & PIPE_BUF_FLAG_PACKET;
	b.data = x_alloc(x, b.len);
	if (!b.data)
		return;
	r = x_page_bytes(x, page, x_u64(x, buf, F_PIPEBUF_OFFSET), b.data, b.len);
	if (r && !x->live)
		x_refuse(x, "holds %u bytes that cannot be read: %s", b.len, strerror(-r));
	x_push(x, &p->bufs, b);
}

static struct m_pipe *xlate_pipe(struct xlate *x, u64 pipe, u64 inode)
{
	struct m_pipe *p = map_get(&x->pipes, pipe);
	u64 size, bufs, total = 0;
	u32 head, at;

	if (p || !pipe || x_failed(x))
		return p;
	p = x_new(x, struct m_pipe);
	if (!p)
		return NULL;
	p->kaddr = pipe;
	p->ino = x_u64(x, inode, F_INODE_INO);
	p->uid = x_u64(x, inode, F_INODE_UID);
	p->gid = x_u64(x, inode, F_INODE_GID);
	p->mode = x_u64(x, inode, F_INODE_MODE) & 07777;
	/* fs/pipe.c pipe_fcntl(F_GETPIPE_SZ) */
	p->capacity = x_u64(x, pipe, F_PIPE_MAX_USAGE) * OHIB_PAGE_SIZE;
	head = x_u64(x, pipe, F_PIPE_HEAD);
	at = x_u64(x, pipe, F_PIPE_TAIL);
	size = x_u64(x, pipe, F_PIPE_RING_SIZE);
	bufs = x_u64(x, pipe, F_PIPE_BUFS);
	if (x_has(x, F_PIPE_WATCH_QUEUE) && x_u64(x, pipe, F_PIPE_WATCH_QUEUE))
		x_refuse(x, "is a notification pipe (O_NOTIFICATION_PIPE)");
	if (!size || size & (size - 1) || size > RING_MAX || head - at > size) {
		if (!x->live)
			ohib_err_pid(&x->err, x->pid, -EINVAL, "pipe %#llx: slots %u..%u of %llu",
				     (unsigned long long)pipe, at, head,
				     (unsigned long long)size);
	} else {
		for (; at != head && !x_failed(x); at++)
			pipe_buf(x, bufs + (at & (size - 1)) * x->f->size[T_PIPEBUF], p,
				 &total);
	}
	x_push(x, &x->m->pipes, p);
	if (map_put(&x->pipes, pipe, p))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return x_failed(x) ? NULL : p;
}

/* pipefifo_fops; anonymous pipes have pipeanon_fops from 6.15 on */
static bool pipe_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file;
	return S_ISFIFO(mode) && (!strcmp(fop, "pipefifo_fops") || !strcmp(fop, "pipeanon_fops"));
}

static void pipe_translate(struct xlate *x, u64 file, struct m_file *f)
{
	f->pipe = xlate_pipe(x, x_u64(x, file, F_FILE_PRIVATE), f->inode_kaddr);
	if (f->pipe)
		f->pipe->fifo = f->path && f->path->mnt;
}

const struct xlate_kind xlate_kind_pipe = {
	.kind = M_FILE_PIPE,
	.name = "pipe",
	.match = pipe_match,
	.translate = pipe_translate,
};
