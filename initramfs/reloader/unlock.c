// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ask for what opens the image before the initramfs is emptied of whoever can ask (plymouth, askpass).
 * Several programs of this boot need it then; the kernel's key ring keeps it for them.
 */
#include <errno.h>

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
	if (r != -ENODATA)
		say("%s", err.msg);
	return reload_open_exit(r);
}
