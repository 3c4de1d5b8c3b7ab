# The everyday commands. Meson and ninja do the building; scripts/setup fetches what they need.
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

.PHONY: build demo run test asan tsan fuzz bench format install clean help

build: ## build the program: build/nexus
	@scripts/build nexus build

demo: build ## a guided tour on a temporary data directory
	@scripts/demo

run: build ## a server on 127.0.0.1:8600 with the console
	@build/nexus serve

test: ## every check and test
	@scripts/test

asan: ## unit and API tests under the address and undefined sanitizers
	@scripts/test --asan

tsan: ## unit and API tests under the thread sanitizer
	@scripts/test --tsan

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@scripts/test --fuzz $(FUZZ_SECONDS)

bench: build ## the benchmarks of docs/benchmarks.md
	@scripts/bench

format: ## clang-format over all C files
	@scripts/check_format --fix

install: ## into PREFIX (/usr/local), DESTDIR honoured
	@scripts/build benches build-install -Dprefix='$(PREFIX)' -Dmodels_dir='$(PREFIX)/share/nexus/models' -Dtests=disabled
	@meson install -C build-install --no-rebuild

clean: ## remove build directories; downloads stay in the cache
	rm -rf build build-* dist

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18
