// SPDX-License-Identifier: GPL-2.0-only
/*
 * The type data (BTF) of a kernel that is not running, out of its file.
 * Source: Documentation/arch/x86/boot.rst (setup_sects, payload_offset, payload_length); the payload
 * ends with the uncompressed size in 4 bytes (scripts/Makefile.lib, size_append).
 */
#include <errno.h>
#include <libelf.h>
#include <gelf.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "cmd/vmlinuz.h"
#include "util/cleanup.h"
#include "util/file.h"

#define KERNEL_MAX (512u << 20)

static int btf_of_elf(void *data, size_t len, const char *path, void **btf, size_t *btf_len,
		      struct ohib_err *err)
{
	Elf_Scn *scn = NULL;
	Elf *elf = NULL;
	size_t names;
	int r = -ENODATA;

	if (elf_version(EV_CURRENT) != EV_NONE)
		elf = elf_memory(data, len);
	if (elf && !elf_getshdrstrndx(elf, &names))
		while ((scn = elf_nextscn(elf, scn))) {
			GElf_Shdr sh;
			Elf_Data *d;
			const char *name;

			if (!gelf_getshdr(scn, &sh))
				break;
			name = elf_strptr(elf, names, sh.sh_name);
			if (!name || strcmp(name, ".BTF"))
				continue;
			d = elf_rawdata(scn, NULL);
			if (!d || !d->d_size)
				break;
			*btf = malloc(d->d_size);
			r = *btf ? 0 : -ENOMEM;
			if (*btf)
				memcpy(*btf, d->d_buf, d->d_size);
			*btf_len = d->d_size;
			break;
		}
	elf_end(elf);
	return r ? ohib_err_set(err, r, "%s: no type data (BTF) in it: is it built with DEBUG_INFO_BTF?",
				path) : 0;
}

static bool unpack_xz(const u8 *src, size_t len, u8 *dst, size_t size)
{
	uint64_t mem = UINT64_MAX;
	size_t in = 0, out = 0;

	return lzma_stream_buffer_decode(&mem, 0, NULL, src, &in, len, dst, &out, size) == LZMA_OK &&
	       out == size;
}

static bool unpack_zstd(const u8 *src, size_t len, u8 *dst, size_t size)
{
	return ZSTD_decompress(dst, size, src, len) == size;
}

static bool unpack_gzip(const u8 *src, size_t len, u8 *dst, size_t size)
{
	z_stream z = { .next_in = (Bytef *)src, .avail_in = len, .next_out = dst, .avail_out = size };
	bool ok = inflateInit2(&z, 16 + MAX_WBITS) == Z_OK;

	ok = ok && inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == size;
	inflateEnd(&z);
	return ok;
}

static const struct {
	u8 magic[4];
	u8 magic_len;
	const char *name;
	bool (*unpack)(const u8 *src, size_t len, u8 *dst, size_t size);
} packings[] = {
	{ { 0xfd, '7', 'z', 'X' }, 4, "xz", unpack_xz },
	{ { 0x28, 0xb5, 0x2f, 0xfd }, 4, "zstd", unpack_zstd },
	{ { 0x1f, 0x8b }, 2, "gzip", unpack_gzip },
};

static int unpack_bzimage(const u8 *data, size_t len, const char *path, u8 **elf, size_t *elf_len,
			  struct ohib_err *err)
{
	u32 off, plen, size, at;
	size_t i;

	memcpy(&off, data + 0x248, 4);
	memcpy(&plen, data + 0x24c, 4);
	at = (data[0x1f1] + 1) * 512u;
	if (plen < 8 || off > len || at > len - off || plen > len - off - at)
		return ohib_err_set(err, -EINVAL, "%s: not a kernel image", path);
	data += at + off;
	memcpy(&size, data + plen - 4, 4);
	for (i = 0; i < ARRAY_SIZE(packings); i++)
		if (!memcmp(data, packings[i].magic, packings[i].magic_len))
			break;
	if (i == ARRAY_SIZE(packings))
		return ohib_err_set(err, -ENOTSUP, "%s: compressed in a way that is not known (xz, zstd and "
				    "gzip are): give its vmlinux", path);
	if (size > KERNEL_MAX)
		return ohib_err_set(err, -EINVAL, "%s: not a kernel image", path);
	*elf = malloc(size);
	if (!*elf)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	*elf_len = size;
	if (packings[i].unpack(data, plen - 4, *elf, size))
		return 0;
	free(*elf);
	*elf = NULL;
	return ohib_err_set(err, -EBADMSG, "%s: its %s data is damaged", path, packings[i].name);
}

int vmlinuz_btf(const char *kernel, void **btf, size_t *len, struct ohib_err *err)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_free_ u8 *elf = NULL;
	size_t n = 0, elf_len = 0;
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s%s", strchr(kernel, '/') ? "" : "/boot/vmlinuz-", kernel);
	r = file_read_all(path, &data, &n);
	if (r)
		return ohib_err_set(err, r, "%s: %s", path, strerror(-r));
	if (n > 4 && !memcmp(data, "\x9f\xeb", 2)) { /* BTF_MAGIC */
		*btf = no_free_ptr(data);
		*len = n;
		return 0;
	}
	if (n > SELFMAG && !memcmp(data, ELFMAG, SELFMAG))
		return btf_of_elf(data, n, path, btf, len, err);
	if (n < 0x250 || memcmp(data + 0x202, "HdrS", 4))
		return ohib_err_set(err, -EINVAL, "%s: neither type data nor a kernel", path);
	r = unpack_bzimage((u8 *)data, n, path, &elf, &elf_len, err);
	if (!r)
		r = btf_of_elf(elf, elf_len, path, btf, len, err);
	return r;
}
