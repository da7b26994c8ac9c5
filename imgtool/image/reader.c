// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opens an overlay image and hands out its sections and, by frame number, its pages.
 * Reads: header, sections, chunks. Never: trusts a length, offset or count out of them: all are
 * checked against the device and each other before they are used.
 */
#include <errno.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/reader.h"
#include "image/state.h"
#include "util/cleanup.h"

#define SECTION_BYTES_MAX (1ull << 30)
#define CACHE_DEFAULT (64u << 20)

const u8 ohib_zero_page[OHIB_PAGE_SIZE] __attribute__((aligned(4096)));

static const char *const section_names[OHIB_SEC_MAX] = {
	[OHIB_SEC_NONE] = "none",
	[OHIB_SEC_SNAPSHOT_HEADER] = "snapshot-header",
	[OHIB_SEC_PFN_INDEX] = "pfn-index",
	[OHIB_SEC_KALLSYMS] = "kallsyms",
	[OHIB_SEC_BTF] = "btf",
	[OHIB_SEC_VMCOREINFO] = "vmcoreinfo",
	[OHIB_SEC_CONFIG] = "config",
	[OHIB_SEC_GHOSTS] = "ghosts",
};

const char *ohib_section_name(enum ohib_section id)
{
	return (unsigned int)id < OHIB_SEC_MAX && section_names[id] ? section_names[id] : "unknown";
}

static void info_fill(const struct ohib_header *h, struct ohib_image_info *info)
{
	*info = (struct ohib_image_info){
		.state = h->state,
		.generation = h->generation,
		.created = h->created,
		.nr_pages = h->nr_pages,
		.nr_zero_pages = h->nr_zero_pages,
		.nr_zero_found = h->nr_zero_found,
		.raw_bytes = h->raw_bytes,
		.stored_bytes = h->stored_bytes,
		.attempts = h->attempts,
		.trial_offset = h->trial_offset,
		.trial_bytes = h->trial_bytes,
	};
	/* state.c has made sure that each string ends. */
	memcpy(info->uuid, h->uuid, sizeof(info->uuid));
	snprintf(info->machine_id, sizeof(info->machine_id), "%.32s", h->machine_id);
	snprintf(info->image_kernel, sizeof(info->image_kernel), "%.64s", h->image_kernel);
	snprintf(info->next_kernel, sizeof(info->next_kernel), "%.64s", h->next_kernel);
	snprintf(info->device, sizeof(info->device), "%s", h->device);
	snprintf(info->reason, sizeof(info->reason), "%s", h->reason);
}

int ohib_image_peek(const char *path, struct ohib_image_info *info, struct ohib_err *err)
{
	struct image_state s;
	struct image_dev d;
	int r = image_dev_open(&d, path, IMAGE_DEV_READ, err);

	if (r)
		return r;
	r = image_state_load(&d, &s, err);
	image_dev_close(&d);
	if (!r)
		info_fill(&s.hdr, info);
	return r;
}

/* [offset, offset + len) is inside the image's data and 4 KiB aligned at its start. */
static bool range_ok(const struct ohib_header *h, u64 offset, u64 len)
{
	return !(offset % OHIB_DISK_ALIGN) && offset >= OHIB_DATA_OFFSET &&
	       offset <= h->end_offset && len <= h->end_offset - offset &&
	       image_align(len) <= h->end_offset - offset;
}

/* Whole part into new pages, against its checksum; freed with image_pages_free(…, len). */
static int part_read(const struct ohib_image *img, const char *what, u64 offset, u64 len,
		     const struct ohib_check *want, u8 **out, struct ohib_err *err)
{
	struct ohib_check got;
	u8 *buf = image_pages_alloc(len);
	int r;

	if (!buf)
		return ohib_err_set(err, -ENOMEM, "%s: out of memory (%llu bytes)", what,
				    (unsigned long long)len);
	r = image_dev_read(&img->dev, offset, buf, image_align(len));
	if (r) {
		image_pages_free(buf, len);
		return ohib_err_set(err, r, "%s: %s at byte %llu: %s", img->dev.path, what,
				    (unsigned long long)offset, strerror(-r));
	}
	got = image_check(buf, len);
	if (!image_check_equal(&got, want)) {
		image_pages_free(buf, len);
		return ohib_err_set(err, -EBADMSG, "%s: %s at byte %llu is damaged (checksum)",
				    img->dev.path, what, (unsigned long long)offset);
	}
	*out = buf;
	return 0;
}

static const struct ohib_section_entry *section_find(const struct ohib_image *img,
						     enum ohib_section id)
{
	for (size_t i = 0; i < ARRAY_SIZE(img->hdr.sections); i++)
		if (id && img->hdr.sections[i].id == id)
			return &img->hdr.sections[i];
	return NULL;
}

static int header_check(const struct ohib_image *img, struct ohib_err *err)
{
	const struct ohib_header *h = &img->hdr;
	const char *bad = NULL;

	if (h->state == OHIB_STATE_NONE || h->state == OHIB_STATE_WRITING)
		return ohib_err_set(err, -ENODATA, "%s: the image was not finished (%s)",
				    img->dev.path, ohib_state_name(h->state));
	if (h->compress_alg > OHIB_COMPRESS_LZ4 || h->check_alg != OHIB_CHECK_XXH64 || h->aead_alg)
		return ohib_err_set(err, -ENOTSUP,
				    "%s: image with an algorithm that this program does not know",
				    img->dev.path);
	if (h->end_offset > img->dev.size || h->end_offset % OHIB_DISK_ALIGN)
		return ohib_err_set(err, -EBADMSG,
				    "%s: the image is longer than the device (%llu > %llu)",
				    img->dev.path, (unsigned long long)h->end_offset,
				    (unsigned long long)img->dev.size);
	if (h->page_size != OHIB_PAGE_SIZE)
		bad = "page size";
	else if (!h->chunk_pages || h->chunk_pages > OHIB_CHUNK_PAGES_MAX)
		bad = "chunk size";
	else if (h->nr_pages >= PFN_RUN_ZERO)
		bad = "page count";
	else if (h->nr_chunks != (h->nr_pages + h->chunk_pages - 1) / h->chunk_pages ||
		 h->index_len != h->nr_chunks * sizeof(struct ohib_chunk_entry) ||
		 !range_ok(h, h->index_offset, h->index_len))
		bad = "chunk index";
	else if (h->incompat & OHIB_INCOMPAT_TRIAL &&
		 (h->trial_offset < h->end_offset || h->trial_offset > img->dev.size ||
		  h->trial_bytes > img->dev.size - h->trial_offset))
		bad = "room of the trial";
	for (size_t i = 0; !bad && i < ARRAY_SIZE(h->sections); i++) {
		const struct ohib_section_entry *e = &h->sections[i];

		if (!e->id)
			continue;
		if (e->flags & ~OHIB_SECTION_RAW || !range_ok(h, e->offset, e->stored_len) ||
		    (e->flags & OHIB_SECTION_RAW ? e->raw_len != e->stored_len
						 : e->raw_len > SECTION_BYTES_MAX ||
							   e->stored_len > SECTION_BYTES_MAX) ||
		    section_find(img, e->id) != e)
			bad = ohib_section_name(e->id);
	}
	if (bad)
		return ohib_err_set(err, -EBADMSG, "%s: header: %s is out of bounds", img->dev.path,
				    bad);
	return 0;
}

static int index_check(const struct ohib_image *img, struct ohib_err *err)
{
	const struct ohib_header *h = &img->hdr;

	for (u64 i = 0; i < h->nr_chunks; i++) {
		const struct ohib_chunk_entry *e = &img->index[i];
		u64 left = h->nr_pages - i * h->chunk_pages;
		u64 nr = left < h->chunk_pages ? left : h->chunk_pages;
		unsigned int data;

		if (e->first_page != i * h->chunk_pages || e->nr_pages != nr ||
		    (nr < 64 && e->zero_bits >> nr) || e->flags & ~OHIB_CHUNK_RAW)
			goto bad;
		data = chunk_data_pages(e);
		if (!data != !e->stored_len ||
		    (e->stored_len && !range_ok(h, e->offset, e->stored_len)) ||
		    e->stored_len > data * OHIB_PAGE_SIZE ||
		    (e->flags & OHIB_CHUNK_RAW && e->stored_len != data * OHIB_PAGE_SIZE))
			goto bad;
		continue;
	bad:
		return ohib_err_set(err, -EBADMSG, "%s: chunk index: entry %llu is out of bounds",
				    img->dev.path, (unsigned long long)i);
	}
	return 0;
}

static int run_cmp(const void *a, const void *b)
{
	const struct pfn_run *x = a, *y = b;

	return (x->pfn > y->pfn) - (x->pfn < y->pfn);
}

/* Does entry @pfn (with its flag) go on where @run ends? */
static bool run_continues(const struct pfn_run *run, u64 pfn, bool zero, u64 data_page)
{
	return run->pfn + run->count == pfn && run->count < UINT32_MAX &&
	       (zero ? run->first == PFN_RUN_ZERO
		     : run->first != PFN_RUN_ZERO && run->first + (u64)run->count == data_page);
}

/*
 * The lookup: runs instead of a table, which is a few per cent of the list's size, as the memory of
 * the reloader's machine is wanted by others.
 */
static int runs_build(struct ohib_image *img, const u64 *list, u64 n, struct ohib_err *err)
{
	u64 data_page = 0, nr_zero = 0, nr_runs = 0;
	struct pfn_run *run = NULL;

	/* Twice the same walk: count, then fill. */
	for (int pass = 0; pass < 2; pass++) {
		struct pfn_run cur = {0};
		u64 at = 0;

		data_page = nr_zero = 0;
		for (u64 i = 0; i < n; i++) {
			bool zero = list[i] & OHIB_PFN_ZERO_FLAG;
			u64 pfn = list[i] & ~OHIB_PFN_ZERO_FLAG;

			if (pfn >= 1ull << 52)
				return ohib_err_set(err, -EBADMSG,
						    "%s: pfn-index: entry %llu is no frame",
						    img->dev.path, (unsigned long long)i);
			if (i && run_continues(&cur, pfn, zero, data_page)) {
				cur.count++;
			} else {
				if (i && run)
					run[at] = cur;
				at += !!i;
				cur = (struct pfn_run){pfn, 1,
						       zero ? PFN_RUN_ZERO : (u32)data_page};
			}
			nr_zero += zero;
			data_page += !zero;
		}
		if (n && run)
			run[at] = cur;
		nr_runs = at + !!n;
		if (!pass) {
			run = calloc(nr_runs ? nr_runs : 1, sizeof(*run));
			if (!run)
				return ohib_err_set(err, -ENOMEM, "pfn-index: out of memory");
			img->runs = img->stream = run;
			img->nr_runs = nr_runs;
		}
	}
	if (data_page != img->hdr.nr_pages || nr_zero != img->hdr.nr_zero_pages)
		return ohib_err_set(err, -EBADMSG, "%s: pfn-index: %llu pages, header: %llu",
				    img->dev.path, (unsigned long long)data_page,
				    (unsigned long long)img->hdr.nr_pages);

	/* The kernel walks its bitmap upwards (memory_bm_next_pfn): sorted already, but not by
	 * contract. */
	img->stream = run;
	for (u64 i = 1; i < nr_runs; i++) {
		if (run[i].pfn >= run[i - 1].pfn)
			continue;
		img->runs = malloc(nr_runs * sizeof(*run));
		if (!img->runs)
			return ohib_err_set(err, -ENOMEM, "pfn-index: out of memory");
		memcpy(img->runs, run, nr_runs * sizeof(*run));
		run = img->runs;
		qsort(run, nr_runs, sizeof(*run), run_cmp);
		break;
	}
	for (u64 i = 1; i < nr_runs; i++)
		if (run[i - 1].pfn + run[i - 1].count > run[i].pfn)
			return ohib_err_set(err, -EBADMSG,
					    "%s: pfn-index: frame 0x%llx comes twice",
					    img->dev.path, (unsigned long long)run[i].pfn);
	return 0;
}

static int pfns_load(struct ohib_image *img, struct ohib_err *err)
{
	const struct ohib_section_entry *e = section_find(img, OHIB_SEC_PFN_INDEX);
	size_t len;
	void *list;
	int r;

	if (!e || e->raw_len % sizeof(u64))
		return ohib_err_set(err, -EBADMSG, "%s: no usable pfn-index", img->dev.path);
	r = ohib_image_section(img, OHIB_SEC_PFN_INDEX, &list, &len, err);
	if (r)
		return r;
	r = runs_build(img, list, len / sizeof(u64), err);
	free(list);
	return r;
}

int ohib_image_open(const char *path, struct ohib_image **out, struct ohib_err *err)
{
	struct ohib_image *img = calloc(1, sizeof(*img));
	struct image_state s;
	int r;

	if (!img)
		return ohib_err_set(err, -ENOMEM, "image: out of memory");
	img->dev = (struct image_dev)IMAGE_DEV_CLOSED;
	pthread_mutex_init(&img->lock, NULL);
	r = image_dev_open(&img->dev, path, IMAGE_DEV_READ, err);
	if (!r)
		r = image_state_load(&img->dev, &s, err);
	if (!r) {
		img->hdr = s.hdr;
		info_fill(&img->hdr, &img->info);
		r = header_check(img, err);
	}
	if (!r)
		r = part_read(img, "chunk index", img->hdr.index_offset, img->hdr.index_len,
			      &img->hdr.index_check, (u8 **)&img->index, err);
	if (!r)
		r = index_check(img, err);
	if (!r)
		r = pfns_load(img, err);
	if (!r)
		r = ohib_image_set_cache(img, CACHE_DEFAULT, err);
	if (r) {
		ohib_image_close(img);
		return r;
	}
	*out = img;
	return 0;
}

void ohib_image_close(struct ohib_image *img)
{
	if (!img)
		return;
	image_cache_destroy(img->cache);
	if (img->stream != img->runs)
		free(img->stream);
	free(img->runs);
	if (img->index)
		image_pages_free(img->index, img->hdr.index_len);
	image_dev_close(&img->dev);
	pthread_mutex_destroy(&img->lock);
	free(img);
}

const struct ohib_image_info *ohib_image_info(const struct ohib_image *img)
{
	return &img->info;
}

int ohib_image_set_cache(struct ohib_image *img, size_t bytes, struct ohib_err *err)
{
	struct chunk_cache *c;
	int r = image_cache_create(img, bytes, &c);

	if (r)
		return ohib_err_set(err, r, "chunk cache: out of memory");
	pthread_mutex_lock(&img->lock);
	image_cache_destroy(img->cache);
	img->cache = c;
	pthread_mutex_unlock(&img->lock);
	return 0;
}

int ohib_image_section(struct ohib_image *img, enum ohib_section id, void **data, size_t *len,
		       struct ohib_err *err)
{
	const struct ohib_section_entry *e = section_find(img, id);
	const char *name = ohib_section_name(id);
	_cleanup_free_ u8 *raw = NULL;
	u8 *stored = NULL;
	int r;

	if (!e)
		return ohib_err_set(err, -ENODATA, "%s: the image has no section %s", img->dev.path,
				    name);
	r = part_read(img, name, e->offset, e->stored_len, &e->check, &stored, err);
	if (r)
		return r;
	raw = malloc(e->raw_len + 1);
	if (!raw) {
		r = ohib_err_set(err, -ENOMEM, "section %s: out of memory (%llu bytes)", name,
				 (unsigned long long)e->raw_len);
	} else if (e->flags & OHIB_SECTION_RAW) {
		memcpy(raw, stored, e->raw_len);
	} else if (LZ4_decompress_safe((char *)stored, (char *)raw, (int)e->stored_len,
				       (int)e->raw_len) != (int)e->raw_len) {
		r = ohib_err_set(err, -EBADMSG, "%s: section %s is damaged (LZ4)", img->dev.path,
				 name);
	}
	image_pages_free(stored, e->stored_len);
	if (r)
		return r;
	raw[e->raw_len] = '\0'; /* so that text can be used as it is */
	*len = e->raw_len;
	*data = no_free_ptr(raw);
	return 0;
}

int ohib_image_section_size(const struct ohib_image *img, enum ohib_section id, u64 *raw,
			    u64 *stored)
{
	const struct ohib_section_entry *e = section_find(img, id);

	if (!e)
		return -ENODATA;
	*raw = e->raw_len;
	*stored = e->stored_len;
	return 0;
}

size_t image_chunk_room(const struct ohib_image *img)
{
	return (size_t)img->hdr.chunk_pages * OHIB_PAGE_SIZE;
}

int image_chunk_unpack(const struct ohib_image *img, u64 n, const u8 *stored, u8 *out,
		       struct ohib_err *err)
{
	const struct ohib_chunk_entry *e = &img->index[n];
	int raw = (int)(chunk_data_pages(e) * OHIB_PAGE_SIZE);
	struct ohib_check got;

	if (!raw)
		return 0;
	got = image_check(stored, e->stored_len);
	if (!image_check_equal(&got, &e->check))
		return ohib_err_set(
			err, -EBADMSG, "%s: chunk %llu at byte %llu is damaged (checksum)",
			img->dev.path, (unsigned long long)n, (unsigned long long)e->offset);
	if (e->flags & OHIB_CHUNK_RAW)
		memcpy(out, stored, (size_t)raw);
	else if (LZ4_decompress_safe((const char *)stored, (char *)out, (int)e->stored_len, raw) !=
		 raw)
		return ohib_err_set(err, -EBADMSG, "%s: chunk %llu at byte %llu is damaged (LZ4)",
				    img->dev.path, (unsigned long long)n,
				    (unsigned long long)e->offset);
	return 0;
}

const u8 *image_chunk_page(const struct ohib_chunk_entry *e, const u8 *out, unsigned int slot)
{
	u64 before = e->zero_bits & ((1ull << slot) - 1);

	if (e->zero_bits >> slot & 1)
		return ohib_zero_page;
	return out + (size_t)(slot - (unsigned int)__builtin_popcountll(before)) * OHIB_PAGE_SIZE;
}

static const struct pfn_run *run_find(const struct ohib_image *img, u64 pfn)
{
	size_t lo = 0, hi = img->nr_runs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (img->runs[mid].pfn + img->runs[mid].count <= pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < img->nr_runs && img->runs[lo].pfn <= pfn ? &img->runs[lo] : NULL;
}

bool ohib_image_has_pfn(const struct ohib_image *img, u64 pfn)
{
	return run_find(img, pfn) != NULL;
}

int ohib_image_read_pfn(struct ohib_image *img, u64 pfn, void *page, struct ohib_err *err)
{
	const struct pfn_run *run = run_find(img, pfn);
	const struct ohib_chunk_entry *e;
	const u8 *chunk;
	u64 data_page;
	int r;

	if (!run)
		return ohib_err_set(err, -ENODATA, "frame 0x%llx is not in the image",
				    (unsigned long long)pfn);
	if (run->first == PFN_RUN_ZERO) {
		memset(page, 0, OHIB_PAGE_SIZE);
		return 0;
	}
	data_page = run->first + (pfn - run->pfn);
	e = &img->index[data_page / img->hdr.chunk_pages];
	pthread_mutex_lock(&img->lock);
	r = image_cache_get(img, data_page / img->hdr.chunk_pages, &chunk, err);
	if (!r)
		memcpy(page,
		       image_chunk_page(e, chunk, (unsigned int)(data_page % img->hdr.chunk_pages)),
		       OHIB_PAGE_SIZE);
	pthread_mutex_unlock(&img->lock);
	return r;
}
