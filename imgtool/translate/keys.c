// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys. Key rings themselves are made anew when they are asked for, so an empty one (that of a login: its
 * session's, with the user's in it) is no loss; a key in one would be. Rings that begin with a dot are the
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

static void one_key(struct xlate *x, u64 key, const char *ring)
{
	u64 flags = x_u64(x, key, F_KEY_FLAGS), desc = x_u64(x, key, F_KEY_DESC);
	char *type = type_of(x, key), *text;

	/* a negative one only remembers that there is none */
	if (flags & (1 << KEY_FLAG_DEAD | 1 << KEY_FLAG_REVOKED) || x_s64(x, key, F_KEY_STATE) < 0 ||
	    !type || !strcmp(type, "keyring"))
		return;
	text = desc ? x_str(x, desc, 128) : NULL;
	x_object(x, "key ring %s of user %u", ring, (u32)x_u64(x, key, F_KEY_UID));
	x_refuse(x, "holds the key \"%s\" (%s), which cannot be carried", text ? text : "?", type);
}

/* Pointers are tagged: bit 0 nodes and shortcuts, bit 1 shortcuts; of leaves it says key ring. */
static void walk(struct xlate *x, u64 ptr, u32 depth, u32 *left, const char *ring)
{
	u64 slots[16] = {};

	if (!ptr || x_failed(x))
		return;
	if (depth > DEPTH_MAX || !(*left)--) {
		ohib_err_set(&x->err, -ELOOP, "key ring %s has no end", ring);
		return;
	}
	if (!(ptr & 1)) {
		one_key(x, ptr & ~3ull, ring);
		return;
	}
	if (ptr & 2) {
		walk(x, x_u64(x, ptr & ~3ull, F_ASSOC_NEXT), depth + 1, left, ring);
		return;
	}
	x_bytes(x, ptr & ~3ull, F_ASSOC_SLOTS, slots, sizeof(slots));
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		walk(x, slots[i], depth + 1, left, ring);
}

static int one_serial(struct xlate *x, u64 node, void *arg)
{
	u64 key = x_container(x, node, F_KEY_NODE), desc = x_u64(x, key, F_KEY_DESC);
	u32 left = X_LIST_MAX;
	char *type = type_of(x, key), *ring;

	(void)arg;
	if (!type || strcmp(type, "keyring") || !desc)
		return x->err.code;
	ring = x_str(x, desc, 128);
	if (ring && ring[0] != '.')
		walk(x, x_u64(x, key, F_KEY_KEYS), 0, &left, ring);
	return x->err.code;
}

void xlate_keys(struct xlate *x)
{
	u64 tree = symbols_addr(x->syms, "key_serial_tree"), root = 0;

	if (!tree)
		return; /* CONFIG_KEYS=n */
	x->pid = 0;
	x->comm[0] = '\0';
	x_read(x, tree, &root, sizeof(root), "key_serial_tree");
	x_rbtree(x, root, one_serial, NULL);
}
