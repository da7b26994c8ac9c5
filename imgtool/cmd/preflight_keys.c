// SPDX-License-Identifier: GPL-2.0-only
/* The part of preflight about keys: what the initramfs of each boot that may resume will demand and have. */
#include <stdio.h>
#include <string.h>

#include "cmd/kernels.h"
#include "cmd/preflight.h"
#include "unlock/keys.h"
#include "util/cleanup.h"
#include "util/file.h"

static void check_machine(struct preflight *p, const char *release)
{
	_cleanup_free_ char *id = NULL;
	char was[64];
	size_t len;

	if (kernel_stamp_get(release, "machine_id", was, sizeof(was)) || !was[0])
		return;
	if (file_read_all("/etc/machine-id", &id, &len))
		id = NULL;
	else
		id[strcspn(id, "\n")] = '\0';
	if (!id || strcmp(id, was))
		refuse(&p->refusals, 0, "", "/etc/machine-id",
		       "the initramfs of Linux %s was made for machine %s and would not take this one for it: run "
		       "update-initramfs -u -k %s", release, was, release);
}

static void check_keys(struct preflight *p, const char *release)
{
	char demand[600] = "", inside[300] = "";
	bool other = false, found = false;
	struct ohib_err err = { 0 };

	check_machine(p, release);
	kernel_stamp_get(release, "key", demand, sizeof(demand));
	kernel_stamp_get(release, "key_file", inside, sizeof(inside));
	if (!p->keys || !p->keys->nr) {
		if (demand[0] && strcmp(demand, "none"))
			refuse(&p->refusals, 0, "", "key",
			       "the initramfs of Linux %s resumes sealed images only (key=%s when it was made): "
			       "name a key, or run update-initramfs -u -k %s", release, demand, release);
		return;
	}
	for (unsigned int i = 0; i < p->keys->nr; i++) {
		other |= p->keys->v[i].kind != KEY_FILE;
		found |= p->keys->v[i].kind == KEY_FILE && !strcmp(p->keys->v[i].arg, inside);
	}
	if (found && kernel_stamp_file(release, "key_file_sha256", inside, "the key file in it is not the one of now", &err))
		refuse(other ? &p->warnings : &p->refusals, 0, "", inside, "%s", err.msg);
	if (!other && !found)
		refuse(&p->refusals, 0, "", "key file",
		       "it is not in the initramfs of Linux %s, and the image would have no other key: put "
		       "key=file:%s and initramfs_key_file=yes into overlayctl.conf and run update-initramfs -u "
		       "-k %s, or add --passphrase", release, p->keys->v[0].arg, release);
}

/* A switch that fails, and a trial that ends, are resumed under the image's own kernel. */
void preflight_keys(struct preflight *p)
{
	if (p->image_kernel[0])
		check_keys(p, p->image_kernel);
	if (p->next_kernel[0] && strcmp(p->next_kernel, p->image_kernel))
		check_keys(p, p->next_kernel);
}
