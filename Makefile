# The targets; `make` alone lists them.
BIN := node_modules/.bin
STAMP := node_modules/.installed
PARSER := lib/wire/binary.generated.ts

.DEFAULT_GOAL := help
.PHONY: help demo test bench build lint leak chaos selection clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## embedded origins on loopback, every dispatcher at work, a table of what happened
	@node dist/bench/demo.js

test: lint ## build, check, run all tests, print the coverage
	@rm -rf .tap/test-results coverage
	@$(BIN)/c8 $(BIN)/tap --reporter=terse $$(find dist/test -name '*.test.js' | sort); \
	status=$$?; node test/summary.mjs || status=1; exit $$status

bench: build ## compare with peers, side by side in one run
	@node dist/bench/run.js

leak: build ## a million requests through one Client: heap and handles before and after
	@node --expose-gc dist/bench/leak.js

chaos: build ## 200 000 requests over three upstreams that are killed and restarted in turn
	@node dist/bench/chaos.js

selection: build ## ns per decision of each pool, at 1 to 10 000 connections
	@node dist/bench/selection.js

build: $(STAMP) $(PARSER) ## compile to dist/
	@rm -rf dist && $(BIN)/tsc -p .

lint: build ## formatter, linter, types
	@$(BIN)/biome check --error-on-warnings .

clean: ## remove what was made
	rm -rf dist coverage .tap node_modules $(PARSER)

$(STAMP): package.json package-lock.json .taprc
	npm install --no-save --no-audit --no-fund --loglevel=error
	$(BIN)/tap build
	@touch $@

$(PARSER): $(STAMP) wasm/extract.mjs
	@node wasm/extract.mjs
