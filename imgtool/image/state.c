// SPDX-License-Identifier: GPL-2.0-only
/*
 * The header's two copies, the states an image goes through, and what GRUB is told about them.
 *
 * Rule: the copy that is not in force is written first and flushed, then the other one, so that at
 * each moment one whole header is on the medium. GRUB's environment block may only promise what the
 * headers hold already: it is written before them when an image is armed (a promise too early is
 * found out by the reloader, which reads the headers) and after them in every other move. GRUB for
 * its part writes into the block alone; image_state_load takes that over.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "image/state.h"
#include "util/fault.h"

#define ENV_SIGNATURE "# GRUB Environment Block\n"

static const struct {
	u64 page;
	u32 in_page;
} places[2] = {
	{OHIB_HEADER_A_PAGE, OHIB_HEADER_A_IN_PAGE},
	{OHIB_HEADER_B_PAGE, OHIB_HEADER_B_IN_PAGE},
};

#define HEADER_MEMBER "overlayctl.hdr"	/* for tar, and whoever looks at what is on a device */

static const char *const state_names[] = {
#define STATE(name, value, text) [OHIB_STATE_##name] = text,
#include "image/states.def"
};

static const struct {
	enum ohib_state from, to;
} moves[] = {
#define MOVE(from, to) { OHIB_STATE_##from, OHIB_STATE_##to },
#include "image/states.def"
};

const char *ohib_state_name(enum ohib_state s)
{
	return (unsigned int)s < ARRAY_SIZE(state_names) ? state_names[s] : "unknown";
}

bool ohib_state_waits(enum ohib_state s)
{
	return s == OHIB_STATE_ARMED || s == OHIB_STATE_RESUMING || s == OHIB_STATE_TRIAL ||
	       s == OHIB_STATE_REVERTING;
}

bool ohib_state_on_trial(enum ohib_state s)
{
	return s == OHIB_STATE_TRIAL || s == OHIB_STATE_REVERTING;
}

bool image_state_may_move(enum ohib_state from, enum ohib_state to)
{
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i].from == from && moves[i].to == to)
			return true;
	return false;
}

struct uuid_text {
	char s[33];
};

static struct uuid_text uuid_hex(const u8 *uuid)
{
	struct uuid_text t;

	for (int i = 0; i < 16; i++)
		snprintf(t.s + 2 * i, 3, "%02x", uuid[i]);
	return t;
}

static bool terminated(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

/* 0, or why this copy cannot be used: -ENODATA not a header, -EBADMSG damaged, -ENOTSUP too new. */
static int header_validate(const struct ohib_header *h)
{
	if (memcmp(h->magic, OHIB_MAGIC, sizeof(h->magic)))
		return -ENODATA;
	if (h->check != image_xxh64(h, offsetof(struct ohib_header, check)))
		return -EBADMSG;
	if (h->version != OHIB_FORMAT_VERSION || h->header_bytes != OHIB_HEADER_BYTES ||
	    h->incompat & ~OHIB_INCOMPAT_KNOWN)
		return -ENOTSUP;
	if (h->state >= ARRAY_SIZE(state_names) || !terminated(h->reason, sizeof(h->reason)) ||
	    !terminated(h->machine_id, sizeof(h->machine_id)) ||
	    !terminated(h->image_kernel, sizeof(h->image_kernel)) ||
	    !terminated(h->next_kernel, sizeof(h->next_kernel)) ||
	    !terminated(h->device, sizeof(h->device)))
		return -EBADMSG;
	return 0;
}

/* The value of @key in the block into @value; false: not there, or no block. */
static bool env_get(const char *env, const char *key, char *value, size_t size)
{
	const char *p = env, *end = env + OHIB_ENV_BYTES;
	size_t n = strlen(key);

	if (memcmp(env, ENV_SIGNATURE, strlen(ENV_SIGNATURE)))
		return false;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl)
			return false;
		if ((size_t)(nl - p) > n && p[n] == '=' && !memcmp(p, key, n)) {
			snprintf(value, size, "%.*s", (int)(nl - p - (long)n - 1), p + n + 1);
			return true;
		}
		p = nl + 1;
	}
	return false;
}

/* GRUB has no way to change a header: what it knows is in its block. */
static void env_take_over(const char *env, struct ohib_header *h)
{
	char value[64];
	unsigned long n;

	/* A block of another image says nothing about this one. */
	if (!env_get(env, "ohib_uuid", value, sizeof(value)) || strcmp(value, uuid_hex(h->uuid).s))
		return;
	if (!ohib_state_waits(h->state))
		return;
	if (env_get(env, "ohib_state", value, sizeof(value)) && !strcmp(value, "stale")) {
		h->state = OHIB_STATE_STALE;
		snprintf(h->reason, sizeof(h->reason), "discarded in the boot menu");
	}
	if (env_get(env, "ohib_attempts", value, sizeof(value))) {
		n = strtoul(value, NULL, 10);
		if (n < 1000 && n > h->attempts)
			h->attempts = (u32)n;
	}
}

int image_state_load(const struct image_dev *d, struct image_state *s, struct ohib_err *err)
{
	u8 *fixed = image_pages_alloc(3 * OHIB_DISK_ALIGN);
	const struct ohib_header *copy[2];
	int why[2], use = -1, r;
	bool waits;

	if (!fixed)
		return ohib_err_set(err, -ENOMEM, "header of %s: out of memory", d->path);
	for (int i = 0; i < 2; i++) {
		u8 *page = fixed + (i ? 2 * OHIB_DISK_ALIGN : 0);

		copy[i] = (void *)(page + places[i].in_page);
		why[i] = image_dev_read(d, places[i].page, page, OHIB_DISK_ALIGN);
		if (!why[i])
			why[i] = header_validate(copy[i]);
	}
	/*
	 * The device begins with a name that every write of the first copy leaves as it is. Where that is gone something
	 * else was put there, and has left the second copy alone.
	 */
	if (why[0] == -ENODATA && strcmp((char *)fixed, HEADER_MEMBER))
		why[1] = -ENODATA;
	if (!why[0] && !why[1])
		use = copy[1]->generation > copy[0]->generation;
	else if (!why[0] || !why[1])
		use = why[0] ? 1 : 0;

	if (use >= 0) {
		s->hdr = *copy[use];
		s->copy = use;
		r = 0;
		s->counted = s->hdr.attempts;
		waits = ohib_state_waits(s->hdr.state);
		if (!image_dev_read(d, OHIB_ENV_OFFSET, fixed, OHIB_DISK_ALIGN))
			env_take_over((char *)fixed, &s->hdr);
		s->discarded = waits && !ohib_state_waits(s->hdr.state);
	} else if (why[0] == -ENODATA && why[1] == -ENODATA) {
		r = ohib_err_set(err, -ENODATA, "%s holds no overlay image", d->path);
	} else if (why[0] == -ENOTSUP || why[1] == -ENOTSUP) {
		r = ohib_err_set(err, -ENOTSUP,
				 "%s: image of a format that this program does not know", d->path);
	} else if (why[0] != -EBADMSG && why[0] != -ENODATA) {
		r = ohib_err_set(err, why[0], "%s: header: %s", d->path, strerror(-why[0]));
	} else {
		r = ohib_err_set(err, -EBADMSG, "%s: both copies of the header are damaged",
				 d->path);
	}
	image_pages_free(fixed, 3 * OHIB_DISK_ALIGN);
	return r;
}

/* One "key=value" line; GRUB takes a backslash as an escape. Nothing is written when it is too
 * long. */
__attribute__((format(printf, 3, 4))) static size_t env_line(char *env, size_t at, const char *fmt,
							     ...)
{
	char line[300];
	size_t out = 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) || at + 2 * (size_t)n + 1 > OHIB_ENV_BYTES)
		return at;
	for (int i = 0; i < n; i++) {
		if (line[i] == '\\' || line[i] == '\n')
			env[at + out++] = '\\';
		env[at + out++] = line[i];
	}
	env[at + out++] = '\n';
	return at + out;
}

void image_state_env(const struct ohib_header *hdr, char *env)
{
	size_t at = strlen(ENV_SIGNATURE);

	memset(env, '#', OHIB_ENV_BYTES);
	memcpy(env, ENV_SIGNATURE, at);
	at = env_line(env, at, "ohib_state=%s", ohib_state_name(hdr->state));
	at = env_line(env, at, "ohib_next=%s", hdr->next_kernel);
	at = env_line(env, at, "ohib_image_kernel=%s", hdr->image_kernel);
	at = env_line(env, at, "ohib_uuid=%s", uuid_hex(hdr->uuid).s);
	at = env_line(env, at, "ohib_attempts=%u", hdr->attempts);
	at = env_line(env, at, "ohib_device=%s", hdr->device);
}

/* The 512 bytes before a member of a tar archive (POSIX.1-1988 ustar). */
static void tar_header(u8 *at, const char *name, unsigned int size)
{
	struct {
		char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type;
		char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8];
		char prefix[155], pad[12];
	} t = {.type = '0'};
	unsigned int sum = 0;

	static_assert(sizeof(t) == 512, "ustar header");
	snprintf(t.name, sizeof(t.name), "%s", name);
	memcpy(t.mode, "0000600", 8);
	memcpy(t.uid, "0000000", 8);
	memcpy(t.gid, "0000000", 8);
	snprintf(t.size, sizeof(t.size), "%011o", size);
	memcpy(t.mtime, "00000000000", 12);
	memcpy(t.magic, "ustar", 6);
	memcpy(t.version, "00", 2);
	memset(t.sum, ' ', sizeof(t.sum));
	for (size_t i = 0; i < sizeof(t); i++)
		sum += ((const u8 *)&t)[i];
	snprintf(t.sum, sizeof(t.sum), "%06o", sum);
	memcpy(at, &t, sizeof(t));
}

static int env_write(const struct image_dev *d, const struct ohib_header *hdr, u8 *page)
{
	int r;

	memset(page, 0, OHIB_DISK_ALIGN);
	image_state_env(hdr, (char *)page);
	r = fault_point(FAULT_BLOCK, NULL);
	if (!r)
		r = image_dev_write(d, OHIB_ENV_OFFSET, page, OHIB_DISK_ALIGN);
	if (!r)
		r = fault_point(FAULT_BLOCK_FLUSH, NULL);
	return r ? r : image_dev_flush(d);
}

/* Other copy, flush, this copy, flush. */
static int headers_write(const struct image_dev *d, const struct ohib_header *hdr, int in_force,
			 u8 *page)
{
	for (int i = 0; i < 2; i++) {
		int copy = i ? in_force : !in_force, r;

		memset(page, 0, OHIB_DISK_ALIGN);
		if (!copy) {
			tar_header(page, HEADER_MEMBER, OHIB_HEADER_BYTES);
			tar_header(page + OHIB_ENV_TAR_IN_PAGE, "overlayctl.env", OHIB_ENV_BYTES);
		}
		memcpy(page + places[copy].in_page, hdr, OHIB_HEADER_BYTES);
		r = fault_point(FAULT_HEADER, NULL);
		if (!r)
			r = image_dev_write(d, places[copy].page, page, OHIB_DISK_ALIGN);
		if (!r)
			r = fault_point(FAULT_HEADER_FLUSH, NULL);
		if (!r)
			r = image_dev_flush(d);
		if (r)
			return r;
	}
	return 0;
}

void image_state_destroy_keys(struct ohib_header *h)
{
	memset(h->key_slots, 0, sizeof(h->key_slots));
	memset(h->seal_tag, 0, sizeof(h->seal_tag));
}

int image_state_move(const struct image_dev *d, struct image_state *s, enum ohib_state to,
		     const char *reason, struct ohib_err *err)
{
	enum ohib_state from = s->hdr.state;
	struct ohib_header *h = &s->hdr;
	_Alignas(4096) u8 page[OHIB_DISK_ALIGN];
	int r = 0;

	if (!image_state_may_move(from, to))
		return ohib_err_set(err, -EINVAL, "%s: an image that is %s cannot become %s",
				    d->path, ohib_state_name(from), ohib_state_name(to));
	h->state = to;
	h->generation++;
	/* GRUB has counted this attempt already, if it could. */
	if ((to == OHIB_STATE_RESUMING || to == OHIB_STATE_REVERTING) && h->attempts == s->counted)
		h->attempts++;
	/* Those to bring the old machine back count from one. */
	if (from == OHIB_STATE_RESUMING && to == OHIB_STATE_TRIAL)
		h->attempts = 0;
	s->counted = h->attempts;
	if (to == OHIB_STATE_WRITING)
		h->attempts = 0;
	if (to == OHIB_STATE_SPENT)
		image_state_destroy_keys(h);
	if (reason || to == OHIB_STATE_WRITING) {
		memset(h->reason, 0, sizeof(h->reason));
		snprintf(h->reason, sizeof(h->reason), "%s", reason ? reason : "");
	}
	h->check = image_xxh64(h, offsetof(struct ohib_header, check));

	if (to == OHIB_STATE_ARMED) {
		r = env_write(d, h, page);
		if (r)
			h->state = from; /* no header has promised anything yet */
	}
	if (!r)
		r = headers_write(d, h, s->copy, page);
	if (!r && to != OHIB_STATE_ARMED)
		r = env_write(d, h, page);
	if (!r)
		r = fault_point(FAULT_MOVED, NULL);
	if (r)
		return ohib_err_set(err, r, "%s: writing the header (%s): %s", d->path,
				    ohib_state_name(to), strerror(-r));
	return 0;
}

/* The image for a change of what its headers or its block say; @d is to be closed when this returns 0. */
static int open_state(const char *path, enum image_dev_mode mode, struct image_dev *d, struct image_state *s,
		      struct ohib_err *err)
{
	int r = image_dev_open(d, path, mode, err);

	if (r)
		return r;
	/* A trial has several who may end it, at once. */
	if (flock(d->fd, LOCK_EX))
		r = ohib_err_set(err, -errno, "%s: locking it: %s", path, strerror(errno));
	if (!r)
		r = image_state_load(d, s, err);
	if (r)
		image_dev_close(d);
	return r;
}

/* @from: NULL, any */
static int set_state(const char *path, const enum ohib_state *from, enum ohib_state to, const char *reason,
		     struct ohib_err *err)
{
	struct image_dev d;
	struct image_state s;
	int r;

	/* A trial's layer is on the device: it is claimed by that. */
	r = open_state(path, to == OHIB_STATE_TRIAL || to == OHIB_STATE_KEEPING ? IMAGE_DEV_SHARE : IMAGE_DEV_WRITE,
		       &d, &s, err);
	if (r)
		return r;
	if (from && s.hdr.state != *from)
		r = ohib_err_set(err, -EBUSY, "%s: the image is %s by now, not %s", path,
				 ohib_state_name(s.hdr.state), ohib_state_name(*from));
	else
		r = image_state_move(&d, &s, to, reason, err);
	image_dev_close(&d);
	return r;
}

int ohib_image_set_state(const char *path, enum ohib_state to, const char *reason, struct ohib_err *err)
{
	return set_state(path, NULL, to, reason, err);
}

int ohib_image_move(const char *path, enum ohib_state from, enum ohib_state to, const char *reason,
		    struct ohib_err *err)
{
	return set_state(path, &from, to, reason, err);
}

int ohib_image_discarded(const char *path, struct ohib_err *err)
{
	_Alignas(4096) u8 page[OHIB_DISK_ALIGN];
	struct image_state s;
	struct image_dev d;
	int r = open_state(path, IMAGE_DEV_WRITE, &d, &s, err);

	if (r)
		return r;
	if (s.discarded) {
		s.hdr.generation++;
		s.hdr.check = image_xxh64(&s.hdr, offsetof(struct ohib_header, check));
		r = headers_write(&d, &s.hdr, s.copy, page);
	}
	image_dev_close(&d);
	return r ? ohib_err_set(err, r, "%s: writing the header: %s", path, strerror(-r)) : 0;
}

int ohib_image_set_attempts(const char *path, u32 attempts, struct ohib_err *err)
{
	_Alignas(4096) u8 page[OHIB_DISK_ALIGN];
	struct image_state s;
	struct image_dev d;
	int r = open_state(path, IMAGE_DEV_WRITE, &d, &s, err);

	if (r)
		return r;
	s.hdr.attempts = attempts;
	r = env_write(&d, &s.hdr, page);
	image_dev_close(&d);
	return r ? ohib_err_set(err, r, "%s: counting attempts: %s", path, strerror(-r)) : 0;
}
