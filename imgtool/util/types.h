/* SPDX-License-Identifier: GPL-2.0-only */
/* The fixed-width names used everywhere, and a few constants of the one architecture (x86-64). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define OHIB_PAGE_SHIFT 12
#define OHIB_PAGE_SIZE 4096u
#define OHIB_PAGE_MASK (~(u64)(OHIB_PAGE_SIZE - 1))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_SEC 1000000000ull
