# SPDX-License-Identifier: GPL-2.0-only
# Included by the root Makefile. The menu appears with the next update-grub.

.PHONY: install-bootloader
install: install-bootloader
install-bootloader:
	install -D -m 755 bootloader/05_overlayctl $(DESTDIR)/etc/grub.d/05_overlayctl
