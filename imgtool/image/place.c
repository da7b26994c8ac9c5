// SPDX-License-Identifier: GPL-2.0-only
/* An image in a file: where it lies on the device of its file system. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "disk/node.h"
#include "disk/stack.h"
#include "disk/super.h"
#include "image/image_format.h"
#include "image/place.h"
#include "util/cleanup.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._+@%-"

const char *place_path(const char *spec)
{
	const char *at = strstr(spec, ":/");

	return at && spec[0] != '\0' && at != spec ? at + 1 : NULL;
}

static int push(struct extfile *file, u64 at, u64 start, u64 len)
{
	struct file_extent e = { at, start, len };

	return len ? vec_push(&file->extents, e) : 0;
}

/* The file's extents with the block of @env in the place of one of its own. */
static int splice_env(const struct extfile *file, const struct extfile *env, struct extfile *out)
{
	const u64 from = OHIB_ENV_OFFSET, to = OHIB_ENV_OFFSET + OHIB_DISK_ALIGN;
	int r = 0;

	static_assert(OHIB_DISK_ALIGN == EXTFILE_BLOCK, "the block of .env is a page of the image");
	out->size = file->size;
	out->pinned = file->pinned;
	for (size_t i = 0; !r && i < file->extents.n; i++) {
		struct file_extent e = file->extents.v[i];

		if (from < e.at || from >= e.at + e.len) {
			r = push(out, e.at, e.start, e.len);
			continue;
		}
		r = push(out, e.at, e.start, from - e.at);
		if (!r)
			r = push(out, from, env->extents.v[0].start, to - from);
		if (!r)
			r = push(out, to, e.start + (to - e.at), e.at + e.len - to);
	}
	return r;
}

/* @files: the image and its .env. */
static int find_both(const char *spec, struct extfile files[2], u8 uuid[16], struct ohib_err *err)
{
	const char *path = place_path(spec);
	char node[256], env[300];
	const char *const paths[] = { path, env };
	int r;

	snprintf(node, sizeof(node), "%.*s", (int)(path - 1 - spec), spec);
	snprintf(env, sizeof(env), "%s" PLACE_ENV, path);
	r = extfile_find(node, paths, 2, files, uuid, err);
	if (r)
		return r;
	if (!files[0].pinned || !files[1].pinned)
		return ohib_err_set(err, -EPERM, "%s: it or its " PLACE_ENV " is not immutable: a file for an "
				    "image is made with overlayctl image create", path);
	/* To be whole blocks up to its end, and GRUB's to the byte. */
	if (files[0].size % OHIB_DISK_ALIGN || files[0].size < 2 * OHIB_DATA_OFFSET ||
	    files[1].size != OHIB_ENV_BYTES)
		return ohib_err_set(err, -EOPNOTSUPP, "%s: it or its " PLACE_ENV " has a size that overlayctl image "
				    "create would not give it", path);
	return 0;
}

int place_find(const char *spec, struct extfile *image, struct ohib_err *err)
{
	struct extfile files[2] = { 0 };
	u8 uuid[16];
	int r;

	memset(image, 0, sizeof(*image));
	r = find_both(spec, files, uuid, err);
	if (!r && splice_env(&files[0], &files[1], image))
		r = ohib_err_set(err, -ENOMEM, "%s: out of memory", spec);
	extfile_free(&files[0]);
	extfile_free(&files[1]);
	return r;
}

/* What the kernel says of the file must be what was read from under it. */
static int agrees(const char *file, const struct extfile *found, struct ohib_err *err)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct extfile told = { 0 };
	int r;

	if (fd < 0)
		return ohib_err_set(err, -errno, "%s: %s", file, strerror(errno));
	r = extfile_ask_kernel(fd, file, &told, err);
	if (!r && (!told.pinned || !extfile_same_place(&told, found)))
		r = ohib_err_set(err, -EIO, "%s: the kernel and the metadata on the disk do not agree on "
				 "where it lies", file);
	extfile_free(&told);
	return r;
}

struct mount {
	char dev[32], root[256], point[256], type[16], source[256];
};

/* Of the folder that @file is in, or is to be in. */
static int mount_of(const char *file, struct mount *m, struct ohib_err *err)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL, *folder = strdup(file);
	unsigned long long id;
	struct statx st;
	size_t room = 0;

	if (!f || !folder || statx(AT_FDCWD, dirname(folder), AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st))
		return ohib_err_set(err, -errno, "%s: its mount: %s", file, strerror(errno));
	/* 36 35 98:0 /root /mountpoint options… - type source super-options */
	while (getline(&line, &room, f) > 0) {
		const char *rest = strstr(line, " - ");

		if (rest && sscanf(line, "%llu %*u %31s %255s %255s", &id, m->dev, m->root, m->point) == 4 &&
		    id == st.stx_mnt_id && sscanf(rest, " - %15s %255s", m->type, m->source) == 2)
			return 0;
	}
	return ohib_err_set(err, -ENODEV, "%s: its mount is not known", file);
}

/* The node of the device, or what it was mounted from: a chroot may have no other. */
static int node_of(const struct mount *m, char *node, size_t size)
{
	char known[DISK_NODE_LEN], number[32];
	const char *const ways[] = { known, m->source };
	struct stat st;

	if (disk_node(m->dev, known))
		known[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (stat(ways[i], &st) || !S_ISBLK(st.st_mode))
			continue;
		snprintf(number, sizeof(number), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
		if (strcmp(number, m->dev) || strlen(ways[i]) >= size)
			continue;
		strcpy(node, ways[i]);
		return 0;
	}
	return -ENODEV;
}

/*
 * Is it made of other devices or of a file? A loop device by another name is an installer's: in the machine that
 * the system is for, a disk has that name.
 */
static bool is_stacked(const char *number, const char *node)
{
	struct disk_layer layers[DISK_LAYERS_MAX];
	int n = disk_stack("/sys", number, layers);

	return n && (n != 1 || strncmp(layers[0].name, "loop", 4) || !strncmp(node, "/dev/loop", 9));
}

/* Could GRUB write to a file there, and an initramfs find it? The path on the file system goes to @path. */
static int usable(const char *file, struct mount *m, char *node, size_t node_size, char *path, size_t path_size,
		  struct ohib_err *err)
{
	size_t n;
	int r;

	if (file[0] != '/' || strspn(file, NAME_CHARS) != strlen(file))
		return ohib_err_set(err, -EINVAL, "%s: the boot menu can name absolute paths of letters, digits and "
				    "._+@%%- only", file);
	r = mount_of(file, m, err);
	if (r)
		return r;
	if (!super_is_known(m->type))
		return ohib_err_set(err, -EOPNOTSUPP, "%s is on %s, and GRUB can only write to a file on "
				    "ext2, ext3 or ext4: take a partition for the image", file, m->type);
	if (node_of(m, node, node_size))
		return ohib_err_set(err, -ENODEV, "%s: the device %s (%s) has no node", file, m->dev, m->source);
	if (is_stacked(m->dev, node))
		return ohib_err_set(err, -EOPNOTSUPP, "%s is on %s, which is made of other devices (LVM, "
				    "LUKS, RAID, loop), and GRUB cannot write there: take a partition for the "
				    "image", file, node);
	n = strcmp(m->point, "/") ? strlen(m->point) : 0;
	if (strncmp(file, m->point, n) || file[n] != '/')
		return ohib_err_set(err, -ENODEV, "%s is not below %s, where it is mounted", file, m->point);
	if ((size_t)snprintf(path, path_size, "%s%s", strcmp(m->root, "/") ? m->root : "", file + n) >= path_size)
		return ohib_err_set(err, -ENAMETOOLONG, "%s: the name is too long", file);
	return 0;
}

int place_usable(const char *file, struct ohib_err *err)
{
	char node[256], path[256];
	struct mount m;

	return usable(file, &m, node, sizeof(node), path, sizeof(path), err);
}

int place_of_file(const char *file, char *spec, size_t spec_size, char *name, size_t name_size,
		  struct ohib_err *err)
{
	struct extfile files[2] = { 0 };
	char node[256], path[256], env[300];
	struct mount m;
	u8 u[16];
	int r = usable(file, &m, node, sizeof(node), path, sizeof(path), err);

	if (r)
		return r;
	if ((size_t)snprintf(spec, spec_size, "%s:%s", node, path) >= spec_size)
		return ohib_err_set(err, -ENAMETOOLONG, "%s: the name is too long", file);
	snprintf(env, sizeof(env), "%s" PLACE_ENV, file);
	r = find_both(spec, files, u, err);
	if (!r)
		r = agrees(file, &files[0], err);
	if (!r)
		r = agrees(env, &files[1], err);
	extfile_free(&files[0]);
	extfile_free(&files[1]);
	if (!r && name)
		snprintf(name, name_size,
			 "UUID=%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x:%s", u[0],
			 u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
			 u[15], path);
	return r;
}
