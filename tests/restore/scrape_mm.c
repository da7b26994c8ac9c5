// SPDX-License-Identifier: GPL-2.0-only
/* A live process's memory as struct m_mm. See scrape.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "scrape_priv.h"

static struct map pages; /* frame → contents */
static struct map files, shmems;

void scrape_mm_reset(void)
{
	map_free(&pages);
	map_free(&files);
	map_free(&shmems);
}

static int read_page(void *arg, const struct m_page_src *src, void *buf)
{
	void *p = map_get(&pages, src->where);

	(void)arg;
	if (!p)
		return -ENODATA;
	memcpy(buf, p, OHIB_PAGE_SIZE);
	return 0;
}

u64 scrape_find_insn(struct rtask *t)
{
	char *maps = proc_text(t->tid, "maps"), *line, *save;
	static u8 buf[1 << 20];
	u64 found = 0;

	for (line = strtok_r(maps, "\n", &save); line && !found; line = strtok_r(NULL, "\n", &save)) {
		unsigned long a, b;
		char perm[8];
		size_t n;

		if (sscanf(line, "%lx-%lx %7s", &a, &b, perm) != 3 || perm[2] != 'x' || (s64)a < 0)
			continue;
		n = b - a < sizeof(buf) ? b - a : sizeof(buf);
		if (remote_read(t, a, buf, n))
			continue;
		for (size_t i = 0; i + 1 < n && !found; i++)
			if (buf[i] == 0x0f && buf[i + 1] == 0x05)
				found = a + i;
	}
	free(maps);
	return found;
}

struct m_path *scrape_path(struct scrape *s, const char *path)
{
	struct m_path *p = arena_new(s->m->arena, struct m_path);
	size_t n = strlen(path);

	p->unlinked = n > 10 && !strcmp(path + n - 10, " (deleted)");
	p->path = arena_strdup(s->m->arena, path);
	if (p->unlinked)
		p->path[n - 10] = '\0';
	return p;
}

/* The mapped file: one m_file for each inode. */
static struct m_file *mapped(struct scrape *s, const char *path, u64 ino, u64 dev)
{
	u64 key = ino << 12 ^ dev ^ 1ull << 63;
	struct m_file *f = map_get(&files, key);

	if (!f) {
		f = arena_new(s->m->arena, struct m_file);
		f->kind = M_FILE_REG;
		f->path = scrape_path(s, path);
		f->inode_kaddr = key;
		f->kaddr = key;
		map_put(&files, key, f);
	}
	return f;
}

static struct m_shmem *shared(struct scrape *s, const char *path, u64 ino, u64 size)
{
	struct m_shmem *sh = map_get(&shmems, ino);
	char *end;

	if (!sh) {
		sh = arena_new(s->m->arena, struct m_shmem);
		sh->kind = !strncmp(path, "/memfd:", 7) ? M_SHMEM_MEMFD : M_SHMEM_ANON;
		snprintf(sh->name, sizeof(sh->name), "%s", path + 7);
		end = strstr(sh->name, " (deleted)");
		if (end)
			*end = '\0';
		sh->mode = 0777;
		map_put(&shmems, ino, sh);
		vec_push(&s->m->shmems, sh);
	}
	if (size > sh->size)
		sh->size = size;
	return sh;
}

/* A memfd that is open: its contents by way of the descriptor, unless it is mapped too. */
struct m_shmem *scrape_memfd(struct scrape *s, const char *link, const char *name, u64 ino, u64 size)
{
	struct m_shmem *sh = shared(s, name, ino, size);
	static u64 next = 1ull << 60;
	int fd = sh->pages.n ? -1 : open(link, O_RDONLY);

	for (u64 off = 0; fd >= 0 && off < size; off += OHIB_PAGE_SIZE) {
		struct m_page pg = { .va = off, .src = { M_PAGE_PFN, 0, ++next } };
		void *copy = calloc(1, OHIB_PAGE_SIZE);

		if (pread(fd, copy, OHIB_PAGE_SIZE, (off_t)off) > 0) {
			map_put(&pages, pg.src.where, copy);
			vec_push(&sh->pages, pg);
		}
	}
	if (fd >= 0) {
		sh->seals = (u32)fcntl(fd, F_GET_SEALS);
		close(fd);
	}
	return sh;
}

static int read_pages(struct scrape *s, struct sproc *sp, struct m_vma *v, int pm, int mem)
{
	struct m_mm *mm = sp->p->mm;
	bool priv = !(v->flags & MAP_SHARED);

	v->first_page = mm->pages.n;
	for (u64 va = v->start; va < v->end; va += OHIB_PAGE_SIZE) {
		struct m_page pg = { .va = va, .src = { .kind = M_PAGE_PFN } };
		u64 e = 0;
		void *copy;

		if (pread(pm, &e, 8, (off_t)(va / OHIB_PAGE_SIZE * 8)) != 8 || !(e >> 63))
			continue;
		if (priv && e >> 61 & 1)
			continue; /* the file's own page */
		pg.src.where = e & ((1ull << 55) - 1);
		copy = map_get(&pages, pg.src.where);
		if (!copy) {
			copy = malloc(OHIB_PAGE_SIZE);
			if (pread(mem, copy, OHIB_PAGE_SIZE, (off_t)va) != OHIB_PAGE_SIZE)
				return -EIO;
			map_put(&pages, pg.src.where, copy);
		}
		if (priv) {
			vec_push(&mm->pages, pg);
		} else {
			bool have = false;

			pg.va = va - v->start + v->pgoff;
			for (size_t i = 0; i < v->shmem->pages.n; i++)
				have |= v->shmem->pages.v[i].va == pg.va;
			if (!have)
				vec_push(&v->shmem->pages, pg);
		}
	}
	v->nr_pages = mm->pages.n - v->first_page;
	(void)s;
	return 0;
}

static void read_layout(struct sproc *sp)
{
	struct m_mm *mm = sp->p->mm;
	char *stat = proc_text(sp->outer, "stat"), *p = strrchr(stat, ')') + 2;
	u64 f[64] = { 0 };
	int n = 3, fd;
	char path[64];
	ssize_t got;

	for (char *tok = strtok(p, " "); tok && n < 60; tok = strtok(NULL, " "))
		f[n++] = strtoull(tok, NULL, 10);
	mm->start_code = f[26];
	mm->end_code = f[27];
	mm->start_stack = f[28];
	mm->start_data = f[45];
	mm->end_data = f[46];
	mm->start_brk = f[47];
	mm->arg_start = f[48];
	mm->arg_end = f[49];
	mm->env_start = f[50];
	mm->env_end = f[51];
	free(stat);
	snprintf(path, sizeof(path), "/proc/%d/auxv", sp->outer);
	fd = open(path, O_RDONLY);
	got = read(fd, mm->auxv, sizeof(mm->auxv));
	close(fd);
	mm->auxv_len = got > 0 ? (u32)(got / 8) : 0;
	mm->dumpable = 1;
}

int scrape_mm(struct scrape *s, struct sproc *sp, struct ohib_err *e)
{
	struct m_mm *mm = arena_new(s->m->arena, struct m_mm);
	char *smaps = proc_text(sp->outer, "smaps"), *line, *save, path[64], exe[256] = "";
	struct m_vma v = { 0 };
	int pm, mem;
	struct stat st;

	sp->p->mm = mm;
	s->m->read_page = read_page;
	vec_push(&s->m->mms, mm);
	for (line = strtok_r(smaps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long a, b, off, ino;
		unsigned int maj, min;
		char perm[8];
		int n = 0;

		if (!strncmp(line, "VmFlags:", 8)) {
			if (strstr(line, " gd"))
				v.flags |= MAP_GROWSDOWN;
			if (strstr(line, " lo"))
				v.locked = true;
			v.dontfork = strstr(line, " dc");
			v.wipeonfork = strstr(line, " wf");
			v.dontdump = strstr(line, " dd");
			v.account = strstr(line, " ac");
			v.hugepage = strstr(line, " hg");
			v.nohugepage = strstr(line, " nh");
			if (v.end)
				vec_push(&mm->vmas, v);
			continue;
		}
		if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %n", &a, &b, perm, &off, &maj, &min, &ino, &n) < 7)
			continue;
		memset(&v, 0, sizeof(v));
		if ((s64)a < 0)
			continue;
		v.start = a;
		v.end = b;
		v.prot = (perm[0] == 'r' ? PROT_READ : 0) | (perm[1] == 'w' ? PROT_WRITE : 0) |
			 (perm[2] == 'x' ? PROT_EXEC : 0);
		v.flags = perm[3] == 's' ? MAP_SHARED : MAP_PRIVATE;
		v.pgoff = off;
		if (!strcmp(line + n, "[vdso]")) {
			v.kind = M_VMA_VDSO;
		} else if (!strncmp(line + n, "[vvar", 5)) {
			v.kind = M_VMA_VVAR;
		} else if (!strncmp(line + n, "/memfd:", 7) || !strncmp(line + n, "/dev/zero", 9)) {
			v.kind = M_VMA_SHMEM;
			v.shmem = shared(s, line + n, ino, off + b - a);
			v.maywrite = perm[3] == 's';
		} else if (line[n] == '/') {
			v.kind = M_VMA_FILE;
			v.file = mapped(s, line + n, ino, makedev(maj, min));
			v.maywrite = perm[3] == 's' && perm[1] == 'w';
		} else {
			v.pgoff = 0;
		}
	}
	free(smaps);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", sp->outer);
	pm = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/mem", sp->outer);
	mem = open(path, O_RDONLY);
	for (size_t i = 0; i < mm->vmas.n; i++) {
		struct m_vma *w = &mm->vmas.v[i];

		if (w->kind == M_VMA_VDSO || w->kind == M_VMA_VVAR ||
		    (w->kind == M_VMA_FILE && w->flags & MAP_SHARED))
			continue;
		if (read_pages(s, sp, w, pm, mem))
			return ohib_err_pid(e, sp->outer, -EIO, "cannot read page of %#llx",
					    (unsigned long long)w->start);
	}
	close(pm);
	close(mem);
	read_layout(sp);
	snprintf(path, sizeof(path), "/proc/%d/exe", sp->outer);
	if (readlink(path, exe, sizeof(exe) - 1) > 0 && !stat(exe, &st))
		mm->exe = mapped(s, exe, st.st_ino, st.st_dev);
	return 0;
}
