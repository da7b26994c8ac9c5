// SPDX-License-Identifier: GPL-2.0-only
/* A cut down machine out of its file, as an image. */
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/writer.h"
#include "../tests/fuzz/translate/fixture.h"
#include "report/report.h"
#include "util/cleanup.h"
#include "util/file.h"

#define MAX_BYTES (512u << 20)
#define IMAGE_ROOM (64u << 20)	/* beside the pages */

static int unpack(const char *path, u8 **data, size_t *len)
{
	_cleanup_free_ char *packed = NULL;
	uint64_t memory = MAX_BYTES;
	size_t packed_len, in = 0, room = 1u << 20;
	int r = file_read_all(path, &packed, &packed_len);

	*data = NULL;
	while (!r) {
		free(*data);
		*data = malloc(room);
		*len = in = 0;
		if (!*data)
			return -ENOMEM;
		switch (lzma_stream_buffer_decode(&memory, 0, NULL, (u8 *)packed, &in, packed_len, *data, len, room)) {
		case LZMA_OK:
			return 0;
		case LZMA_BUF_ERROR:
			room *= 2;
			r = room > MAX_BYTES ? -EFBIG : 0;
			break;
		default:
			r = -EBADMSG;
		}
	}
	free(*data);
	*data = NULL;
	return r;
}

static int write_image(const struct fixture *f, const struct fixture_head *h, const u8 *section, const char *path,
		       struct ohib_err *err)
{
	struct ohib_writer_opts o = {
		.path = path, .device = path, .image_kernel = h->image_kernel, .max_pages = f->nr, .nr_threads = 1,
	};
	struct ohib_writer *w;
	int r = ohib_writer_create(&o, &w, err);

	if (r)
		return r;
	for (unsigned int i = 1; !r && i < OHIB_SEC_MAX; section += h->section_len[i++])
		if (h->section_len[i])
			r = ohib_writer_section(w, i, section, h->section_len[i], true, err);
	if (!r)
		r = ohib_writer_snapshot_taken(w, err);
	if (!r) {
		memcpy(ohib_writer_pfns(w), f->pfns, f->nr * sizeof(u64));
		r = ohib_writer_pages_begin(w, f->nr, err);
	}
	for (u64 i = 0; !r && i < f->nr; i++) {
		void *page = ohib_writer_page(w);

		if (!page)
			break;
		if (f->pages[i])
			memcpy(page, f->pages[i], OHIB_PAGE_SIZE);
		else
			memset(page, 0, OHIB_PAGE_SIZE);
		ohib_writer_page_done(w);
	}
	if (!r)
		r = ohib_writer_pages_end(w, err);
	if (!r)
		r = ohib_writer_arm(w, err);
	ohib_writer_destroy(w);
	return r;
}

static int make_image(struct fixture *f, const struct fixture_head *h, const u8 *sections, struct ohib_err *err)
{
	char path[] = "/tmp/fixture-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)(IMAGE_ROOM + f->nr * OHIB_PAGE_SIZE)))
		return ohib_err_set(err, -errno, "%s: %s", path, strerror(errno));
	r = write_image(f, h, sections, path, err);
	if (!r)
		r = ohib_image_open(path, &f->img, err);
	unlink(path);
	return r;
}

static int open_fixture(const char *path, struct fixture *f, struct ohib_err *err)
{
	struct fixture_head h;
	const u8 *at;
	size_t len;
	u64 sections = 0;
	int r = unpack(path, &f->data, &len);

	if (r)
		return ohib_err_set(err, r, "%s: %s", path, strerror(-r));
	at = f->data + sizeof(h);
	if (len < sizeof(h))
		return ohib_err_set(err, -EBADMSG, "%s: too short", path);
	memcpy(&h, f->data, sizeof(h));
	for (unsigned int i = 0; i < OHIB_SEC_MAX; i++)
		sections += h.section_len[i];
	if (memcmp(h.magic, FIXTURE_MAGIC, sizeof(h.magic)) ||
	    len != sizeof(h) + sections + h.nr_frames * sizeof(u64) + h.nr_pages * OHIB_PAGE_SIZE)
		return ohib_err_set(err, -EBADMSG, "%s: not a fixture", path);
	f->nr = h.nr_frames;
	f->pfns = calloc(f->nr, sizeof(*f->pfns));
	f->pages = calloc(f->nr, sizeof(*f->pages));
	if (!f->pfns || !f->pages)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	memcpy(f->pfns, at + sections, f->nr * sizeof(u64));
	at += sections + f->nr * sizeof(u64);
	for (u64 i = 0; i < f->nr; i++) {
		if (!(f->pfns[i] & FIXTURE_ZERO)) {
			f->pages[i] = at;
			at += OHIB_PAGE_SIZE;
		}
		f->pfns[i] &= ~FIXTURE_ZERO;
	}
	return make_image(f, &h, f->data + sizeof(h), err);
}

int fixture_open(const char *path, struct fixture *f, struct ohib_err *err)
{
	int r;

	memset(f, 0, sizeof(*f));
	r = open_fixture(path, f, err);
	if (r)
		fixture_close(f);
	return r;
}

void fixture_close(struct fixture *f)
{
	if (f->img)
		ohib_image_close(f->img);
	free(f->pfns);
	free(f->pages);
	free(f->data);
	memset(f, 0, sizeof(*f));
}

s64 fixture_find(const struct fixture *f, u64 pfn)
{
	u64 lo = 0, hi = f->nr;

	while (lo < hi) {
		u64 mid = (lo + hi) / 2;

		if (f->pfns[mid] < pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->nr && f->pfns[lo] == pfn ? (s64)lo : -1;
}

void fixture_tell(const struct machine *m, FILE *out)
{
	size_t kinds[64] = { 0 };
	struct m_process *p;
	struct m_file *f;

	vec_foreach(p, &m->processes)
		fprintf(out, "process %d of %d, session %d, %c, %zu threads, %zu descriptors, %zu mappings, %zu pages: %s\n",
			p->pid, p->ppid, p->sid, report_state(p), p->threads.n, p->fdtable ? p->fdtable->fds.n : 0,
			p->mm ? p->mm->vmas.n : 0, p->mm ? p->mm->pages.n : 0, p->comm);
	vec_foreach(f, &m->files)
		kinds[(unsigned int)f->kind % ARRAY_SIZE(kinds)]++;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i])
			fprintf(out, "files of kind %zu: %zu\n", i, kinds[i]);
	fprintf(out, "superblocks %zu, mounts %zu, shmems %zu, ttys %zu, pipes %zu, socks %zu, segments %zu, swaps %zu\n",
		m->superblocks.n, m->mounts.n, m->shmems.n, m->ttys.n, m->pipes.n, m->socks.n, m->sysv_shms.n,
		m->system.swaps.n);
}
