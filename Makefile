# `make` without a target lists the targets.
BIN := node_modules/.bin
STAMP := node_modules/.installed
PARSER := lib/wire/binary.generated.ts

MODE ?= quick
ARGS ?=
TABLES := --rounds 5 --seconds 0.5 --warm 1

.DEFAULT_GOAL := help
.PHONY: help install wasm build lint test test-folder test-runtimes docs sim demo bench bench-full bench-tables picture bench-wrk peers libraries sizes import-cost cold-start leak chaos faults fuzz soak overload mutations race selection balance clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## run every dispatcher against embedded origins, one upstream fails; 20 seconds; ARGS=--help
	@node dist/bench/demo.js $(ARGS)

test: lint ## build, lint, run all tests, print the coverage
	@rm -rf coverage
	@node test/summary.mjs $(BIN)/c8 $(BIN)/tap --reporter=tap $$(find dist/test -name '*.test.js' | sort)

test-folder: build ## run the tests of one folder: FOLDER=wire, or of one file: FOLDER=wire/parser
	@test -n '$(FOLDER)' || { echo 'FOLDER must be a folder of test/, or a file below one. Folders:' $$(cd test && ls -d */ | tr -d /); exit 1; }
	@node test/summary.mjs $(BIN)/tap --reporter=tap $$(find dist/test -path 'dist/test/$(FOLDER)*.test.js' | sort)

test-runtimes: build ## run one program in Node 20 to 26, Bun, Deno and workerd, and print what works; ARGS='--host Deno --only TLS'
	@node dist/test/runtimes/main.js $(ARGS)

docs: build ## build the API reference from the docstrings: docs/index.html
	@node wasm/reference.mjs docs

bench: build ## compare sluice, other clients and raw sockets: MODE=quick (a minute) or full; ARGS=--help
	@node dist/bench/run.js --mode $(MODE) $(ARGS)

bench-full: ## the same with all workloads and curves, longer
	@$(MAKE) --no-print-directory bench MODE=full

bench-tables: build ## measure the tables of bench/README.md on Node 20 and 26 again, and draw them
	@node dist/bench/tables.js $(TABLES) $(ARGS)

picture: build ## draw bench/speed.svg from the tables of bench/README.md
	@node dist/bench/tables.js --picture

bench-wrk: build ## compare the load generator bench/load.ts with wrk
	@node dist/bench/wrk.js

peers: build ## run the cases against nginx, Apache, Caddy, HAProxy, Varnish, Node, Bun and Deno; ARGS='--server nginx --only TLS'
	@node dist/test/peers/matrix/main.js $(ARGS)

libraries: build ## run npm packages that are built on undici over sluice and over undici; ARGS=urllib
	@node dist/test/peers/libraries/main.js $(ARGS)

sizes: build ## print KB in bundles of esbuild, rollup and webpack, and in node_modules; fails above the limits
	@node dist/bench/sizes.js

import-cost: build ## measure time and memory of an import and a first request, compared with undici 7 and 8
	@node dist/bench/import-cost.js

cold-start: build ## measure the time from import to first byte over TLS in a new process, compared with undici 7 and 8
	@node dist/bench/cold-start.js

leak: build ## send a million requests through one Client; fails if heap or handles grow
	@node --expose-gc dist/bench/leak.js

chaos: build ## send 200 000 requests to three upstreams that are killed and restarted in turn
	@node dist/bench/chaos.js

faults: build ## lose, delay, duplicate and damage packets between two network namespaces, 20 rounds; needs root on Linux
	@SLUICE_FAULT_ROUNDS=20 node test/summary.mjs node dist/test/faults/rough.test.js

soak: build ## run everything at once for five minutes; fails if state or memory grows; ARGS='--minutes 60'
	@node --expose-gc dist/bench/soak.js $(ARGS)

overload: build ## send three times the capacity of an origin for a minute; checks memory, queue wait and goodput
	@node --expose-gc dist/bench/overload.js $(ARGS)

fuzz: build ## fuzz responses, requests and call sequences; ARGS='--target response --runs 10000000 --seed 1'
	@node dist/test/fuzz/main.js $(ARGS)

sim: build ## simulate network and clock for every dispatcher; ARGS='--seeds 100000'; SEED=123 TRACE=1 replays one seed
	@node dist/test/sim/main.js $(ARGS)

mutations: build ## mutation testing: change one line of lib/ at a time, a test must fail; ARGS='--only wire/parser'
	@node dist/test/mutations/main.js $(ARGS)

race: build ## send 100 000 requests while nginx closes their connections, and 20 000 with delayed packets
	@node dist/test/peers/race/main.js $(ARGS)

selection: build ## measure ns per decision of each pool, with 1 to 10 000 connections
	@node dist/bench/selection.js

balance: build ## simulate the strategies over slow, flapping, dead and recovering backends; ARGS=--real: over sockets
	@node dist/bench/balance.js $(ARGS)

install: $(STAMP) ## install the development dependencies as locked

wasm: $(PARSER) ## extract the parser binary from the llhttp-wasm package

build: $(STAMP) $(PARSER) ## compile to dist/, and bundle the published files into dist/package/
	@rm -rf dist && $(BIN)/tsc -p . && node wasm/bundle.mjs

lint: build ## run formatter, linter, type checks, and the checks of words and docstrings
	@$(BIN)/biome check --error-on-warnings .
	@node dist/test/repository/lint.js

clean: ## remove generated files
	rm -rf dist docs coverage .tap node_modules $(PARSER)

$(STAMP): package.json package-lock.json .taprc
	npm ci --no-audit --no-fund --loglevel=error
	$(BIN)/tap build
	@touch $@

$(PARSER): $(STAMP) $(filter-out wasm/bundle.mjs,$(wildcard wasm/*.mjs))
	@node wasm/extract.mjs
