// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of preflight about what lies between the file systems and the disks: RAID, encryption, LVM. The initramfs
 * of the next kernel has to put it together again before the reloader mounts anything, and a trial's layer is
 * beside all of it.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cmd/kernels.h"
#include "cmd/preflight.h"
#include "disk/stack.h"
#include "machine/machine.h"
#include "dm/dm.h"
#include "trial/trial.h"
#include "util/cleanup.h"
#include "util/file.h"

/* What the hook has found in the initramfs of the next kernel when it made it. */
struct boot_disks {
	char tools[64], crypt[512];	/* words, divided by blanks */
	int dm;				/* to ask device-mapper; -1: it is not there */
};

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; *p; p += strcspn(p, " "), p += *p == ' ')
		if (strcspn(p, " ") == len && !strncmp(p, word, len))
			return true;
	return false;
}

/*
 * The type of a volume that is more than a part of other devices. Those have a state of their own on the disk
 * (thin pools, caches, LVM's RAID, snapshots), which is changed by the mere activation.
 */
static bool has_state(int dm, const char *name, char type[16])
{
	struct dm_table t;

	if (dm < 0 || dm_status(dm, name, true, &t)) {
		strcpy(type, "?");
		return true;
	}
	for (size_t i = 0; i < t.n; i++) {
		memcpy(type, t.target[i].type, 16);
		if (strcmp(type, "linear") && strcmp(type, "striped"))
			return true;
	}
	return false;
}

static void check_layer(struct preflight *p, const struct boot_disks *b, const char *object,
			const struct disk_layer *l)
{
	char type[16];

	switch (l->kind) {
	case DISK_MD:
		if (!has_word(b->tools, "mdadm"))
			refuse(&p->refusals, 0, "", object, "the initramfs of Linux %s has no mdadm to assemble %s: "
			       "run update-initramfs -u -k %s", p->next_kernel, l->name, p->next_kernel);
		return;
	case DISK_LVM:
		if (!has_word(b->tools, "lvm"))
			refuse(&p->refusals, 0, "", object, "the initramfs of Linux %s has no lvm to activate %s: "
			       "run update-initramfs -u -k %s", p->next_kernel, l->name, p->next_kernel);
		else if (has_state(b->dm, l->name, type))
			refuse(&p->refusals, 0, "", object, "%s is a volume of LVM of the type %s: only linear and "
			       "striped ones are supported (an exact resume is possible)", l->name, type);
		return;
	case DISK_CRYPT:
		if (!has_word(b->crypt, l->name))
			refuse(&p->refusals, 0, "", object, "the initramfs of Linux %s does not open %s: give it the "
			       "option initramfs in /etc/crypttab (and a key that lasts) and run update-initramfs -u "
			       "-k %s, or do without it", p->next_kernel, l->name, p->next_kernel);
		return;
	case DISK_LINEAR:
		if (!strncmp(l->name, TRIAL_PREFIX, strlen(TRIAL_PREFIX)))
			return; /* of a trial that was kept: the disk below has the file system */
		/* fall through */
	case DISK_OTHER:
		refuse(&p->refusals, 0, "", object, "whether the initramfs of Linux %s puts %s together is not known: "
		       "RAID (md), LVM and dm-crypt are supported (an exact resume is possible)", p->next_kernel,
		       l->name);
	}
}

static void check_stack(struct preflight *p, const struct boot_disks *b, const char *what, const char *number)
{
	struct disk_layer layers[DISK_LAYERS_MAX];
	int n = disk_stack("/sys", number, layers);
	char object[160];

	if (n < 0) {
		snprintf(object, sizeof(object), "%s on device %s", what, number);
		refuse(&p->refusals, 0, "", object, "what the device is made of cannot be told: %s", strerror(-n));
		return;
	}
	if (n)
		snprintf(object, sizeof(object), "%s on %.100s", what, layers[0].name);
	for (int i = 0; i < n; i++)
		check_layer(p, b, object, &layers[i]);
}

/* The encrypted layer of a device, if there is one. */
static bool encrypted(const char *number, char name[128])
{
	struct disk_layer layers[DISK_LAYERS_MAX];
	int n = disk_stack("/sys", number, layers);

	for (int i = 0; i < n; i++) {
		if (layers[i].kind != DISK_CRYPT)
			continue;
		memcpy(name, layers[i].name, sizeof(layers[i].name));
		return true;
	}
	return false;
}

static void check_trial_in_clear(struct preflight *p, const char *number)
{
	char name[128], object[160], mine[32];
	struct stat st;

	if (!p->trial || p->trial_in_clear || !encrypted(number, name))
		return;
	if (!stat(p->path, &st) && S_ISBLK(st.st_mode)) {
		char other[128];

		snprintf(mine, sizeof(mine), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
		if (encrypted(mine, other))
			return;
	}
	snprintf(object, sizeof(object), "--trial: file system on %.100s", name);
	refuse(&p->refusals, 0, "", object, "it is encrypted, and what is written to it on trial would lie in clear on "
	       "%s: do without --trial, or give --trial-in-clear if that may be", p->path);
}

static bool sysfs_line(const char *block, const char *file, char *line, size_t size)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[256];

	snprintf(path, sizeof(path), "/sys/class/block/%.64s/%s", block, file);
	f = fopen(path, "re");
	if (!f || !fgets(line, (int)size, f))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

/* What somebody has set up and nobody has mounted: no boot makes it again. */
static void check_by_hand(struct preflight *p, const struct boot_disks *b)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *de;
	char line[300], name[128], object[160];

	while (dir && (de = readdir(dir))) {
		if (sysfs_line(de->d_name, "loop/backing_file", line, sizeof(line))) {
			snprintf(object, sizeof(object), "/dev/%.64s", de->d_name);
			refuse(&p->refusals, 0, "", object, "is set up on %s, which cannot be carried yet: losetup -d "
			       "%s", line, object);
		} else if (!strncmp(de->d_name, "nbd", 3) && sysfs_line(de->d_name, "pid", line, sizeof(line))) {
			snprintf(object, sizeof(object), "/dev/%.64s", de->d_name);
			refuse(&p->refusals, 0, "", object, "is connected, which cannot be carried yet: nbd-client -d "
			       "%s", object);
		} else if (sysfs_line(de->d_name, "dm/uuid", line, sizeof(line)) && !strncmp(line, "CRYPT-", 6) &&
			   sysfs_line(de->d_name, "dm/name", name, sizeof(name)) && !has_word(b->crypt, name)) {
			snprintf(object, sizeof(object), "/dev/mapper/%.120s", name);
			refuse(&p->refusals, 0, "", object, "is open, and the initramfs of Linux %s does not open it: "
			       "cryptsetup close %s", p->next_kernel, name);
		}
	}
	if (dir)
		closedir(dir);
}

/* A swap area's device, by its kernel's name. */
static bool number_of(const char *devname, char number[32])
{
	return sysfs_line(devname, "dev", number, 32);
}

void preflight_disks(struct preflight *p, const struct machine *m)
{
	struct boot_disks b = { .dm = -1 };
	_cleanup_free_ char *crash = NULL;
	const struct m_superblock *sb;
	char number[32];
	size_t len;

	kernel_stamp_get(p->next_kernel, "tools", b.tools, sizeof(b.tools));
	kernel_stamp_get(p->next_kernel, "crypt", b.crypt, sizeof(b.crypt));
	dm_open(&b.dm, NULL);
	vec_foreach(sb, &m->superblocks) {
		if (sb->kind != M_FS_BLOCK)
			continue;
		snprintf(number, sizeof(number), "%u:%u", major(sb->dev), minor(sb->dev));
		check_stack(p, &b, "file system", number);
		check_trial_in_clear(p, number);
	}
	for (size_t i = 0; i < m->system.swaps.n; i++)
		if (number_of(m->system.swaps.v[i].devname, number))
			check_stack(p, &b, "swap", number);
	check_by_hand(p, &b);
	if (!file_read_all("/sys/kernel/kexec_crash_loaded", &crash, &len) && crash[0] == '1')
		refuse(&p->warnings, 0, "", "kdump", "the crash kernel that is loaded will not be under Linux %s: have it "
		       "loaded again then (kdump-config load)", p->next_kernel);
	if (b.dm >= 0)
		close(b.dm);
}
