// SPDX-License-Identifier: GPL-2.0-only
/* The record of a trial, in front of its layer's room. It belongs to one image and is checked. */
#include <errno.h>
#include <string.h>

#include "image/io.h"
#include "trial/trial.h"

static bool ends(const char *s, size_t size)
{
	return s[0] && memchr(s, '\0', size);
}

static int validate(const struct ohib_trial_record *r, const struct ohib_image_info *image)
{
	u64 sum = 0;

	if (memcmp(r->magic, OHIB_TRIAL_MAGIC, sizeof(r->magic)) ||
	    memcmp(r->image_uuid, image->uuid, sizeof(r->image_uuid)))
		return -ENODATA;
	if (r->check != image_xxh64(r, offsetof(struct ohib_trial_record, check)))
		return -EBADMSG;
	if (r->version != OHIB_TRIAL_VERSION || r->chunk != OHIB_TRIAL_CHUNK)
		return -ENOTSUP;
	if (!r->nr_disks || r->nr_disks > OHIB_TRIAL_DISKS || r->nr_swaps > OHIB_TRIAL_SWAPS)
		return -EBADMSG;
	for (u32 i = 0; i < r->nr_disks; i++) {
		const struct ohib_trial_disk *d = &r->disk[i];

		if (!d->sectors || d->sectors > 1ull << 53 || !ends(d->spec, sizeof(d->spec)) ||
		    !ends(d->name, sizeof(d->name)) ||
		    strncmp(d->name, TRIAL_PREFIX, strlen(TRIAL_PREFIX)) || strchr(d->name, '/'))
			return -EBADMSG;
		sum += d->sectors;
	}
	for (u32 i = 0; i < r->nr_swaps; i++)
		if (!ends(r->swap[i].path, sizeof(r->swap[i].path)))
			return -EBADMSG;
	return sum ? 0 : -EBADMSG;
}

static int has_room(const struct ohib_image_info *image, struct ohib_err *err)
{
	if (image->trial_bytes > OHIB_TRIAL_STORE && !(image->trial_offset % OHIB_PAGE_SIZE))
		return 0;
	return ohib_err_set(err, -ENODATA, "the image has no room for a trial");
}

int trial_record_read(const char *device, const struct ohib_image_info *image,
		      struct ohib_trial_record *r, struct ohib_err *err)
{
	_Alignas(4096) u8 page[OHIB_TRIAL_RECORD_BYTES];
	struct image_dev d;
	int ret = has_room(image, err);

	if (!ret)
		ret = image_dev_open(&d, device, IMAGE_DEV_READ, err);
	if (ret)
		return ret;
	ret = image_dev_read(&d, image->trial_offset, page, sizeof(page));
	image_dev_close(&d);
	memcpy(r, page, sizeof(*r));
	if (!ret)
		ret = validate(r, image);
	return ret ? ohib_err_set(err, ret, "%s: the record of the trial: %s", device,
				  ret == -ENODATA ? "there is none of this image" :
						    strerror(-ret)) : 0;
}

int trial_record_write(const char *device, const struct ohib_image_info *image,
		       struct ohib_trial_record *r, struct ohib_err *err)
{
	struct image_dev d;
	u8 *room;
	int ret = has_room(image, err);

	memcpy(r->magic, OHIB_TRIAL_MAGIC, sizeof(r->magic));
	r->version = OHIB_TRIAL_VERSION;
	r->chunk = OHIB_TRIAL_CHUNK;
	memcpy(r->image_uuid, image->uuid, sizeof(r->image_uuid));
	r->check = image_xxh64(r, offsetof(struct ohib_trial_record, check));
	if (!ret)
		ret = validate(r, image) ? ohib_err_set(err, -EINVAL, "the record of the trial is not "
							"valid") : 0;
	if (!ret)
		ret = image_dev_open(&d, device, IMAGE_DEV_SHARE, err);
	if (ret)
		return ret;
	/* A store that begins with zeros is a new one (read_header in dm-snap-persistent.c). */
	room = image_pages_alloc(2 * OHIB_TRIAL_STORE);
	ret = room ? 0 : -ENOMEM;
	if (!ret) {
		memcpy(room, r, sizeof(*r));
		ret = image_dev_write(&d, image->trial_offset, room, 2 * OHIB_TRIAL_STORE);
	}
	if (!ret)
		ret = image_dev_flush(&d);
	image_pages_free(room, 2 * OHIB_TRIAL_STORE);
	image_dev_close(&d);
	return ret ? ohib_err_set(err, ret, "%s: writing the record of the trial: %s", device,
				  strerror(-ret)) : 0;
}
