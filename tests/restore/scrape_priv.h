/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of scrape share. */
#pragma once

#include "restore/remote.h"
#include "scrape.h"
#include "util/map.h"

#define SCRAPE_MAX 256

struct scrape {
	struct machine *m;
	struct sproc {
		pid_t outer, ppid;
		struct m_process *p;
		struct rtask *t;
	} procs[SCRAPE_MAX];
	size_t n;
};

char *proc_text(pid_t pid, const char *name);
struct m_process *inner_of(struct scrape *s, pid_t outer);
u64 scrape_find_insn(struct rtask *t);
struct m_path *scrape_path(struct scrape *s, const char *path);
struct m_shmem *scrape_memfd(struct scrape *s, const char *link, const char *name, u64 ino, u64 size);
int scrape_mm(struct scrape *s, struct sproc *sp, struct ohib_err *e);
int scrape_files(struct scrape *s, struct sproc *sp, struct ohib_err *e);

/* Forget what an earlier scrape has seen. */
void scrape_mm_reset(void);
void scrape_files_reset(void);
void scrape_sock_reset(void);
int scrape_sock(struct scrape *s, struct sproc *sp, int num, struct m_file *f);
void scrape_sock_peers(struct scrape *s);
