# SPDX-License-Identifier: GPL-2.0-only
# Builds everything out of tree in $(BUILD). `make help` lists the targets.

BUILD    ?= $(if $(filter 1,$(FAULTS)),build/faults,build)
DESTDIR  ?=
PREFIX   ?= /usr
SBINDIR  ?= $(PREFIX)/sbin
LIBDIR   ?= $(PREFIX)/lib/overlayctl
MANDIR   ?= $(PREFIX)/share/man
COMPDIR  ?= $(PREFIX)/share/bash-completion/completions

INSTALL  ?= install
CLANG    ?= clang
FUZZ_SECONDS ?= 20

CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Werror
# The tool runs while file systems are frozen: bind everything at start.
ALL_CFLAGS  = -std=gnu11 $(CFLAGS) $(WARN) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	      -Iimgtool -Iinitramfs -I/usr/include/libnl3 -pthread
# FAULTS=1: with fault points (imgtool/util/fault.h), for tests; never to be installed for use.
ifeq ($(FAULTS),1)
ALL_CFLAGS += -DOHIB_FAULTS
endif
ALL_LDFLAGS = -Wl,-z,now $(LDFLAGS)
LIBS     := -lbpf -lelf -lz -llzma -lzstd -llz4 -lxxhash -lgcrypt -lgpg-error -ljson-c -lblkid -lext2fs -lcom_err -l:libnl-3.a
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SAN      := $(FUZZ_SAN) -fno-omit-frame-pointer

# Every folder of imgtool/ but cmd/ is the library; sources are found, not listed.
LIB_SRC    := $(filter-out imgtool/cmd/%,$(sort $(wildcard imgtool/*/*.c)))
CMD_SRC    := $(sort $(wildcard imgtool/cmd/*.c))
RELOAD_SRC := $(sort $(wildcard initramfs/reloader/*.c initramfs/restore/*.c))
RELOAD_MAIN := $(wildcard initramfs/reloader/*.c)
UNIT_SRC   := $(sort $(wildcard tests/unit/*.c))
FUZZ_NAMES := $(sort $(patsubst tests/fuzz/%/fuzz.c,%,$(wildcard tests/fuzz/*/fuzz.c)))

LIB_OBJ    := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
CMD_OBJ    := $(CMD_SRC:%.c=$(BUILD)/obj/%.o)
RELOAD_OBJ := $(RELOAD_SRC:%.c=$(BUILD)/obj/%.o)
# Restore code is tested too: under the sanitizers it is part of the library.
RESTORE_SRC := $(sort $(wildcard initramfs/restore/*.c))
SAN_OBJ    := $(LIB_SRC:%.c=$(BUILD)/san/%.o) $(RESTORE_SRC:%.c=$(BUILD)/san/%.o)
UNIT_BIN   := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%) $(BUILD)/unit/restore
FUZZ_OBJ   := $(LIB_SRC:%.c=$(BUILD)/fuzzobj/%.o)
FUZZ_BIN   := $(FUZZ_NAMES:%=$(BUILD)/fuzz/%)

# make V=1 shows the commands.
ifeq ($(V),1)
say :=
Q   :=
else
say = @echo '  $1 $@';
Q   := @
endif

PROGRAMS :=
ifneq ($(CMD_SRC),)
PROGRAMS += $(BUILD)/overlayctl
endif
ifneq ($(RELOAD_MAIN),)
PROGRAMS += $(BUILD)/overlay-reload
endif

.PHONY: all install unit fuzz check check-long demo bench speed clean help
.DELETE_ON_ERROR:

all: $(BUILD)/libohib.a $(PROGRAMS)

help:
	@echo 'all      $(BUILD)/libohib.a $(PROGRAMS)'
	@echo 'install  into $$(DESTDIR)$$(PREFIX); PREFIX=$(PREFIX)'
	@echo 'unit     unit tests under ASan and UBSan'
	@echo 'fuzz     every fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS) (clang)'
	@echo 'check    the tests but the longest'
	@echo 'check-long  those too, which takes hours: the power cut at every step in every walk, stacked roots …'
	@echo 'demo     a virtual machine changes its kernel while you watch'
	@echo 'speed    how fast images are written and read, sealed and not'
	@echo 'bench    times of the stages next to stock hibernation'

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/san/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC) $(ALL_CFLAGS) -DOHIB_FAULTS -O1 $(SAN) -MMD -MP -c -o $@ $<

$(BUILD)/fuzzobj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CLANG) $(ALL_CFLAGS) -O1 $(FUZZ_SAN) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(BUILD)/libohib.a: $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  )
	$(Q)$(AR) rcs $@ $^

$(BUILD)/libohib-san.a: $(SAN_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  )
	$(Q)$(AR) rcs $@ $^

$(BUILD)/libohib-fuzz.a: $(FUZZ_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  )
	$(Q)$(AR) rcs $@ $^

$(BUILD)/overlayctl: $(CMD_OBJ) $(BUILD)/libohib.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(CMD_OBJ) $(BUILD)/libohib.a $(LIBS)

# PID 1 of an initramfs: no library to look for, no loader to miss. (libnl could look names up, which
# would need libraries; nothing asks it to, and the linker need not warn.)
$(BUILD)/overlay-reload: $(RELOAD_OBJ) $(BUILD)/libohib.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -static -Wl,--no-warnings \
		-o $@ $(RELOAD_OBJ) $(BUILD)/libohib.a $(LIBS)

$(BUILD)/unit/restore: $(patsubst %.c,$(BUILD)/san/%.o,$(wildcard tests/restore/*.c)) $(BUILD)/libohib-san.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(SAN) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libohib-san.a $(LIBS)

# nth_test makes the Nth call of these fail, in the library too.
NTH_WRAP := malloc calloc realloc reallocarray mmap64 pthread_create pread64 pwritev64 fdatasync
$(BUILD)/unit/nth_test: ALL_LDFLAGS += $(NTH_WRAP:%=-Wl,--wrap=%)

# A machine cut down to what the translator reads: tests/fuzz/translate/make.
FIXTURE := tests/fuzz/translate/fixture
$(BUILD)/unit/fixture_test $(BUILD)/unit/refused_test: $(BUILD)/san/$(FIXTURE).o
$(BUILD)/fuzz/translate: $(BUILD)/fuzzobj/$(FIXTURE).o

RECORD_WRAP := view_read view_read_str symbols_addr symbols_name symbols_is
REDUCE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(FIXTURE).c $(wildcard tests/fuzz/translate/reduce/*.c))
$(BUILD)/fuzz/reduce: $(REDUCE_OBJ) $(BUILD)/libohib.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(RECORD_WRAP:%=-Wl,--wrap=%) -o $@ $(REDUCE_OBJ) $(BUILD)/libohib.a $(LIBS)

$(BUILD)/unit/%: $(BUILD)/san/tests/unit/%.o $(BUILD)/libohib-san.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(SAN) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libohib-san.a $(LIBS)

$(BUILD)/fuzz/%: $(BUILD)/fuzzobj/tests/fuzz/%/fuzz.o $(BUILD)/libohib-fuzz.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CLANG) $(ALL_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) \
		$(BUILD)/libohib-fuzz.a $(LIBS)

# Each program prints "N passed, N failed" last; a program that dies counts as one failure.
unit: $(UNIT_BIN)
	@pass=0; fail=0; \
	for t in $(UNIT_BIN); do \
		out=$$($$t 2>&1); rc=$$?; \
		last=$$(printf '%s\n' "$$out" | tail -n 1); \
		case $$last in \
		*" passed, "*" failed") p=$${last%% *}; f=$${last#* passed, }; f=$${f%% *};; \
		*) p=0; f=1;; \
		esac; \
		if [ $$rc -ne 0 ] && [ $$f -eq 0 ]; then f=1; fi; \
		if [ $$f -ne 0 ]; then printf '%s\n' "$$out"; fi; \
		echo "$${t##*/}: $$p passed, $$f failed"; \
		pass=$$((pass + p)); fail=$$((fail + f)); \
	done; \
	echo "$$pass passed, $$fail failed"; [ $$fail -eq 0 ]

# Every seed in the tree once, then what is made of them and of what was found before.
fuzz: $(FUZZ_BIN)
	@for n in $(FUZZ_NAMES); do \
		mkdir -p $(BUILD)/corpus/$$n; \
		seeds=; [ -d tests/fuzz/$$n/corpus ] && seeds=tests/fuzz/$$n/corpus; \
		options="-timeout=60 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 -artifact_prefix=$(BUILD)/corpus/$$n."; \
		echo "fuzz $$n"; \
		if [ "$$seeds" ]; then $(BUILD)/fuzz/$$n $$options -runs=0 $$seeds || exit 1; fi; \
		$(BUILD)/fuzz/$$n $$options -max_total_time=$(FUZZ_SECONDS) $(BUILD)/corpus/$$n $$seeds || exit 1; \
	done

check:
	@tests/check

check-long:
	@tests/check --long

demo:
	@tests/demo

bench:
	@tests/bench

$(BUILD)/speed/%: $(BUILD)/obj/tests/speed/%.o $(BUILD)/libohib.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libohib.a $(LIBS)

speed: $(BUILD)/speed/seal
	@$(BUILD)/speed/seal

# What else is installed, and where, is told by the folder it lives in.
install: all install-tool

.PHONY: install-tool
install-tool: all
	$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBDIR) $(DESTDIR)$(MANDIR)/man8
	$(if $(CMD_SRC),$(INSTALL) -m 755 $(BUILD)/overlayctl $(DESTDIR)$(SBINDIR)/overlayctl)
	$(if $(RELOAD_MAIN),$(INSTALL) -m 755 $(BUILD)/overlay-reload $(DESTDIR)$(LIBDIR)/overlay-reload)
	$(if $(wildcard imgtool/overlayctl.8),$(INSTALL) -m 644 imgtool/overlayctl.8 $(DESTDIR)$(MANDIR)/man8/overlayctl.8)
	$(if $(wildcard imgtool/overlayctl.bash),$(INSTALL) -D -m 644 imgtool/overlayctl.bash $(DESTDIR)$(COMPDIR)/overlayctl)

# These add prerequisites to install: (their own targets).
-include bootloader/install.mk
-include initramfs/install.mk

clean:
	rm -rf $(BUILD)

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
