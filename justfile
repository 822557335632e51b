# Short names for the daily commands. Everything works without just, too.

# Show the recipes
default:
    @just --list

# Build all, start the hub on 127.0.0.1:8080, print a token and a first call
run *args:
    cargo xtask run -- {{ args }}

# Run every test
test *args:
    cargo xtask test -- {{ args }}

# Measure the hub against its parts
bench:
    cargo xtask bench

# Build the named providers; without a name all of them and the hub
build *names:
    cargo xtask build {{ names }}

# Format all workspaces
fmt:
    cargo fmt --all
    cd providers && cargo fmt --all
    cd fuzz && cargo fmt --all

# What the reviewer's machine checks
lint:
    cargo clippy --workspace --all-targets -- -D warnings
    cd providers && cargo clippy --workspace --all-targets -- -D warnings

# Find credentials in files: all of the repository's, or those named
tokens *paths:
    cargo xtask tokens {{ paths }}

# Look for counterexamples to a property for ten minutes (cargo install cargo-fuzz --locked; needs a nightly toolchain)
fuzz target seconds="600":
    mkdir -p fuzz/target/corpus/{{ target }}
    cd fuzz && cargo +nightly fuzz run --fuzz-dir . --sanitizer none --codegen-units 16 {{ target }} \
        target/corpus/{{ target }} corpus/{{ target }} -- -max_total_time={{ seconds }} -timeout=30

# Licences, bans and sources of the dependencies (cargo install cargo-deny --locked)
deny:
    cargo deny check --hide-inclusion-graph bans licenses sources
    cargo deny --manifest-path providers/Cargo.toml --config deny.toml check --hide-inclusion-graph bans licenses sources
    cargo deny --manifest-path fuzz/Cargo.toml --config deny.toml check --hide-inclusion-graph bans licenses sources

# Mint a token for the hub of `just run`
token role="ops_operator":
    @cargo run --quiet --package bulkhead -- token --role {{ role }} --data data

# All that CI does
ci:
    .ci/run
