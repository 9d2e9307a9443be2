# Chaperone's make targets. All work on a fresh Debian with Go and nothing else;
# what a target needs besides, it fetches into $(CACHE), or by apt when root.

SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO          ?= go
STATICCHECK ?= v0.8.2
CACHE       := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/chaperone
TOOLS       := $(CACHE)/tools-staticcheck-$(STATICCHECK)
# One package at a time starts servers and holds the processors: two at once
# only fight for them on a small machine.
PARALLEL    ?= 2
TIMEOUT     ?= 20m
PACKAGES    ?= ./...
# Which of Go's cryptographic modules `make fips` takes: certified, inprocess
# or a version.
FIPS140     ?= certified
# Rooms that promise not to allocate, or try every value of a small domain: the
# race detector allocates for itself and is slow, so they are tested without it
# as well; and so is what it makes do without.
COUNTED     ?= ./rules/... ./vault ./vault/ff1 ./vault/keys ./vault/letters ./audit ./proxy/admin ./proxy/framing ./proxy/protocol ./store/socket

# How long make soak sells.
SOAK ?= 10m

# How long make chaos goes on, what it makes and breaks, and where it writes its
# table. SEED=0 takes the time; a run prints its own.
SALES  ?= 20000
FAULTS ?= 220
CHAOS  ?= 9m
SEED   ?= 0
REPORT ?=

.PHONY: help run build generate test lint bench soak chaos two fips clean test-tools vault-server

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

run: ## Show a sale on its way through the proxy, and stay up
	@$(GO) run ./cmd/chaperone demo

build: ## Build bin/chaperone, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/chaperone ./cmd/chaperone

generate: ## Write anew what is generated from the code: schemas and references
	$(GO) generate ./cmd/chaperone

# Not from the cache: several tests build the program themselves, which the cache
# does not see.
test: test-tools vault-server ## Run every test, with real Redis and Vault
	$(GO) test -pgo=off -p $(PARALLEL) -timeout $(TIMEOUT) $(COUNTED)
	$(GO) test -race -count=1 -pgo=off -p $(PARALLEL) -timeout $(TIMEOUT) $(PACKAGES)

lint: $(TOOLS)/staticcheck ## Check format, vet and staticcheck
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not gofmt'd:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...

bench: test-tools ## Measure the proxy beside others; writes bench/RESULTS.md
	$(GO) run -pgo=cmd/chaperone/default.pgo ./bench -out bench

soak: test-tools ## Sell for SOAK (ten minutes), and see what memory does
	$(GO) run ./bench -parts soak -soak $(SOAK) -deadline 1h

chaos: test-tools ## Break everything at random under load, then reconcile the books
	$(GO) test -count=1 -v -timeout 30m -run '^TestChaos$$' ./cmd/chaperone/e2e/chaos \
		-chaos.sales $(SALES) -chaos.faults $(FAULTS) -chaos.time $(CHAOS) -chaos.seed $(SEED) -chaos.report "$(if $(REPORT),$(abspath $(REPORT)))"

two: test-tools vault-server ## Two proxies on one Redis and one Vault; one is killed under load
	$(GO) test -count=1 -v -run '^TestTwoProxies$$' ./cmd/chaperone/e2e

fips: vault-server ## Build bin/chaperone-fips, test vault/ on the FIPS module
	CGO_ENABLED=0 GOFIPS140=$(FIPS140) $(GO) build -trimpath -ldflags='-s -w' -o bin/chaperone-fips ./cmd/chaperone
	@$(GO) version -m bin/chaperone-fips | grep 'build.*GOFIPS140='
	CHAPERONE_FIPS=1 GOFIPS140=$(FIPS140) GODEBUG=fips140=on $(GO) test -timeout $(TIMEOUT) ./vault/...

clean: ## Remove what build left
	rm -rf bin dist

# The servers that tests start. Debian's own units are not wanted: each test
# starts a private server in a folder of its own.
test-tools:
	@.ci/test-tools

vault-server:
	@$(GO) run ./vault/keys/vaulttest/buildserver >/dev/null

$(TOOLS)/staticcheck:
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK)
