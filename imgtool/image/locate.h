/* SPDX-License-Identifier: GPL-2.0-only */
/* Which block device or file is meant: by PARTUUID, label or path. */
#pragma once

#include "util/err.h"
#include "util/types.h"

#define OHIB_CONF "/etc/overlayctl.conf"
#define OHIB_DEVICE_DEFAULT "PARTLABEL=overlay"

/* Value of @key in /etc/overlayctl.conf; -ENODATA: not there. */
int ohib_conf_get(const char *key, char *value, size_t size);

/*
 * The path of @spec: a path, or PARTUUID=, PARTLABEL=, UUID= or LABEL= with a value. @spec NULL: the
 * one that the configuration file names, else the default. @name (may be NULL) becomes what finds
 * the same device at the next boot: PARTUUID=… where it is a partition, else its path.
 * A file that overlayctl image create made becomes NODE:/PATH (place.h), and UUID=…:/PATH by name.
 */
int ohib_device_locate(const char *spec, char *path, size_t path_size, char *name, size_t name_size,
		       struct ohib_err *err);

/*
 * What the device holds, as blkid would say ("ext4", "crypto_LUKS"), into @type; empty: nothing that
 * is known (an overlay image counts as nothing).
 */
int ohib_device_contents(const char *path, char *type, size_t size, struct ohib_err *err);
