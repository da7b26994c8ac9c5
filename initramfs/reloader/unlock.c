// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ask for what opens the image before the initramfs is emptied of whoever can ask (plymouth, askpass).
 * Several programs of this boot need it then; the kernel's key ring keeps it for them.
 */
#include "image/image.h"
#include "reloader/reloader.h"

int reload_unlock(const char *image, const char *program)
{
	struct ohib_err err = {};
	struct ohib_image *img;
	int r = reload_open(image, program, true, &img, &err);

	if (!r) {
		ohib_image_close(img);
		return 0;
	}
	return reload_open_failed(r, &err);
}
