# What one does with this repository. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help killed-gateway demo test test-all test-interop check unit sim simulate replay mutate golden fuzz audit test-face stack stack-down stack-status bench-propagation bench-plan bench-resolve bench-lists bench-dashboard bench-drain bench-stranger bench-start bench-fold bench-frontdoor bench-memory ui-check ui-test promises chaos trials fmt

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## three regions in one process, no other software
	@tests/machine demo
	cargo run --bin nacos-fed -- demo

test: ## everything: fmt, clippy, unit, property, contract and end-to-end tests on real Kafka and Nacos
	@tests/run

test-all: test audit trials promises killed-gateway chaos bench-drain bench-stranger ## test, and what takes longer: dependencies, faults of brokers by rounds, promises under faults, chaos, benchmarks with bounds; three hours

SUBJECT ?= embedded
CLIENTS ?=
FORMAT ?= table
test-interop: ## every SDK of Nacos, old and new, in five languages: what it is told by us and by real Nacos 2.x and 3.x, side by side (SUBJECT="embedded gateway nacos" CLIENTS="go-sdk …" FORMAT=json); 10 minutes a subject
	@tests/machine test
	cargo build --quiet --bin nacos-fed --bin interop --bin embedded-registry --bin harness
	NACOS_FED_BIN=$$(cargo build --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo run --quiet --bin interop -- $(foreach subject,$(SUBJECT),--subject $(subject)) $(foreach client,$(CLIENTS),--client $(client)) --format $(FORMAT)
	cargo run --quiet --bin harness -- sweep

check: ## format, lints, tidiness, documentation: before each commit
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	cargo clippy --quiet --workspace --test contract --test contract_adapter --test contract_kafka --test e2e --test e2e_process --test e2e_gateway --test e2e_front_door --test e2e_access --test e2e_killed_gateway --test trials --test promises -- -D warnings
	cargo test --quiet --package federation-tidy
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --quiet --workspace --no-deps

unit: ## all tests that need no server
	cargo test --quiet --workspace

SEED ?= 1
STEPS ?= 40
sim: ## one seed of the simulation, all its effects (SEED=1 STEPS=40); the same text each time
	@cargo run --quiet --package federation-core --example simulate -- $(SEED) $(STEPS)

golden: ## writes golden files anew: documents of the API, tables and help texts of the command line
	NACOS_FED_GOLDEN=write cargo test --quiet --package federation-api golden
	NACOS_FED_GOLDEN=write cargo test --quiet --package federation-gateway --lib golden

ui-check: ## types, texts and units of the dashboard; whether its committed bundle is what its sources build, byte for byte
	@tests/ui check

ONLY ?=
ui-test: ## the dashboard's pages in a real Chromium, on the demo; ONLY="part of a name" for some
	cargo build --quiet --bin nacos-fed --bin harness
	@NACOS_FED_BIN=$$(cargo build --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) tests/ui browse $(if $(ONLY),--only "$(ONLY)")

SECONDS ?= 60
TARGET ?=
fuzz: ## decoders with bytes that nobody chose, all or one (SECONDS=60 TARGET=policy), from another seed each time
	@cargo run --quiet --bin fuzz -- --seconds $(SECONDS) --target "$(TARGET)"

audit: ## licences, sources, doubles and advisories of dependencies; the first time it installs cargo-deny
	@tests/audit

SEEDS ?= 10000
FIRST ?= 0
simulate: ## storms: clusters of replicas while everything fails (SEEDS=10000, from FIRST=0); the first failing seed, with the faults it needs
	@cargo run --quiet --package federation-core --example storm -- seek $(FIRST) $(SEEDS)

replay: ## one storm, all its effects (SEED=1; LEAST=1: with the fewest faults that make it fail); the same text each time
	@cargo run --quiet --package federation-core --example storm -- $(if $(LEAST),least,replay) $(SEED)

BREAK ?=
mutate: ## breaks the core in one line at a time and lets the storms find it (BREAK=part of a name); half an hour
	@tests/mutants/run "$(BREAK)"

FACE ?= api
test-face: ## the tests of one face alone (FACE=api)
	cargo test --quiet --package federation-$(FACE)

stack: ## a real Kafka, a Nacos 3.x (shanghai), a Nacos 2.x (frankfurt) and two gateways; stays up
	@cargo run --quiet --bin harness -- stack up

stack-down: ## end the stack
	@cargo run --quiet --bin harness -- stack down

stack-status: ## what of the stack runs
	@cargo run --quiet --bin harness -- stack status

bench-propagation: ## from a registration in one region to a watcher in the other, and cold starts, on real parts; 15 minutes
	cargo build --release --bin nacos-fed --bin bench-propagation
	NACOS_FED_BIN=$$(cargo build --release --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo run --release --quiet --bin bench-propagation

bench-plan: ## what one plan costs, for services of 5 to 10,000 endpoints; half a minute
	cargo run --release --quiet --bin bench-plan

bench-resolve: ## what answers and watches cost next to fixed bytes from the same server, and what TLS and tokens cost, with 100,000 services; 4 minutes
	cargo run --release --quiet --bin bench-plan
	cargo run --release --quiet --bin bench-resolve

bench-lists: ## what a page of 100,000 services costs: searched, sorted, counted, while services change; fails beyond 20 ms; half a minute
	cargo run --release --quiet --bin bench-lists -- --strict

bench-dashboard: ## the dashboard with 100,000 services in a real Chromium, beside its budgets: weight, first page, keystroke to rows, rows, memory, idle tab, a matrix of 50 clusters; fails beyond one; 2 minutes
	cargo build --release --quiet --bin bench-lists
	LISTS_BIN=$$(cargo build --release --quiet --bin bench-lists --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) tests/ui bench

bench-drain: ## how long an order takes while 40 clients ask what if, with 20,000 services; 2 minutes
	cargo run --release --quiet --bin bench-drain -- --strict

bench-stranger: ## changes of one region while another cluster floods its own topics with anything, on real parts; 3 minutes
	cargo build --release --bin nacos-fed --bin bench-stranger
	NACOS_FED_BIN=$$(cargo build --release --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo run --release --quiet --bin bench-stranger

bench-start: ## how soon a gateway answers from a snapshot of 500,000 instances with nothing else up, and what it reads when Kafka is back; 3 minutes
	cargo build --release --bin nacos-fed --bin bench-start
	NACOS_FED_BIN=$$(cargo build --release --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo run --release --quiet --bin bench-start

INSTANCES ?= 500000
bench-fold: ## what many instances cost a gateway, beside librdkafka alone, on real parts (INSTANCES=500000); 8 minutes
	cargo build --release --bin nacos-fed --bin bench-fold
	NACOS_FED_BIN=$$(cargo build --release --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo run --release --quiet --bin bench-fold -- --instances $(INSTANCES)

CONNECTIONS ?= 10000
SUBSCRIBERS ?= 10000
bench-frontdoor: ## the front door beside a Nacos 3.x and an rnacos: pushes, lookups, memory of connections, registrations (CONNECTIONS=10000 SUBSCRIBERS=10000); 10 minutes, and as long once to build rnacos
	cargo build --release --bin nacos-fed --bin bench-frontdoor
	NACOS_FED_BIN=$$(cargo build --release --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo run --release --quiet --bin bench-frontdoor -- --connections $(CONNECTIONS) --subscribers $(SUBSCRIBERS) $(BENCH)

bench-memory: ## bytes and processor time of many instances at a reader, without servers, by stage; 1 minute
	cargo run --release --quiet --bin bench-memory

trials: ## gateways through faults of one broker and of three, by rounds (NACOS_FED_TRIAL_ROUNDS, 1 by default); 10 minutes a round
	cargo build --quiet --bin nacos-fed
	NACOS_FED_BIN=$$(cargo build --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo test --workspace --test trials --no-fail-fast -- --test-threads 1 --nocapture

promises: ## what is promised under faults, on real Kafka and Nacos with the guard on: emptied and cut off Nacos, takeovers, silence, tampering (NACOS_FED_PROMISE_ROUNDS, 10 by default); half an hour
	@tests/machine test
	cargo build --quiet --bin nacos-fed --bin harness
	cargo run --quiet --bin harness -- fetch kafka nacos2 nacos3
	NACOS_FED_BIN=$$(cargo build --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo test --workspace --test promises --no-fail-fast -- --test-threads 1
	cargo run --quiet --bin harness -- sweep

CLIENTS_OF_DOORS ?= 200
killed-gateway: ## a gateway with a front door is killed under its clients, a standby and a leader, on real Kafka and Nacos (CLIENTS_OF_DOORS=1000); a minute
	@tests/machine test
	cargo build --quiet --bin nacos-fed --bin harness
	cargo run --quiet --bin harness -- fetch kafka nacos3
	NACOS_FED_CLIENTS=$(CLIENTS_OF_DOORS) NACOS_FED_BIN=$$(cargo build --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo test --workspace --test e2e_killed_gateway -- --test-threads 1
	cargo run --quiet --bin harness -- sweep

MINUTES ?= 12
chaos: ## kills, pauses, cuts off, fills up and empties real gateways, Kafka and Nacos, and misses nobody (MINUTES=12 SEED=n); a quarter of an hour
	@tests/machine test
	cargo build --quiet --bin nacos-fed --bin chaos
	NACOS_FED_BIN=$$(cargo build --quiet --bin nacos-fed --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1) cargo run --quiet --bin chaos -- --minutes $(MINUTES) $(if $(filter file,$(origin SEED)),,--seed $(SEED))

fmt: ## format all Rust code
	cargo fmt --all
