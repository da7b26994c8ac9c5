// SPDX-License-Identifier: GPL-2.0-only
/* Names of unix sockets: binding them again, in the machine's tree, with owners, modes and times. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sock.h"

bool sock_has_path(const struct m_sock *s)
{
	return s->addr_len > offsetof(struct sockaddr_un, sun_path) &&
	       s->addr[offsetof(struct sockaddr_un, sun_path)];
}

const char *sock_path(const struct m_sock *s)
{
	return (const char *)s->addr + offsetof(struct sockaddr_un, sun_path);
}

int place_enter(struct restore *r, struct place *p, const struct m_sock *s)
{
	char dir[PATH_MAX];
	size_t n, k;
	int ret = 0;

	p->old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	p->old_cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->old_root < 0 || p->old_cwd < 0 || fchdir(r->root_fd) || chroot("."))
		ret = -errno;
	if (!ret && s->path && sock_path(s)[0] != '/') {
		n = strlen(s->path->path);
		k = strlen(sock_path(s));
		if (n > k && n - k < sizeof(dir) && !strcmp(s->path->path + n - k, sock_path(s))) {
			memcpy(dir, s->path->path, n - k);
			dir[n - k] = '\0';
			if (chdir(dir))
				ret = -errno;
		}
	}
	return ret ? r_fail(r, ret, "cannot enter the machine's root") : 0;
}

void place_leave(struct place *p)
{
	if (p->old_root >= 0 && !fchdir(p->old_root) && chroot(".")) {
	}
	if (p->old_cwd >= 0 && fchdir(p->old_cwd)) {
	}
	close(p->old_root);
	close(p->old_cwd);
}

/* The name on the file system is there already, with its owner and times: the new one gets them. */
static int bind_path(struct restore *r, const struct m_sock *s, int fd)
{
	const char *path = sock_path(s), *slash = strrchr(path, '/');
	struct stat st, dir_st;
	bool had, known = s->path && !s->path->unlinked && s->path_mode, dir_had;
	char dir[128];
	int ret = 0;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
	dir_had = !stat(dir, &dir_st);
	had = s->path && !s->path->unlinked && !lstat(path, &st) && S_ISSOCK(st.st_mode);
	if (had && unlink(path))
		return r_fail(r, -errno, "cannot replace socket %s", path);
	if (bind(fd, (const void *)s->addr, s->addr_len))
		ret = r_fail(r, -errno, "cannot bind a socket to %s again", path);
	if (!ret && (had || known) &&
	    (lchown(path, known ? s->path_uid : st.st_uid, known ? s->path_gid : st.st_gid) ||
	     chmod(path, (known ? s->path_mode : st.st_mode) & 07777)))
		ret = r_fail(r, -errno, "cannot set the owner of socket %s", path);
	if (!ret && had) {
		struct timespec ts[2] = { st.st_atim, st.st_mtim };

		utimensat(AT_FDCWD, path, ts, 0);
	}
	if (!ret && s->path && s->path->unlinked && !r->unix_unlink_later)
		unlink(path);
	if (dir_had) {
		struct timespec ts[2] = { dir_st.st_atim, dir_st.st_mtim };

		utimensat(AT_FDCWD, dir, ts, 0);
	}
	return ret;
}

int sock_bind(struct restore *r, struct m_sock *s, int fd)
{
	struct place p;
	int ret;

	if (!s->addr_len)
		return 0;
	if (!sock_has_path(s))
		return bind(fd, (void *)s->addr, s->addr_len) ?
			       r_fail(r, -errno, "cannot bind a socket to its abstract address") : 0;
	ret = place_enter(r, &p, s);
	if (!ret)
		ret = bind_path(r, s, fd);
	place_leave(&p);
	return ret;
}

int sock_folder(struct restore *r, const struct m_sock *s, struct sockaddr_un *last)
{
	const char *path = sock_path(s), *slash = strrchr(path, '/');
	char dir[128];
	struct place p;
	int fd, ret;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
	snprintf(last->sun_path, sizeof(last->sun_path), "%s", slash ? slash + 1 : path);
	ret = place_enter(r, &p, s);
	fd = ret ? ret : open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!ret && fd < 0)
		fd = -errno;
	place_leave(&p);
	return fd;
}

/* An empty tree with the folder of @name in it. */
static int empty_tree(const char *name)
{
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	char dir[128];
	int mnt;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mnt < 0)
		return -errno;
	while (*name == '/')
		name++;
	snprintf(dir, sizeof(dir), "%s", name);
	for (char *p = strchr(dir, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdirat(mnt, dir, 0700) && errno != EEXIST) {
			close(mnt);
			return -errno;
		}
		*p = '/';
	}
	return mnt;
}

int sock_bind_elsewhere(struct restore *r, const struct m_sock_skb *skb, int fd)
{
	struct m_sock temp = { .family = AF_UNIX, .type = SOCK_DGRAM, .addr_len = skb->addr_len };
	int root = r->root_fd, ret;

	memcpy(temp.addr, skb->addr, sizeof(temp.addr));
	if (!sock_has_path(&temp))
		return sock_bind(r, &temp, fd);
	r->root_fd = empty_tree(sock_path(&temp));
	ret = r->root_fd < 0 ? r_fail(r, r->root_fd, "no place for the name of a sender that is gone") :
			       sock_bind(r, &temp, fd);
	if (r->root_fd >= 0)
		close(r->root_fd);
	r->root_fd = root;
	return ret;
}
