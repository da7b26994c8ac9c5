// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security modules: their labels and policies stay in the kernel that is left, so all but none is refused.
 * A module's part of a blob is at the offset that its *_blob_sizes holds once it runs
 * (lsm_set_blob_size() in security/security.c).
 * Source: security/apparmor/{include/policy_ns.h,lsm.c}, security/landlock/, security/selinux/.
 */
#include <errno.h>

#include "translate/xlate.h"

/* A module is there, so its fields must be known: else what it does would go unseen. */
static bool known(struct xlate *x, enum field f)
{
	if (x_has(x, f))
		return true;
	ohib_err_set(&x->err, -ENOENT, "%s.%s: no such field in this kernel", field_rows[f].type,
		     field_rows[f].path);
	return false;
}

/* Word of the module @sizes in the blob of @cred; 0: the module does not run. */
static u64 cred_word(struct xlate *x, u64 cred, const char *running, size_t len, const char *sizes)
{
	u64 on = symbols_addr(x->syms, running), at = symbols_addr(x->syms, sizes), blob, word = 0;
	u32 runs = 0;

	if (!on || !at || !known(x, F_CRED_SECURITY) || !known(x, F_LSM_BLOB_CRED))
		return 0;
	x_read(x, on, &runs, len, running);
	blob = x_u64(x, cred, F_CRED_SECURITY);
	if (!runs || !blob)
		return 0;
	x_read(x, blob + (s32)x_u64(x, at, F_LSM_BLOB_CRED), &word, sizeof(word), sizes);
	return word;
}

/* The root namespace of AppArmor; 0: it does not run. */
static u64 apparmor_ns(struct xlate *x)
{
	u64 at = symbols_addr(x->syms, "root_ns"), ns = 0;

	if (at && known(x, F_AANS_UNCONFINED) && known(x, F_AANS_PROFILES))
		x_read(x, at, &ns, sizeof(ns), "root_ns");
	return ns;
}

static void apparmor_label(struct xlate *x, u64 cred)
{
	u64 label = cred_word(x, cred, "apparmor_initialized", 4, "apparmor_blob_sizes");
	u64 ns = apparmor_ns(x), name;
	char *text = NULL;

	if (!label || !ns || !known(x, F_AAPROFILE_LABEL) || !known(x, F_AALABEL_HNAME) ||
	    label == x_addr(x, x_u64(x, ns, F_AANS_UNCONFINED), F_AAPROFILE_LABEL))
		return;
	name = x_u64(x, label, F_AALABEL_HNAME);
	if (name)
		text = x_str(x, name, 128);
	x_refuse(x, "is confined by AppArmor (%s), which cannot be carried yet", text ? text : "?");
}

void xlate_cred_security(struct xlate *x, u64 cred)
{
	apparmor_label(x, cred);
	if (cred_word(x, cred, "landlock_initialized", 1, "landlock_blob_sizes"))
		x_refuse(x, "is confined by Landlock, which cannot be carried yet");
}

void xlate_security(struct xlate *x)
{
	u64 ns = apparmor_ns(x), at = symbols_addr(x->syms, "selinux_state"), head;
	u8 loaded = 0;

	x->pid = 0;
	x->comm[0] = '\0';
	x_object(x, "security");
	if (ns) {
		head = x_addr(x, ns, F_AANS_PROFILES);
		if (x_u64(x, head, F_LIST_NEXT) != head)
			x_refuse(x, "AppArmor profiles are loaded, which cannot be carried yet");
	}
	if (at && known(x, F_SELINUX_POLICY) && x_u64(x, at, F_SELINUX_POLICY))
		x_refuse(x, "SELinux has a policy loaded, which cannot be carried yet");
	at = symbols_addr(x->syms, "tomoyo_policy_loaded");
	if (at)
		x_read(x, at, &loaded, sizeof(loaded), "tomoyo_policy_loaded");
	if (loaded)
		x_refuse(x, "TOMOYO has a policy loaded, which cannot be carried yet");
}
