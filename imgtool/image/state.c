// SPDX-License-Identifier: GPL-2.0-only
/*
 * The header's two copies, the states an image goes through, and what GRUB is told about them.
 *
 * Rule: the copy that is not in force is written first and flushed, then the other one, so that at
 * each moment one whole header is on the medium. GRUB's environment block may only promise what the
 * headers hold already: it is written before them when an image is armed (a promise too early is
 * found out by the reloader, which reads the headers) and after them in every other move.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "image/state.h"

static const char *const state_names[] = {
	[OHIB_STATE_NONE] = "none",
	[OHIB_STATE_WRITING] = "writing",
	[OHIB_STATE_ARMED] = "armed",
	[OHIB_STATE_RESUMING] = "resuming",
	[OHIB_STATE_SPENT] = "spent",
	[OHIB_STATE_STALE] = "stale",
};

/*
 * The moves there are. Armed and resuming images are a machine's only copy: nothing but spending,
 * cancelling or finding them stale may end them, so a new image cannot be written over one.
 */
static const struct {
	enum ohib_state from, to;
} moves[] = {
	{ OHIB_STATE_NONE, OHIB_STATE_WRITING },
	{ OHIB_STATE_SPENT, OHIB_STATE_WRITING },
	{ OHIB_STATE_STALE, OHIB_STATE_WRITING },
	{ OHIB_STATE_WRITING, OHIB_STATE_WRITING },	/* a hibernate that was cut short, again */
	{ OHIB_STATE_WRITING, OHIB_STATE_NONE },	/* it failed and the machine went on */
	{ OHIB_STATE_WRITING, OHIB_STATE_STALE },
	{ OHIB_STATE_WRITING, OHIB_STATE_ARMED },
	{ OHIB_STATE_ARMED, OHIB_STATE_RESUMING },
	{ OHIB_STATE_ARMED, OHIB_STATE_STALE },		/* cancelled, or booted past */
	{ OHIB_STATE_RESUMING, OHIB_STATE_RESUMING },	/* the last attempt died before its commit */
	{ OHIB_STATE_RESUMING, OHIB_STATE_ARMED },	/* it failed before its commit, and says so */
	{ OHIB_STATE_RESUMING, OHIB_STATE_SPENT },	/* commit */
	{ OHIB_STATE_RESUMING, OHIB_STATE_STALE },
};

const char *ohib_state_name(enum ohib_state s)
{
	return (unsigned int)s < ARRAY_SIZE(state_names) ? state_names[s] : "unknown";
}

bool image_state_may_move(enum ohib_state from, enum ohib_state to)
{
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i].from == from && moves[i].to == to)
			return true;
	return false;
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
	    h->incompat)
		return -ENOTSUP;
	if (h->state >= ARRAY_SIZE(state_names) || !terminated(h->reason, sizeof(h->reason)) ||
	    !terminated(h->machine_id, sizeof(h->machine_id)) ||
	    !terminated(h->image_kernel, sizeof(h->image_kernel)) ||
	    !terminated(h->next_kernel, sizeof(h->next_kernel)) ||
	    !terminated(h->device, sizeof(h->device)))
		return -EBADMSG;
	return 0;
}

int image_state_load(const struct image_dev *d, struct image_state *s, struct ohib_err *err)
{
	static const u64 offset[2] = { OHIB_HEADER_A_OFFSET, OHIB_HEADER_B_OFFSET };
	struct ohib_header *copy = image_pages_alloc(2 * OHIB_HEADER_BYTES);
	int why[2], use = -1, r;

	if (!copy)
		return ohib_err_set(err, -ENOMEM, "header of %s: out of memory", d->path);
	for (int i = 0; i < 2; i++) {
		why[i] = image_dev_read(d, offset[i], &copy[i], OHIB_HEADER_BYTES);
		if (!why[i])
			why[i] = header_validate(&copy[i]);
	}
	if (!why[0] && !why[1])
		use = copy[1].generation > copy[0].generation;
	else if (!why[0] || !why[1])
		use = why[0] ? 1 : 0;

	if (use >= 0) {
		s->hdr = copy[use];
		s->copy = use;
		r = 0;
	} else if (why[0] == -ENODATA && why[1] == -ENODATA) {
		r = ohib_err_set(err, -ENODATA, "%s holds no overlay image", d->path);
	} else if (why[0] == -ENOTSUP || why[1] == -ENOTSUP) {
		r = ohib_err_set(err, -ENOTSUP, "%s: image of a format that this program does not know",
				 d->path);
	} else if (why[0] != -EBADMSG && why[0] != -ENODATA) {
		r = ohib_err_set(err, why[0], "%s: header: %s", d->path, strerror(-why[0]));
	} else {
		r = ohib_err_set(err, -EBADMSG, "%s: both copies of the header are damaged", d->path);
	}
	image_pages_free(copy, 2 * OHIB_HEADER_BYTES);
	return r;
}

/* One "key=value" line; GRUB takes a backslash as an escape. Nothing is written when it is too long. */
__attribute__((format(printf, 3, 4))) static size_t env_line(char *env, size_t at, const char *fmt, ...)
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
	static const char signature[] = "# GRUB Environment Block\n";
	char uuid[33];
	size_t at = strlen(signature);

	memset(env, '#', OHIB_ENV_BYTES);
	memcpy(env, signature, at);
	for (int i = 0; i < 16; i++)
		snprintf(uuid + 2 * i, 3, "%02x", hdr->uuid[i]);
	at = env_line(env, at, "ohib_state=%s", ohib_state_name(hdr->state));
	at = env_line(env, at, "ohib_mode=%s", hdr->next_kernel[0] ? "switch" : "exact");
	at = env_line(env, at, "ohib_next=%s",
		      hdr->next_kernel[0] ? hdr->next_kernel : hdr->image_kernel);
	at = env_line(env, at, "ohib_image_kernel=%s", hdr->image_kernel);
	at = env_line(env, at, "ohib_uuid=%s", uuid);
	at = env_line(env, at, "ohib_attempts=%u", hdr->attempts);
	at = env_line(env, at, "ohib_device=%s", hdr->device);
}

static int env_write(const struct image_dev *d, const struct ohib_header *hdr, u8 *page)
{
	int r;

	memset(page, 0, OHIB_DISK_ALIGN);
	image_state_env(hdr, (char *)page);
	r = image_dev_write(d, OHIB_ENV_OFFSET, page, OHIB_DISK_ALIGN);
	return r ? r : image_dev_flush(d);
}

/* Other copy, flush, this copy, flush. */
static int headers_write(const struct image_dev *d, const struct ohib_header *hdr, int in_force,
			 u8 *page)
{
	static const u64 offset[2] = { OHIB_HEADER_A_OFFSET, OHIB_HEADER_B_OFFSET };

	memcpy(page, hdr, OHIB_HEADER_BYTES);
	for (int i = 0; i < 2; i++) {
		int r = image_dev_write(d, offset[i ? in_force : !in_force], page, OHIB_HEADER_BYTES);

		if (!r)
			r = image_dev_flush(d);
		if (r)
			return r;
	}
	return 0;
}

int image_state_move(const struct image_dev *d, struct image_state *s, enum ohib_state to,
		     const char *reason, struct ohib_err *err)
{
	enum ohib_state from = s->hdr.state;
	struct ohib_header *h = &s->hdr;
	_Alignas(4096) u8 page[OHIB_DISK_ALIGN];
	int r = 0;

	if (!image_state_may_move(from, to))
		return ohib_err_set(err, -EINVAL, "%s: an image that is %s cannot become %s", d->path,
				    ohib_state_name(from), ohib_state_name(to));
	h->state = to;
	h->generation++;
	if (to == OHIB_STATE_RESUMING)
		h->attempts++;
	if (to == OHIB_STATE_WRITING)
		h->attempts = 0;
	if (reason || to == OHIB_STATE_WRITING) {
		memset(h->reason, 0, sizeof(h->reason));
		snprintf(h->reason, sizeof(h->reason), "%s", reason ? reason : "");
	}
	h->check = image_xxh64(h, offsetof(struct ohib_header, check));

	if (to == OHIB_STATE_ARMED)
		r = env_write(d, h, page);
	if (!r)
		r = headers_write(d, h, s->copy, page);
	if (!r && to != OHIB_STATE_ARMED)
		r = env_write(d, h, page);
	if (r)
		return ohib_err_set(err, r, "%s: writing the header (%s): %s", d->path,
				    ohib_state_name(to), strerror(-r));
	return 0;
}

int ohib_image_set_state(const char *path, enum ohib_state to, const char *reason,
			 struct ohib_err *err)
{
	struct image_dev d;
	struct image_state s;
	int r;

	r = image_dev_open(&d, path, true, err);
	if (r)
		return r;
	r = image_state_load(&d, &s, err);
	if (!r)
		r = image_state_move(&d, &s, to, reason, err);
	image_dev_close(&d);
	return r;
}
