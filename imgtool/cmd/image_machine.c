// SPDX-License-Identifier: GPL-2.0-only
/* What the commands share that look at the machine inside an image. */
#include <string.h>

#include "cmd/cmd.h"
#include "translate/translate.h"

int image_machine_open(const struct common_opts *o, struct image_machine *im, struct ohib_err *err)
{
	char path[256];
	int r;

	memset(im, 0, sizeof(*im));
	if (!device_from_opts(o, path, sizeof(path)))
		return ohib_err_set(err, -ENODEV, "no overlay device");
	r = image_open(o, path, &im->img, err);
	if (!r)
		r = kernel_data_open_image(im->img, &im->k, err);
	if (!r)
		r = machine_from_image(im->img, im->k, false, &im->m, err);
	if (r)
		image_machine_close(im);
	return r;
}

void image_machine_close(struct image_machine *im)
{
	machine_free(im->m);
	kernel_data_close(im->k);
	ohib_image_close(im->img);
}
