# The targets; `make` alone lists them.
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

demo: build ## every dispatcher at work over embedded origins, one of which dies; 20 seconds, live on a terminal: ARGS=--json
	@node dist/bench/demo.js $(ARGS)

test: lint ## build, check, run all tests, print the coverage
	@rm -rf coverage
	@node test/summary.mjs $(BIN)/c8 $(BIN)/tap --reporter=tap $$(find dist/test -name '*.test.js' | sort)

test-folder: build ## run the tests of one folder: FOLDER=wire, or of one file: FOLDER=wire/parser
	@test -n '$(FOLDER)' || { echo 'FOLDER must be a folder of test/, or a file below one. Folders:' $$(cd test && ls -d */ | tr -d /); exit 1; }
	@node test/summary.mjs $(BIN)/tap --reporter=tap $$(find dist/test -path 'dist/test/$(FOLDER)*.test.js' | sort)

test-runtimes: build ## the same program in Node 20 to 26, Bun, Deno and workerd, a table of what works; ARGS=--host Deno --only TLS
	@node dist/test/runtimes/main.js $(ARGS)

docs: build ## the reference of the API, made of the docstrings: docs/index.html
	@$(BIN)/typedoc --entryPoints lib/index.ts --out docs --readme README.md --includeVersion --excludeInternal --excludePrivate --disableSources --validation.notExported false --treatWarningsAsErrors --logLevel Warn
	@echo docs/index.html

bench: build ## sluice, its peers and the floor, side by side in one run: MODE=quick (a minute) or full; ARGS=--help
	@node dist/bench/run.js --mode $(MODE) $(ARGS)

bench-full: ## the same, all workloads and curves, longer
	@$(MAKE) --no-print-directory bench MODE=full

bench-tables: build ## the tables of bench/README.md anew, on Node 20 and Node 26, and the picture of them
	@node dist/bench/tables.js $(TABLES) $(ARGS)

picture: build ## bench/speed.svg, drawn from the tables of bench/README.md
	@node dist/bench/tables.js --picture

bench-wrk: build ## the load generator of bench/load.ts beside wrk: what both say of the same origin
	@node dist/bench/wrk.js

peers: build ## nginx, Apache, Caddy, HAProxy, Varnish, Node, Bun and Deno by case; ARGS=--server nginx --only TLS --markdown
	@node dist/test/peers/matrix/main.js $(ARGS)

libraries: build ## packages from npm that are built on undici, over sluice and over undici; ARGS=urllib
	@node dist/test/peers/libraries/main.js $(ARGS)

sizes: build ## KB in a bundle of esbuild, rollup and webpack, and in node_modules; fails above the limits
	@node dist/bench/sizes.js

import-cost: build ## time and memory of an import and of a first request, beside undici 7 and 8
	@node dist/bench/import-cost.js

cold-start: build ## a fresh process imports, connects over TLS and gets the first byte, beside undici 7 and 8
	@node dist/bench/cold-start.js

leak: build ## a million requests through one Client: heap and handles before and after
	@node --expose-gc dist/bench/leak.js

chaos: build ## 200 000 requests over three upstreams that are killed and restarted in turn
	@node dist/bench/chaos.js

faults: build ## lost, late, doubled and damaged packets between two network namespaces, twenty rounds; needs root on Linux
	@SLUICE_FAULT_ROUNDS=20 node test/summary.mjs node dist/test/faults/rough.test.js

soak: build ## five minutes of everything at once, faults and aborts included: what is left after each cycle; ARGS=--minutes 60
	@node --expose-gc dist/bench/soak.js $(ARGS)

overload: build ## a minute at three times what an origin can do: memory, wait and goodput; ARGS=--seconds 600
	@node --expose-gc dist/bench/overload.js $(ARGS)

fuzz: build ## responses, requests and sequences of calls at random: ARGS='--target response --runs 10000000 --seed 1'
	@node dist/test/fuzz/main.js $(ARGS)

sim: build ## seeds of a simulated network and clock through every dispatcher: ARGS='--seeds 100000'; SEED=123 TRACE=1 tells one
	@node dist/test/sim/main.js $(ARGS)

mutations: build ## mutation testing: change one line of lib/ at a time, a test must fail; ARGS='--only wire/parser'
	@node dist/test/mutations/main.js $(ARGS)

race: build ## 100 000 requests sent while nginx closes their connections, and 20 000 whose news of it come late
	@node dist/test/peers/race/main.js $(ARGS)

selection: build ## ns per decision of each pool, at 1 to 10 000 connections
	@node dist/bench/selection.js

balance: build ## the strategies over slow, flapping, dead and recovering backends, in virtual time; ARGS=--real over sockets
	@node dist/bench/balance.js $(ARGS)

install: $(STAMP) ## the development dependencies, as locked

wasm: $(PARSER) ## the parser binary, out of the llhttp-wasm package

build: $(STAMP) $(PARSER) ## compile to dist/, and bundle what is published into dist/package/
	@rm -rf dist && $(BIN)/tsc -p . && node wasm/bundle.mjs

lint: build ## formatter, linter, types, words and docstrings
	@$(BIN)/biome check --error-on-warnings .
	@node dist/test/repository/lint.js

clean: ## remove what was made
	rm -rf dist docs coverage .tap node_modules $(PARSER)

$(STAMP): package.json package-lock.json .taprc
	npm ci --no-audit --no-fund --loglevel=error
	$(BIN)/tap build
	@touch $@

$(PARSER): $(STAMP) $(filter-out wasm/bundle.mjs,$(wildcard wasm/*.mjs))
	@node wasm/extract.mjs
