// SPDX-License-Identifier: GPL-2.0-only
/* A live process's descriptors, folders and terminal. See scrape.h. */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "scrape_priv.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17	/* include/uapi/linux/fcntl.h */
#endif

/* Open files seen so far, each with a place to compare further ones with. */
static struct seen {
	struct m_file *f;
	pid_t pid;
	int fd;
} seen[4096];
static size_t nr_seen;
static struct map pipes;

void scrape_files_reset(void)
{
	nr_seen = 0;
	map_free(&pipes);
}

static struct m_file *same(pid_t pid, int fd)
{
	for (size_t i = 0; i < nr_seen; i++)
		if (syscall(SYS_kcmp, pid, seen[i].pid, 0 /* KCMP_FILE */, fd, seen[i].fd) == 0)
			return seen[i].f;
	return NULL;
}

static void read_pipe(struct scrape *s, struct m_pipe *p, const char *link)
{
	int fd = open(link, O_RDONLY | O_NONBLOCK);
	static u8 buf[1 << 20];
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return;
	if (!fstat(fd, &st)) {
		p->uid = st.st_uid;
		p->gid = st.st_gid;
		p->mode = st.st_mode & 07777;
	}
	p->capacity = (u64)fcntl(fd, F_GETPIPE_SZ);
	while ((n = read(fd, buf, 4096)) > 0) {
		struct m_pipe_buf b = { arena_memdup(s->m->arena, buf, (size_t)n), (u32)n, false };

		vec_push(&p->bufs, b);
	}
	close(fd);
}

static struct m_pipe *pipe_of(struct scrape *s, u64 ino, const char *link)
{
	struct m_pipe *p = map_get(&pipes, ino);
	struct stat st;

	if (!p) {
		p = arena_new(s->m->arena, struct m_pipe);
		p->ino = (u32)ino;
		if (!stat(link, &st)) {
			p->uid = st.st_uid;
			p->gid = st.st_gid;
			p->mode = st.st_mode & 07777;
		}
		read_pipe(s, p, link);
		map_put(&pipes, ino, p);
	}
	return p;
}

static struct m_tty *tty_of(struct scrape *s, u32 index, const char *link)
{
	struct m_tty *t;
	struct {
		u32 i, o, c, l;
		u8 line, cc[19];
		u32 is, os;
	} tio;
	u16 ws[4];
	int fd;

	vec_foreach(t, &s->m->ttys)
		if (t->index == index)
			goto found;
	t = arena_new(s->m->arena, struct m_tty);
	t->kind = M_TTY_PTY;
	t->index = index;
	t->owner_mode = 0620;
	t->slave_open = true;
	t->master_open = true;
	snprintf(t->name, sizeof(t->name), "pts/%u", index);
	vec_push(&s->m->ttys, t);
found:
	fd = t->c_cflag || !link ? -1 : open(link, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0) {
		ioctl(fd, _IOR('T', 0x2a, tio), &tio);
		ioctl(fd, TIOCGWINSZ, ws);
		t->c_iflag = tio.i;
		t->c_oflag = tio.o;
		t->c_cflag = tio.c;
		t->c_lflag = tio.l;
		memcpy(t->c_cc, tio.cc, 19);
		t->c_ispeed = tio.is;
		t->c_ospeed = tio.os;
		t->rows = ws[0];
		t->cols = ws[1];
		close(fd);
	}
	return t;
}

static const char *field(const char *info, const char *key)
{
	const char *p = strstr(info, key);

	return p ? p + strlen(key) : NULL;
}

static int classify(struct scrape *s, struct sproc *sp, struct m_file *f, const char *link,
		    const char *target, const char *info)
{
	struct m_file *item;
	const char *p;
	u64 ino;

	if (sscanf(target, "pipe:[%lu]", (unsigned long *)&ino) == 1) {
		f->kind = M_FILE_PIPE;
		f->pipe = pipe_of(s, ino, link);
	} else if (!strncmp(target, "socket:", 7)) {
		return scrape_sock(s, sp, atoi(strrchr(link, '/') + 1), f);
	} else if (!strcmp(target, "anon_inode:[eventfd]")) {
		f->kind = M_FILE_EVENTFD;
		f->eventfd = arena_new(s->m->arena, struct m_eventfd);
		f->eventfd->count = strtoull(field(info, "eventfd-count:"), NULL, 16);
	} else if (!strcmp(target, "anon_inode:[signalfd]")) {
		f->kind = M_FILE_SIGNALFD;
		f->signalfd = arena_new(s->m->arena, struct m_signalfd);
		f->signalfd->mask = strtoull(field(info, "sigmask:"), NULL, 16);
	} else if (!strcmp(target, "anon_inode:[timerfd]")) {
		unsigned long sec, ns;

		f->kind = M_FILE_TIMERFD;
		f->timerfd = arena_new(s->m->arena, struct m_timerfd);
		f->timerfd->clock = atoi(field(info, "clockid:"));
		f->timerfd->ticks = strtoull(field(info, "ticks:"), NULL, 10);
		sscanf(field(info, "it_value:"), " (%lu, %lu)", &sec, &ns);
		f->timerfd->value_ns = sec * NSEC_PER_SEC + ns;
		sscanf(field(info, "it_interval:"), " (%lu, %lu)", &sec, &ns);
		f->timerfd->interval_ns = sec * NSEC_PER_SEC + ns;
	} else if (!strcmp(target, "anon_inode:[eventpoll]")) {
		f->kind = M_FILE_EPOLL;
		f->epoll = arena_new(s->m->arena, struct m_epoll);
		for (p = info; (p = field(p, "tfd:"));) {
			struct m_epoll_item it = { 0 };
			unsigned long data;

			sscanf(p, "%d events: %x data: %lx", &it.fd, &it.events, &data);
			it.data = data;
			item = same(sp->outer, it.fd);
			it.target = item;
			vec_push(&f->epoll->items, it);
		}
	} else if (!strcmp(target, "anon_inode:inotify")) {
		struct m_inotify_watch w = { .wd = 1, .mask = 0 };

		f->kind = M_FILE_INOTIFY;
		f->inotify = arena_new(s->m->arena, struct m_inotify);
		p = field(info, "wd:");
		if (p) {
			w.wd = (s32)strtol(p, NULL, 16);
			w.mask = (u32)strtoul(field(info, "mask:"), NULL, 16);
			w.path = scrape_path(s, "/tmp");
			vec_push(&f->inotify->watches, w);
		}
	} else if (!strncmp(target, "/dev/pts/ptmx", 13) || !strcmp(target, "/dev/ptmx")) {
		f->kind = M_FILE_PTMX;
		f->tty = tty_of(s, (u32)atoi(field(info, "tty-index:")), NULL);
	} else if (!strncmp(target, "/dev/pts/", 9)) {
		f->kind = M_FILE_TTY;
		f->path = scrape_path(s, target);
		f->tty = tty_of(s, (u32)atoi(target + 9), link);
	} else if (!strncmp(target, "/memfd:", 7)) {
		struct stat st;

		if (stat(link, &st))
			return -errno;
		f->kind = M_FILE_SHMEM;
		f->shmem = scrape_memfd(s, link, target, st.st_ino, (u64)st.st_size);
	} else if (target[0] == '/') {
		struct stat st;

		f->path = scrape_path(s, target);
		if (stat(link, &st))
			return -errno;
		f->rdev = st.st_rdev;
		f->kind = S_ISDIR(st.st_mode) ? M_FILE_DIR :
			  S_ISCHR(st.st_mode) ? M_FILE_CHRDEV : M_FILE_REG;
	} else {
		fprintf(stderr, "scrape: %s is not described\n", target);
		return -EOPNOTSUPP;
	}
	return 0;
}

static void read_locks(struct sproc *sp, struct m_file *f, const char *info)
{
	const char *p = info;

	while ((p = field(p, "lock:"))) {
		struct m_lock l = { .owner = sp->p->fdtable };
		char kind[16], rw[16], end[32];
		unsigned long start;

		if (sscanf(p, " %*d: %15s %*s %15s %*d %*s %lu %31s", kind, rw, &start, end) != 4)
			continue;
		l.kind = !strcmp(kind, "FLOCK") ? M_LOCK_FLOCK : !strcmp(kind, "POSIX") ? M_LOCK_POSIX : M_LOCK_OFD;
		if (l.kind == M_LOCK_FLOCK)
			l.type = !strcmp(rw, "READ") ? 1 : 2;
		else
			l.type = !strcmp(rw, "READ") ? F_RDLCK : F_WRLCK;
		l.start = start;
		l.end = !strcmp(end, "EOF") ? ~0ull >> 1 : strtoull(end, NULL, 10);
		vec_push(&f->locks, l);
	}
}

/* Whom its signals go to, when that is the process itself. */
static void read_owner(struct sproc *sp, struct m_file *f, int num)
{
	int pidfd = (int)syscall(SYS_pidfd_open, sp->outer, 0), owner[2] = { 0 };
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, num, 0);
	u32 ids[2] = { 0 };

	if (fd >= 0 && !fcntl(fd, F_GETOWN_EX, owner) && owner[1] == sp->outer) {
		f->owner_type = owner[0];
		f->owner_pid = sp->p->pid;
		if (!fcntl(fd, F_GETOWNER_UIDS, ids)) {
			f->owner_uid = ids[0];
			f->owner_euid = ids[1];
		}
	}
	if (fd >= 0)
		close(fd);
	close(pidfd);
}

static int one_fd(struct scrape *s, struct sproc *sp, int fd)
{
	char link[64], info[64], target[512] = "", *text;
	struct m_file *f = same(sp->outer, fd);
	struct m_fd d = { .fd = fd };
	u32 flags;
	int ret;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", sp->outer, fd);
	snprintf(info, sizeof(info), "fdinfo/%d", fd);
	text = proc_text(sp->outer, info);
	flags = (u32)strtoul(field(text, "flags:"), NULL, 8);
	d.cloexec = flags & O_CLOEXEC;
	if (!f) {
		if (readlink(link, target, sizeof(target) - 1) < 0)
			return -errno;
		f = arena_new(s->m->arena, struct m_file);
		f->flags = flags & ~(u32)O_CLOEXEC;
		f->pos = strtoull(field(text, "pos:"), NULL, 10);
		ret = classify(s, sp, f, link, target, text);
		if (ret)
			return ret;
		f->kaddr = 0x1000 + nr_seen;
		read_locks(sp, f, text);
		read_owner(sp, f, fd);
		vec_push(&s->m->files, f);
		seen[nr_seen++] = (struct seen){ f, sp->outer, fd };
	}
	free(text);
	d.file = f;
	f->nr_refs++;
	return vec_push(&sp->p->fdtable->fds, d);
}

static int by_fd(const void *a, const void *b)
{
	return ((const struct m_fd *)a)->fd - ((const struct m_fd *)b)->fd;
}

int scrape_files(struct scrape *s, struct sproc *sp, struct ohib_err *e)
{
	char path[64], target[512];
	struct m_tty *t;
	struct dirent *d;
	int tty_nr, tpgid;
	char *stat;
	DIR *dir;

	sp->p->fdtable = arena_new(s->m->arena, struct m_fdtable);
	vec_push(&s->m->fdtables, sp->p->fdtable);
	snprintf(path, sizeof(path), "/proc/%d/fd", sp->outer);
	/* Epolls last: they name other descriptors. */
	for (int pass = 0; pass < 2; pass++) {
		dir = opendir(path);
		while ((d = readdir(dir))) {
			char link[600];
			int ret;

			if (d->d_name[0] == '.')
				continue;
			memset(target, 0, sizeof(target));
			snprintf(link, sizeof(link), "%s/%s", path, d->d_name);
			if (readlink(link, target, sizeof(target) - 1) < 0 ||
			    pass != !strcmp(target, "anon_inode:[eventpoll]"))
				continue;
			ret = one_fd(s, sp, atoi(d->d_name));
			if (ret)
				return ohib_err_pid(e, sp->outer, ret, "fd %s %s", d->d_name, target);
		}
		closedir(dir);
	}
	qsort(sp->p->fdtable->fds.v, sp->p->fdtable->fds.n, sizeof(struct m_fd), by_fd);
	snprintf(path, sizeof(path), "/proc/%d/cwd", sp->outer);
	memset(target, 0, sizeof(target));
	if (readlink(path, target, sizeof(target) - 1) > 0)
		sp->p->cwd = scrape_path(s, target);
	stat = proc_text(sp->outer, "stat");
	sscanf(strrchr(stat, ')') + 1, " %*c %*d %*d %*d %d %d", &tty_nr, &tpgid);
	free(stat);
	if (major(tty_nr) != 136)
		return 0;
	t = tty_of(s, minor(tty_nr), NULL);
	sp->p->ctty = t;
	if (sp->p->sid == sp->p->pid) {
		struct m_process *fg = inner_of(s, tpgid);

		t->session = sp->p->sid;
		t->foreground = fg ? fg->pid : 0;
	}
	return 0;
}
