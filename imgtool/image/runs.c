// SPDX-License-Identifier: GPL-2.0-only
/* Where a frame's page is in the stream: the list of frames as runs, sorted and checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/reader.h"

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
int image_runs_build(struct ohib_image *img, const u64 *list, u64 n, struct ohib_err *err)
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

const struct pfn_run *image_run_find(const struct ohib_image *img, u64 pfn)
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
	return image_run_find(img, pfn) != NULL;
}
