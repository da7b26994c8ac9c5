// SPDX-License-Identifier: GPL-2.0-only
/* View backend: an overlay image. */
#include <errno.h>
#include <stdlib.h>

#include "image/image.h"
#include "view/view_backend.h"

struct view_image {
	struct view v;
	struct ohib_image *img;
};

static int image_read_pfn(struct view *v, u64 pfn, void *page)
{
	return ohib_image_read_pfn(((struct view_image *)v)->img, pfn, page, NULL);
}

static bool image_has_pfn(struct view *v, u64 pfn)
{
	return ohib_image_has_pfn(((struct view_image *)v)->img, pfn);
}

static void image_close(struct view *v)
{
	free(v);
}

static const struct view_ops image_ops = {
	.read_pfn = image_read_pfn,
	.has_pfn = image_has_pfn,
	.close = image_close,
};

int view_open_image(struct ohib_image *img, const struct symbols *syms, const char *vmcoreinfo,
		    u32 sizeof_page, struct view **out, struct ohib_err *err)
{
	struct view_image *vi = calloc(1, sizeof(*vi));
	int r;

	if (!vi)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	vi->v.ops = &image_ops;
	vi->img = img;
	r = view_init(&vi->v, syms, vmcoreinfo, sizeof_page, err);
	if (r) {
		view_close(&vi->v);
		return r;
	}
	*out = &vi->v;
	return 0;
}
