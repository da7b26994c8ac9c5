/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel's memory as data: physical and kernel-virtual reads, with two backends that translate
 * the same way: an overlay image, and the kernel that is running (/proc/kcore).
 * Reads: the image or /proc/kcore. Never: writes anything.
 */
#pragma once

#include "util/err.h"
#include "util/types.h"

struct ohib_image;
struct symbols;
struct view;

/*
 * Both take the kernel's symbols (for page_offset_base, init_top_pgt …) and its VMCOREINFO text (for
 * phys_base); both must outlive the view. @sizeof_page: sizeof(struct page) of that kernel.
 */
int view_open_image(struct ohib_image *img, const struct symbols *syms, const char *vmcoreinfo,
		    u32 sizeof_page, struct view **out, struct ohib_err *err);
int view_open_live(const struct symbols *syms, const char *vmcoreinfo, u32 sizeof_page,
		   struct view **out, struct ohib_err *err);
void view_close(struct view *v);
bool view_is_live(const struct view *v);
/* A running kernel's memory has changed since: drop what is cached of it. */
void view_forget(struct view *v);

/* VMCOREINFO note of the running kernel, from /proc/kcore's headers; to be freed by the caller. */
int view_live_vmcoreinfo(char **text, struct ohib_err *err);

/* Kernel virtual memory; any length, may cross pages. -EFAULT not mapped, -ENODATA not saved. */
int view_read(struct view *v, u64 kva, void *buf, size_t len);
/* NUL-terminated string of at most @size bytes with the NUL; -ENAMETOOLONG when there is no end. */
int view_read_str(struct view *v, u64 kva, char *buf, size_t size);
/* One whole physical page. */
int view_read_pfn(struct view *v, u64 pfn, void *page);
bool view_has_pfn(struct view *v, u64 pfn);

/* struct page (or folio head) address of a frame, and the frame of such an address. */
u64 view_pfn_to_page(struct view *v, u64 pfn);
u64 view_page_to_pfn(struct view *v, u64 page_kva);
u64 view_direct_to_phys(struct view *v, u64 kva); /* ~0: not in the direct map */
/* Frame of an address within the kernel image itself (text, data, bss). */
u64 view_image_to_pfn(struct view *v, u64 kva);

/* One entry of a page table, as user_walk hands it out: present, or a non-present software entry. */
struct view_pte {
	u64 va;		/* first user address it maps */
	u64 pte;	/* entry as the CPU sees it; for a huge page the pmd/pud entry */
	u64 nr_pages;	/* 1, 512 (pmd) or 262144 (pud) */
	bool present;
	u64 pfn;	/* first frame, when present */
};

/*
 * Call @fn for every non-zero leaf entry in [@start, @end) of the user page table rooted at kernel
 * virtual address @pgd, in rising order. Returns @fn's first non-zero result; -ELOOP: a table within itself.
 */
int view_user_walk(struct view *v, u64 pgd, u64 start, u64 end,
		   int (*fn)(void *arg, const struct view_pte *e), void *arg);
