# SPDX-License-Identifier: GPL-2.0-only
# Included by the root Makefile, which installs overlay-reload itself. The hooks are in effect with the
# next update-initramfs or dracut. Where these tools look for hooks does not depend on PREFIX; where
# the hooks look for the reloader does.

LIBDIR ?= $(PREFIX)/lib/overlayctl

hooks := initramfs/hooks
initramfs_tools := $(DESTDIR)/usr/share/initramfs-tools
dracut_module := $(DESTDIR)/usr/lib/dracut/modules.d/90overlayctl

# $(call install-hook,MODE,SOURCE,DESTINATION)
define install-hook
	install -d $(dir $3)
	sed 's,/usr/lib/overlayctl,$(LIBDIR),g' $(hooks)/$2 >$3
	chmod $1 $3
endef

.PHONY: install-initramfs
install: install-initramfs
install-initramfs:
	$(call install-hook,644,boot-functions,$(DESTDIR)$(LIBDIR)/boot-functions)
	$(call install-hook,644,build-functions,$(DESTDIR)$(LIBDIR)/build-functions)
	$(call install-hook,755,initramfs-tools/hook,$(initramfs_tools)/hooks/overlayctl)
	$(call install-hook,755,initramfs-tools/init-top,$(initramfs_tools)/scripts/init-top/overlayctl)
	$(call install-hook,755,initramfs-tools/local-premount,$(initramfs_tools)/scripts/local-premount/overlayctl)
	$(call install-hook,755,initramfs-tools/post-update,$(DESTDIR)/etc/initramfs/post-update.d/overlayctl)
	$(call install-hook,755,dracut/module-setup.sh,$(dracut_module)/module-setup.sh)
	$(call install-hook,755,dracut/overlayctl-pids.sh,$(dracut_module)/overlayctl-pids.sh)
	$(call install-hook,755,dracut/overlayctl-resume.sh,$(dracut_module)/overlayctl-resume.sh)
	install -d $(DESTDIR)/var/lib/overlayctl
