# Hostler. `make help` lists what there is.

GO      ?= go
GOFLAGS ?=
DESTDIR ?=
PREFIX  ?= /usr

# Where a package, the sandbox and the tests expect things; see docs/operations.md.
bindir      = $(DESTDIR)$(PREFIX)/bin
sharedir    = $(DESTDIR)$(PREFIX)/share/hostler
templatedir = $(DESTDIR)$(PREFIX)/share/templates
unitdir     = $(DESTDIR)$(PREFIX)/lib/systemd/system
sysusersdir = $(DESTDIR)$(PREFIX)/lib/sysusers.d
tmpfilesdir = $(DESTDIR)$(PREFIX)/lib/tmpfiles.d

# The variant that an installed root is laid out for.
VARIANT ?= metal-dev

# The host's programs are one file under several names. apiclient is a file of
# its own: scripts run it often and containers get it alone, and without what
# the others link it starts sooner.
HOST_PROGRAMS = apiserver migrator schnauzer schnauzer-v2 signpost sundog updog \
	early-boot-config settings-committer thar-be-settings storewolf thar-be-updates

# What the programs answer to --version; empty: what Go knows of the build.
VERSION ?=
LDFLAGS  = -s -w -X github.com/hostler-os/hostler/internal/cli.version=$(VERSION)
BUILD    = CGO_ENABLED=0 $(GO) build -trimpath -ldflags='$(LDFLAGS)' $(GOFLAGS)

FUZZTIME ?= 10s
SUITE    ?=
PYTHON   ?= python3
SHORT    ?=

.PHONY: help build demo test lint generate integration vm conformance bench fuzz cover install clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## every program into bin/
	$(BUILD) -o bin/ ./cmd/... ./test/tufclient

demo: build ## a tour in a sandbox that checks itself; needs no root
	demo/demo.sh

# Without GORACE each process under the race detector sleeps for a second at its end.
test: ## everything that needs neither root nor systemd, under the race detector
	GORACE=atexit_sleep_ms=0 $(GO) test -race -timeout 8m ./...

lint: ## formatting, vet, fix, staticcheck, go.mod, and the repository's own rules
	@out="$$($(GO) tool gofumpt -l .)" || exit 1; test -z "$$out" || { echo "not gofumpt'ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags integration,vm ./test/...
	$(GO) fix -diff ./...
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags integration,vm ./test/...
	$(GO) mod tidy -diff
	$(GO) test ./test/repo

generate: ## what is written from the models: docs/settings.md
	$(GO) generate ./...

integration: build ## what needs root and a real systemd, in throw-away containers
	$(GO) test -tags integration -count=1 -v -timeout 20m ./test/integration/... ./test/kill ./test/powerloss ./test/disk ./test/tufclient ./test/token

vm: build ## a machine that boots, updates and falls back, in QEMU; fetches packages the first time
	$(GO) test -tags vm -count=1 -v -timeout 60m ./test/vm

conformance: build ## the public suite for TUF clients on bin/tufclient; SUITE=its checkout, PYTHON=one that has its requirements
	@test -d "$(SUITE)/tuf_conformance" || { echo "conformance: set SUITE to a checkout of tuf-conformance; see docs/tuf.md"; exit 1; }
	@command -v faketime >/dev/null || { echo "conformance: faketime is missing; on Debian: apt-get install faketime"; exit 1; }
	cd "$(SUITE)" && $(PYTHON) -m pytest tuf_conformance --entrypoint "$(CURDIR)/bin/tufclient"

bench: build ## the budgets of docs/ARCHITECTURE.md as ratios; SHORT=1 for a minute's worth
	$(GO) run ./test/bench $(if $(SHORT),-short)

fuzz: ## every fuzz target for FUZZTIME each
	@$(GO) list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r package dir; do \
		grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go 2>/dev/null | sed 's/^func //' | while read -r target; do \
			echo "== $$package $$target"; \
			$(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "$$package" </dev/null || exit 1; \
		done || exit 1; \
	done

cover: ## statement coverage of the unit tests
	$(GO) test -coverprofile=coverage.out -coverpkg=./internal/... ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

install: build ## programs, units, models and templates below DESTDIR
	install -d $(bindir) $(sharedir) $(templatedir) $(unitdir) $(sysusersdir) $(tmpfilesdir)
	install -m 0755 bin/hostler bin/apiclient $(bindir)/
	for name in $(HOST_PROGRAMS); do ln -sf hostler $(bindir)/$$name || exit 1; done
	cp -R models variants $(sharedir)/
	echo $(VARIANT) > $(sharedir)/variant
	cp -R templates/. $(templatedir)/
	cp -R packaging/systemd/. $(unitdir)/
	install -m 0644 packaging/sysusers.d/*.conf $(sysusersdir)/
	install -m 0644 packaging/tmpfiles.d/*.conf $(tmpfilesdir)/

clean: ## what the other targets left
	rm -rf bin coverage.out
