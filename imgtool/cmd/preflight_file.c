// SPDX-License-Identifier: GPL-2.0-only
/* The part of preflight about where the boots look for the image. */
#include <string.h>

#include "cmd/kernels.h"
#include "cmd/preflight.h"
#include "image/locate.h"
#include "image/place.h"

/* A file that was named by its device was not compared with what the kernel says of it. */
void preflight_file(struct preflight *p)
{
	char conf[256] = "";

	ohib_conf_get("device", conf, sizeof(conf));
	if (place_path(p->device ? p->device : conf))
		refuse(&p->refusals, 0, "", p->path, "name the file by its path on this machine");
}

static bool looks_there(const struct preflight *p, const char *spec)
{
	char path[sizeof(p->path)], name[sizeof(p->name)];

	if (place_path(p->path))
		return !strcmp(spec, p->name);
	return spec[0] && !ohib_device_locate(spec, path, sizeof(path), name, sizeof(name), NULL) &&
	       !strcmp(path, p->path);
}

/* No boot may go past the image without a word: the initramfs has to know the place too. */
void preflight_place(struct preflight *p)
{
	const char *const kernels[] = { p->image_kernel, p->next_kernel };

	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		char was[600] = "";

		if (!kernels[i][0])
			continue;
		kernel_stamp_get(kernels[i], "device", was, sizeof(was));
		if (!looks_there(p, was))
			refuse(&p->refusals, 0, "", p->path,
			       "the initramfs of Linux %s looks at %s for a suspended machine, not at %s: set device= in "
			       OHIB_CONF ", then run update-initramfs -u -k all and update-grub", kernels[i],
			       was[0] ? was : "nothing", p->name);
	}
}
