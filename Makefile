# `make` lists the commands. Everything is built in the release profile, so that the C libraries are compiled once.
CARGO_TEST = cargo test --release --locked --features mutations

.DEFAULT_GOAL := help
.PHONY: help demo test check fmt lint docs deny soak bench fuzz golden clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

demo: ## a believable CRM into a SQLite database, no server needed; options: make demo DEMO='--help'
	scripts/setup build && cargo run --release --locked -- demo $(DEMO)

test: ## every test, against a Kafka and a PostgreSQL of its own; a part: make test TEST='--test it name'
	scripts/setup test && scripts/kafka fetch && $(CARGO_TEST) --no-run && scripts/with-services --kafka --postgres -- $(CARGO_TEST) --no-fail-fast $(TEST)

check: fmt lint docs deny ## formatting, lints, the documentation's links, licences and sources of dependencies

fmt:
	cargo fmt --check

lint:
	cargo clippy --release --locked --all-targets --features mutations -- -D warnings

docs:
	RUSTDOCFLAGS='-D warnings' cargo doc --release --locked --no-deps

deny:
	scripts/setup deny && target/tools/bin/cargo-deny --locked check -D warnings licenses bans sources

clean: ## removes what was built and fetched
	cargo clean
