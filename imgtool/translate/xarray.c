// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading struct xarray (page caches, id tables).
 * Source: lib/xarray.c, include/linux/xarray.h; the layout of nodes is the same in all kernels so far.
 */
#include <errno.h>

#include "translate/xlate.h"

#define XA_SLOTS 64u	/* XA_CHUNK_SIZE; BASE_SMALL kernels are not x86-64 */
#define XA_DEPTH_MAX 11u
#define ENTRIES_MAX (1u << 26)	/* 256 GiB of small pages in one file */

static bool is_internal(u64 entry)
{
	return (entry & 3) == 2;
}

/* Internal entries up to 4096 are siblings, retries and reservations; above, pointers to nodes. */
static bool is_node(u64 entry)
{
	return is_internal(entry) && entry > 4096;
}

static int bad_node(struct xlate *x, u64 node)
{
	return ohib_err_pid(&x->err, x->pid, -EINVAL, "xarray node at %#llx makes no sense",
			    (unsigned long long)node);
}

static int read_node(struct xlate *x, u64 entry, u64 slots[XA_SLOTS], unsigned int *shift)
{
	u64 node = entry - 2;

	*shift = x_u64(x, node, F_XAN_SHIFT);
	if (*shift > 60)
		return bad_node(x, node);
	x_read(x, x_addr(x, node, F_XAN_SLOTS), slots, XA_SLOTS * sizeof(*slots), "xa_node.slots");
	return x->err.code;
}

struct walk {
	int (*fn)(struct xlate *x, u64 index, u64 nr, u64 entry, void *arg);
	void *arg;
	u32 left;	/* entries: nodes that are within others many times would never end */
};

static int walk_node(struct xlate *x, u64 entry, u64 index, unsigned int above, struct walk *w)
{
	u64 slots[XA_SLOTS];
	unsigned int i, n, shift;
	int r;

	r = read_node(x, entry, slots, &shift);
	if (r)
		return r;
	if (shift >= above)
		return bad_node(x, entry - 2);
	for (i = 0; i < XA_SLOTS; i += n) {
		n = 1;
		if (!slots[i])
			continue;
		if (is_node(slots[i])) {
			r = walk_node(x, slots[i], index + ((u64)i << shift), shift, w);
		} else if (is_internal(slots[i])) {
			continue;
		} else {
			/* xa_mk_sibling(): the slot that the entry begins at, as an internal entry */
			while (i + n < XA_SLOTS && slots[i + n] == (i << 2 | 2))
				n++;
			r = w->left-- ? w->fn(x, index + ((u64)i << shift), (u64)n << shift, slots[i], w->arg) :
					bad_node(x, entry - 2);
		}
		if (r)
			return r;
	}
	return x->err.code;
}

int x_xarray_ranges(struct xlate *x, u64 xa,
		    int (*fn)(struct xlate *x, u64 index, u64 nr, u64 entry, void *arg), void *arg)
{
	struct walk w = { .fn = fn, .arg = arg, .left = ENTRIES_MAX };
	u64 head = x_u64(x, xa, F_XA_HEAD);

	if (!head || x_failed(x))
		return x->err.code;
	if (is_node(head))
		return walk_node(x, head, 0, 64, &w);
	return is_internal(head) ? 0 : fn(x, 0, 1, head, arg);
}

struct single {
	int (*fn)(struct xlate *x, u64 index, u64 entry, void *arg);
	void *arg;
};

static int one_range(struct xlate *x, u64 index, u64 nr, u64 entry, void *arg)
{
	const struct single *s = arg;

	(void)nr;
	return s->fn(x, index, entry, s->arg);
}

int x_xarray(struct xlate *x, u64 xa, int (*fn)(struct xlate *x, u64 index, u64 entry, void *arg),
	     void *arg)
{
	struct single s = { fn, arg };

	return x_xarray_ranges(x, xa, one_range, &s);
}

u64 x_xarray_get(struct xlate *x, u64 xa, u64 index)
{
	u64 entry = x_u64(x, xa, F_XA_HEAD), base = 0;
	unsigned int depth, shift = 0;

	if (!is_node(entry) && index)
		return 0;
	for (depth = 0; is_node(entry) && !x_failed(x); depth++) {
		u64 node = entry - 2, slot;

		shift = x_u64(x, node, F_XAN_SHIFT);
		if (shift > 60 || depth > XA_DEPTH_MAX) {
			bad_node(x, node);
			return 0;
		}
		slot = (index - base) >> shift;
		if (slot >= XA_SLOTS)
			return 0;
		x_read(x, x_addr(x, node, F_XAN_SLOTS) + slot * 8, &entry, 8, "xa_node.slots");
		if (is_internal(entry) && entry >> 2 < slot && !is_node(entry)) {
			slot = entry >> 2;
			x_read(x, x_addr(x, node, F_XAN_SLOTS) + slot * 8, &entry, 8, "xa_node.slots");
			if (is_internal(entry))
				return 0;
		}
		base += slot << shift;
	}
	return x_failed(x) || is_internal(entry) ? 0 : entry;
}
