// SPDX-License-Identifier: GPL-2.0-only
/* Directory notification by signal (F_NOTIFY), which is refused. Source: fs/notify/dnotify/dnotify.c. */
#include "translate/xlate.h"

#define X_NOTIFY_MAX 65536

/* Each mark is a directory; its chain has an entry for each file that asked. */
static int one_mark(struct xlate *x, u64 node, void *file)
{
	u64 fsn = x_container(x, node, F_FSN_MARK_GLIST), dn;
	int n = 0;

	for (dn = x_u64(x, x_container(x, fsn, F_DNOTIFY_MARK_FSN), F_DNOTIFY_MARK_DN); dn && !x_failed(x);
	     dn = x_u64(x, dn, F_DNOTIFY_NEXT)) {
		if (++n > X_NOTIFY_MAX) {
			ohib_err_set(&x->err, -EINVAL, "%s: its notifications have no end", x->object);
			break;
		}
		if (x_u64(x, dn, F_DNOTIFY_FILE) == *(u64 *)file) {
			x_refuse(x, "asks for signals upon changes (F_NOTIFY), which cannot be carried yet");
			break;
		}
	}
	return x->err.code;
}

void xlate_dnotify(struct xlate *x, u64 file)
{
	u64 at, group = 0;

	if (!x_has(x, F_DNOTIFY_MARK_DN)) /* CONFIG_DNOTIFY */
		return;
	at = x_sym(x, "dnotify_group");
	if (at)
		x_read(x, at, &group, sizeof(group), "dnotify_group");
	if (group)
		x_list(x, x_addr(x, group, F_FSN_GROUP_MARKS), one_mark, &file);
}
