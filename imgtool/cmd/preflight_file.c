// SPDX-License-Identifier: GPL-2.0-only
/* The part of preflight about an image in a file. */
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

/*
 * No boot may go past the image without a word: the initramfs has to know the place too. (That of the kernel which
 * resumes stands for all.)
 */
void preflight_place(struct preflight *p)
{
	const char *release = p->next_kernel[0] ? p->next_kernel : p->image_kernel;
	char was[600] = "";

	if (!release[0])
		return;
	kernel_stamp_get(release, "device", was, sizeof(was));
	if (strcmp(was, p->name))
		refuse(&p->refusals, 0, "", p->path,
		       "the initramfs of Linux %s looks at %s, not at %s: set device= in " OHIB_CONF ", then run "
		       "update-initramfs -u -k all and update-grub", release, was[0] ? was : "no file", p->name);
}
