# `make` lists the commands. Everything is built in the release profile, so that the C libraries are compiled once.
CARGO_TEST = cargo test --release --locked --features mutations
WITH_SERVICES = scripts/setup test && scripts/kafka fetch && $(CARGO_TEST) --no-run && scripts/with-services --kafka --postgres --
SEEDS = 20000
KILLS = 20
CHAOS_SECONDS = 600
FUZZ_SECONDS = 60

.DEFAULT_GOAL := help
.PHONY: help demo test test-sqlserver check fmt lint docs deny soak chaos bench fuzz golden clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 8

demo: ## a believable CRM into a SQLite database, no server needed; options: make demo DEMO=--help
	scripts/setup build && cargo run --release --locked -- demo $(DEMO)

test: ## every test, with a Kafka and a PostgreSQL of its own; a part: make test TEST='--test it batch'
	$(WITH_SERVICES) $(CARGO_TEST) --no-fail-fast $(TEST)

test-sqlserver: ## the suite on the server that KEEPSTEP_TEST_SQLSERVER_URL names, an ADO.NET connection string; databases keepstep_test_* come and go; a part: make test-sqlserver TEST='-- conforms' (or adopt, volume, chaos)
	scripts/setup test && scripts/kafka fetch && $(CARGO_TEST) --no-fail-fast --test sqlserver $(TEST)

check: fmt lint docs deny ## format, lints, links of the documentation, licences and sources of dependencies

fmt: ## is the code formatted? (cargo fmt formats it)
	cargo fmt --check

lint: ## clippy, warnings are errors
	cargo clippy --release --locked --all-targets --test sqlserver --features mutations -- -D warnings

docs: ## the documentation of all items, broken links are errors
	RUSTDOCFLAGS='-D warnings' cargo doc --release --locked --no-deps --document-private-items

deny: ## licences, duplicates and sources of dependencies
	scripts/setup deny && target/tools/bin/cargo-deny --locked check -D warnings licenses bans sources

soak: ## many simulated worlds and many kills: make soak SEEDS=20000 KILLS=20
	$(WITH_SERVICES) env KEEPSTEP_TEST_SEEDS=$(SEEDS) KEEPSTEP_TEST_KILLS=$(KILLS) $(CARGO_TEST) --no-fail-fast --test it --test services -- simulation kill

chaos: ## every fault at once on real parts, for ten minutes: make chaos CHAOS_SECONDS=600 KEEPSTEP_CHAOS_SEED=7
	scripts/setup test && scripts/kafka fetch && rm -f target/tmp/chaos.txt && export KEEPSTEP_CHAOS_SECONDS=$(CHAOS_SECONDS) && \
	{ $(CARGO_TEST) --test services -- --nocapture chaos && code=0 || code=$$?; [ ! -e target/tmp/chaos.txt ] || cat target/tmp/chaos.txt; exit $$code; }

bench: ## the whole path beside the database's own limit; a part: make bench BENCH=postgres-wide
	scripts/setup test && scripts/kafka fetch && cargo bench --locked --bench '*' --no-run && scripts/with-services --kafka --postgres -- cargo bench --locked --bench '*' -- $(BENCH)

fuzz: ## one decoder against random bytes, needs nightly Rust and cargo-fuzz: make fuzz TARGET=avro FUZZ_SECONDS=60
	cargo +nightly fuzz run $(TARGET) -- -max_total_time=$(FUZZ_SECONDS)

golden: ## writes anew what tests compare with: statements and generated documents; read the difference
	KEEPSTEP_UPDATE_DOCUMENTS=1 $(CARGO_TEST) --lib --test it -- golden documents

clean: ## removes what was built and fetched
	cargo clean
