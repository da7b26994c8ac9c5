// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys. Key rings themselves are made anew when they are asked for, so an empty one (that of a login: its
 * session's, with the user's in it) is no loss; a key in one would be, if anybody can still get at it. Rings that begin with a dot are the
 * kernel's own, which user space cannot make. Source: security/keys/, lib/assoc_array.c.
 */
#include <errno.h>
#include <string.h>

#include "translate/xlate.h"

#define KEY_FLAG_DEAD 0
#define KEY_FLAG_REVOKED 1
#define DEPTH_MAX 64

static char *type_of(struct xlate *x, u64 key)
{
	u64 type = x_u64(x, key, F_KEY_TYPE), name = type ? x_u64(x, type, F_KEYTYPE_NAME) : 0;

	return name ? x_str(x, name, 64) : NULL;
}

struct ring {
	u64 key;
	char *name;
	bool reached;		/* user space can get at it */
	bool seen;
};

struct rings {
	VEC(struct ring) list;
	VEC(u64) held;		/* by threads of the machine, as their own or their process's */
	struct ring *at;	/* the one that is looked into */
	u32 left;
};

/* Nobody gets at it any more; it is collected minutes later. 0, or the largest number as of 6.7: it does not expire. */
static bool expired(struct xlate *x, u64 key)
{
	s64 at = x_s64(x, key, F_KEY_EXPIRY);

	return at > 0 && at <= x->clocks.real / (s64)NSEC_PER_SEC;
}

static void one_key(struct xlate *x, struct rings *rings, u64 key)
{
	u64 flags = x_u64(x, key, F_KEY_FLAGS), desc = x_u64(x, key, F_KEY_DESC);
	char *type = type_of(x, key), *text;

	/* a negative one only remembers that there is none */
	if (flags & (1 << KEY_FLAG_DEAD | 1 << KEY_FLAG_REVOKED) || x_s64(x, key, F_KEY_STATE) < 0 || expired(x, key) || !type)
		return;
	if (!strcmp(type, "keyring")) {
		for (size_t i = 0; i < rings->list.n; i++)
			rings->list.v[i].reached |= rings->list.v[i].key == key;
		return;
	}
	text = desc ? x_str(x, desc, 128) : NULL;
	x_object(x, "key ring %s of user %u", rings->at->name, (u32)x_u64(x, key, F_KEY_UID));
	x_refuse(x, "holds the key \"%s\" (%s), which cannot be carried", text ? text : "?", type);
}

/* Pointers are tagged: bit 0 nodes and shortcuts, bit 1 shortcuts; of leaves it says key ring. */
static void walk(struct xlate *x, struct rings *rings, u64 ptr, u32 depth)
{
	u64 slots[16] = {};

	if (!ptr || x_failed(x))
		return;
	if (depth > DEPTH_MAX || !rings->left--) {
		ohib_err_set(&x->err, -ELOOP, "key ring %s has no end", rings->at->name);
		return;
	}
	if (!(ptr & 1)) {
		one_key(x, rings, ptr & ~3ull);
		return;
	}
	if (ptr & 2) {
		walk(x, rings, x_u64(x, ptr & ~3ull, F_ASSOC_NEXT), depth + 1);
		return;
	}
	x_bytes(x, ptr & ~3ull, F_ASSOC_SLOTS, slots, sizeof(slots));
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		walk(x, rings, slots[i], depth + 1);
}

/*
 * The ring of a thread or process that has ended may live on in credentials that the kernel has kept, where
 * user space does not get at it any more: those of cryptsetup, with the key of the disk, in
 * the file by which the kernel has opened that disk (drivers/md/dm.c, open_table_device; closed in 6.12.117 at the latest).
 */
static bool is_orphan(const struct rings *rings, u64 key, const char *name)
{
	if (strcmp(name, "_tid") && strcmp(name, "_pid"))
		return false;
	for (size_t i = 0; i < rings->held.n; i++)
		if (rings->held.v[i] == key)
			return false;
	return true;
}

static int one_serial(struct xlate *x, u64 node, void *arg)
{
	u64 key = x_container(x, node, F_KEY_NODE), desc = x_u64(x, key, F_KEY_DESC);
	struct rings *rings = arg;
	struct ring ring = { .key = key };
	char *type = type_of(x, key);

	if (!type || strcmp(type, "keyring") || !desc)
		return x->err.code;
	ring.name = x_str(x, desc, 128);
	if (!ring.name || ring.name[0] == '.')
		return x->err.code;
	ring.reached = !is_orphan(rings, key, ring.name);
	if (vec_push(&rings->list, ring))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return x->err.code;
}

static void hold(struct xlate *x, struct rings *rings, u64 cred)
{
	static const enum field own[] = { F_CRED_THREAD_RING, F_CRED_PROCESS_RING };

	for (size_t i = 0; cred && i < ARRAY_SIZE(own); i++) {
		u64 ring = x_u64(x, cred, own[i]);

		if (ring && vec_push(&rings->held, ring))
			ohib_err_set(&x->err, -ENOMEM, "out of memory");
	}
}

void xlate_keys(struct xlate *x)
{
	u64 tree = symbols_addr(x->syms, "key_serial_tree"), root = 0;
	struct rings rings = { .at = NULL };
	struct m_process *p;
	struct m_thread *t;
	bool more = true;

	if (!tree)
		return; /* CONFIG_KEYS=n */
	vec_foreach(p, &x->m->processes)
		vec_foreach(t, &p->threads) {
			hold(x, &rings, x_u64(x, t->kaddr, F_TASK_CRED));
			hold(x, &rings, x_u64(x, t->kaddr, F_TASK_REAL_CRED));
		}
	x->pid = 0;
	x->comm[0] = '\0';
	x_read(x, tree, &root, sizeof(root), "key_serial_tree");
	x_rbtree(x, root, one_serial, &rings);
	/* A ring may be in another one. */
	while (more && !x_failed(x)) {
		more = false;
		for (size_t i = 0; i < rings.list.n; i++) {
			struct ring *ring = &rings.list.v[i];

			if (!ring->reached || ring->seen)
				continue;
			ring->seen = more = true;
			rings.at = ring;
			rings.left = X_LIST_MAX;
			walk(x, &rings, x_u64(x, ring->key, F_KEY_KEYS), 0);
		}
	}
	vec_free(&rings.list);
	vec_free(&rings.held);
}
