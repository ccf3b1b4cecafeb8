# Bare make prints what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo build test check lint deps fips golden bench bench-smoke proof rules soak bigfile faults web fuzz mutants checks

GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
COMMANDS = $(wildcard cmd/chancery*)
# Packages with golden files: their tests take the flag -update.
GOLDEN = $(addprefix ./,$(sort $(dir $(shell grep -rl --include='*_test.go' 'flag.Bool("update"' . --exclude-dir=node_modules | sed 's,^\./,,'))))

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

run: deps build ## start a living organisation on this machine and say what to try
	@bin/chancery-dev run

demo: deps build ## tell the main job as numbered steps by the real binaries (KILL=1: kill the server after each)
	@bin/chancery-dev demo

soak: deps build ## kill the server 20 times at random while people talk; nothing lost, nothing doubled
	@bin/chancery-dev soak --kills 20

bigfile: deps build ## upload, read and download 10 GiB (SIZE bytes) in bounded memory, with kills; takes 30 GiB of disk
	@bin/chancery-dev bigfile --size $(or $(SIZE),10737418240)

faults: deps build ## take database, directory and disks away while people talk (small disks: as root)
	@bin/chancery-dev faults

proof: build ## show that the server does not link the code that opens an envelope
	@scripts/proof

fips: deps ## build with the certified FIPS module; tests and the main job under enforcement, in suite fips
	@scripts/fips

web: ## build the TypeScript reader of the formats and hold it against the test vectors
	@scripts/deps web
	cd web && npm ci --no-fund --no-audit && npm test

rules: build ## take each deciding rule out of the policy and see the main job stop at it
	@scripts/rules

build: ## build every command into bin/
	@mkdir -p bin
	$(if $(COMMANDS),CGO_ENABLED=0 $(GO) build -trimpath -o bin/ $(addprefix ./,$(COMMANDS)))

test: deps ## install what is missing, vet, run every test
	$(GO) vet ./...
	$(GO) test ./...

check: lint test ## what must pass before a commit: lint and test

lint: ## formatting, vet, staticcheck
	@bad=$$(find . -name '*.go' -not -path '*/node_modules/*' -print0 | xargs -0 gofmt -l); \
	  if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

deps: ## install the programs that tests need (apt-get, as root), or say which
	@scripts/deps

golden: deps ## rewrite the golden files; the diff is the review
	$(GO) test ./migrations -run '^TestRiver$$' -update
	$(if $(GOLDEN),$(GO) test $(GOLDEN) -update)

fuzz: ## run every fuzz target, each for FUZZTIME (10s)
	@scripts/fuzz

mutants: ## change crypto/chain and crypto/envelope in one way at a time; tests must see it (N=60: so many of each)
	@nice $(GO) run ./cmd/internal/mutants -n $(or $(N),0) ./crypto/envelope ./crypto/chain

checks: ## take each check of crypto/chain and crypto/envelope away and name the test that goes red
	@nice $(GO) run ./cmd/internal/mutants -checks ./crypto/envelope ./crypto/chain

bench: ## run every Go benchmark
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-smoke: deps ## measure the store against pgbench, policy, sealing, clients and recorder, and check that all is there (2 minutes)
	$(GO) test ./core -run '^$$' -bench '^BenchmarkSmoke$$' -benchtime 1x
	$(GO) test ./policy -run '^$$' -bench '^BenchmarkDecide' -benchtime 0.5s
	$(GO) test ./crypto/seal -run '^$$' -bench '^Benchmark(SealOpen1KB|WrapAll1000)$$' -benchtime 0.5s -cpu 1
	$(GO) test ./crypto/chain -run '^$$' -bench '^BenchmarkPage60$$' -benchtime 1s -cpu 1
	$(GO) test ./cmd/internal/client/session -run '^$$' -bench '^BenchmarkEnter10000$$' -benchtime 1x
	$(GO) test ./compliance/recorder -run '^$$' -bench '^BenchmarkCover$$' -benchtime 1x -cpu 1
