// SPDX-License-Identifier: GPL-2.0-only
/*
 * An image cut down to what the translator reads of it: reduce IMAGE FIXTURE TOLD. The last is what
 * fixture_tell() says of the machine in the whole image.
 */
#include <errno.h>
#include <json-c/json.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/fuzz/translate/fixture.h"
#include "../tests/fuzz/translate/reduce/reduce.h"
#include "translate/translate.h"

static void fail(const char *what, int r, const struct ohib_err *err)
{
	fprintf(stderr, "reduce: %s: %s\n", what, err && err->msg[0] ? err->msg : strerror(-r));
	exit(1);
}

static struct part section(struct ohib_image *img, enum ohib_section id)
{
	struct ohib_err err = { 0 };
	struct part p = { 0 };
	int r = ohib_image_section(img, id, &p.data, &p.len, &err);

	if (r && r != -ENOENT && r != -ENODATA)
		fail(ohib_section_name(id), r, &err);
	return p;
}

/* Only what translation looks at. */
static struct part config(struct ohib_image *img)
{
	static const char *const keys[] = { "tool_pid", "tool_woken", "realtime_ns", "monotonic_ns", "boottime_ns",
					    "swap_areas", "filesystems", "mountinfo" };
	struct part whole = section(img, OHIB_SEC_CONFIG), p;
	struct json_tokener *tok = json_tokener_new();
	struct json_object *from = json_tokener_parse_ex(tok, whole.data, (int)whole.len), *to = json_object_new_object(), *v;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_object_object_get_ex(from, keys[i], &v))
			json_object_object_add(to, keys[i], json_object_get(v));
	p.data = strdup(json_object_to_json_string_ext(to, JSON_C_TO_STRING_PLAIN));
	p.len = strlen(p.data);
	json_object_put(from);
	json_object_put(to);
	json_tokener_free(tok);
	free(whole.data);
	return p;
}

static void append(struct part *p, const void *data, size_t len)
{
	p->data = realloc(p->data, p->len + len);
	if (!p->data)
		fail("memory", -ENOMEM, NULL);
	memcpy((u8 *)p->data + p->len, data, len);
	p->len += len;
}

static void write_packed(const char *path, const struct part *p)
{
	size_t room = lzma_stream_buffer_bound(p->len), len = 0;
	u8 *out = malloc(room);
	FILE *f = fopen(path, "wb");

	if (!out || !f || lzma_easy_buffer_encode(9 | LZMA_PRESET_EXTREME, LZMA_CHECK_CRC64, NULL, p->data, p->len, out, &len, room) ||
	    fwrite(out, 1, len, f) != len || fclose(f))
		fail(path, -EIO, NULL);
	free(out);
	printf("%s: %zu bytes, %zu unpacked\n", path, len, p->len);
}

static void write_fixture(const char *path, struct ohib_image *img, const struct recorded *rec)
{
	struct fixture_head h = { .magic = FIXTURE_MAGIC, .nr_frames = rec->nr };
	struct part parts[OHIB_SEC_MAX] = { 0 }, whole, all = { 0 };

	snprintf(h.image_kernel, sizeof(h.image_kernel), "%s", ohib_image_info(img)->image_kernel);
	whole = section(img, OHIB_SEC_KALLSYMS);
	if (record_symbols(whole.data, whole.len, &parts[OHIB_SEC_KALLSYMS]))
		fail("symbols", -ENOMEM, NULL);
	free(whole.data);
	whole = section(img, OHIB_SEC_BTF);
	if (reduce_btf(whole.data, whole.len, &parts[OHIB_SEC_BTF]))
		fail("BTF", -EBADMSG, NULL);
	free(whole.data);
	parts[OHIB_SEC_VMCOREINFO] = section(img, OHIB_SEC_VMCOREINFO);
	parts[OHIB_SEC_CONFIG] = config(img);
	parts[OHIB_SEC_GHOSTS] = section(img, OHIB_SEC_GHOSTS);
	for (size_t i = 0; i < rec->nr; i++)
		h.nr_pages += !!rec->pages[i];
	for (unsigned int i = 0; i < OHIB_SEC_MAX; i++)
		h.section_len[i] = parts[i].len;
	append(&all, &h, sizeof(h));
	for (unsigned int i = 0; i < OHIB_SEC_MAX; i++)
		if (parts[i].len)
			append(&all, parts[i].data, parts[i].len);
	for (size_t i = 0; i < rec->nr; i++) {
		u64 pfn = rec->pfns[i] | (rec->pages[i] ? 0 : FIXTURE_ZERO);

		append(&all, &pfn, sizeof(pfn));
	}
	for (size_t i = 0; i < rec->nr; i++)
		if (rec->pages[i])
			append(&all, rec->pages[i], OHIB_PAGE_SIZE);
	write_packed(path, &all);
	free(all.data);
	for (unsigned int i = 0; i < OHIB_SEC_MAX; i++)
		free(parts[i].data);
}

static void keep_frames(const struct m_page *pages, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (pages[i].src.kind == M_PAGE_PFN)
			record_frame(pages[i].src.where);
}

int main(int argc, char **argv)
{
	struct ohib_err err = { 0 };
	struct kernel_data *k;
	struct recorded rec;
	struct ohib_image *img;
	struct machine *m;
	struct m_shmem *s;
	struct m_mm *mm;
	FILE *told;
	int r;

	if (argc != 4)
		fail("usage: reduce IMAGE FIXTURE TOLD", -EINVAL, NULL);
	r = ohib_image_open(argv[1], &img, &err);
	if (!r)
		r = kernel_data_open_image(img, &k, &err);
	if (r)
		fail(argv[1], r, &err);
	k->view = record_start(k->view, k->syms, k->vmcoreinfo, k->fields.size[T_PAGE]);
	r = machine_from_image(img, k, false, &m, &err);
	if (r)
		fail("translation", r, &err);
	vec_foreach(mm, &m->mms)
		keep_frames(mm->pages.v, mm->pages.n);
	vec_foreach(s, &m->shmems)
		keep_frames(s->pages.v, s->pages.n);
	r = record_stop(&rec);
	if (r)
		fail("recording", r, NULL);
	write_fixture(argv[2], img, &rec);
	told = fopen(argv[3], "w");
	if (!told)
		fail(argv[3], -errno, NULL);
	fixture_tell(m, told);
	fclose(told);
	machine_free(m);
	kernel_data_close(k);
	ohib_image_close(img);
	return 0;
}
