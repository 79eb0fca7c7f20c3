# The commands of the README. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help deps build demo test sanitize tidy format bench deep soak clean install

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

deps: ## install what is missing from Debian (root or sudo)
	@.ci/install-packages

build: deps ## build Release into build/
	cmake --preset release
	cmake --build --preset release

demo: deps ## one minute with the real thing: jobs, a reload under load, a graceful stop
	cmake --preset release
	cmake --build --preset release --target workmand workman workmand-launch example_echo
	conf/demo/run

test: deps ## build and run every test
	.ci/test

sanitize: deps ## unit tests and a chosen end-to-end set under ASan+UBSan, those with threads under TSan
	.ci/sanitize

tidy: deps ## clang-format and clang-tidy over the tree
	.ci/tidy

deep: deps ## clang-tidy, valgrind, each fuzz target for a minute, the soak test
	.ci/deep

soak: build ## every cell of the signal matrix five times, and races at random moments
	tests/e2e/soak.py

format: ## rewrite the C++ sources with clang-format
	git ls-files '*.h' '*.cc' '*.c' | xargs clang-format -i

bench: build ## the figures of docs/performance.md
	tests/bench/run
	tests/bench/queues
	tests/bench/brokers
	tests/bench/sdks

install: build ## install under PREFIX (default /usr/local)
	cmake --install build --prefix $(or $(PREFIX),/usr/local)

clean: ## remove every build tree
	rm -rf build build-dev build-asan build-tsan build-tidy build-fuzz
