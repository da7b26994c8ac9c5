// SPDX-License-Identifier: GPL-2.0-only
/* Bytes that a kernel object keeps in a struct page, without a kernel address of their own. */
#include <errno.h>
#include <string.h>

#include "translate/xlate.h"

int x_page_bytes(struct xlate *x, u64 page, u64 offset, void *buf, size_t len)
{
	u64 pfn = view_page_to_pfn(x->v, page) + offset / OHIB_PAGE_SIZE;
	u8 copy[OHIB_PAGE_SIZE], *out = buf;
	size_t at = offset % OHIB_PAGE_SIZE;

	memset(buf, 0, len);
	if (x_failed(x))
		return x->err.code;
	while (len) {
		size_t n = sizeof(copy) - at < len ? sizeof(copy) - at : len;
		int r = view_read_pfn(x->v, pfn++, copy);

		if (r)
			return r;
		memcpy(out, copy + at, n);
		out += n;
		len -= n;
		at = 0;
	}
	return 0;
}
