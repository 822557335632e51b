//! Every version that this program installs, in one place.

/// MCP Inspector, whose command line is one of the clients that the tests use (npm).
pub const INSPECTOR: &str = "2.12.0";

/// Prism, which judges requests against a vendor's OpenAPI (npm).
pub const PRISM: &str = "5.14.2";

/// The oldest Node that the inspector runs on.
pub const NODE_AT_LEAST: (u32, u32) = (22, 19);

/// The Node to install where the machine's is older (npm).
pub const NODE: &str = "22.23.3";

/// The official MCP client library for Python (PyPI).
pub const PYTHON_MCP: &str = "2.3.0";

/// Makes TypeScript types of an OpenAPI document (npm).
pub const OPENAPI_TYPESCRIPT: &str = "7.13.0";

/// Makes a TypeScript client of one (npm).
pub const HEY_API: &str = "0.99.0";

/// TypeScript's compiler, which checks both (npm).
pub const TYPESCRIPT: &str = "5.9.3";

/// Makes a Python client of one (PyPI).
pub const OPENAPI_PYTHON_CLIENT: &str = "0.29.1";

/// Bugsink, a server that takes what Sentry's clients send (PyPI).
pub const BUGSINK: &str = "2.6.1";

/// What bugsink runs in (PyPI).
pub const GUNICORN: &str = "26.2.0";

/// Debian's current Rust compiler with the sources of its standard library, and a linker for WebAssembly.
pub const DEBIAN_WASM_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

/// Debian's PostgreSQL, of whatever version its release has.
pub const DEBIAN_POSTGRES: &str = "postgresql";

/// Debian's Prometheus, of which promtool is taken.
pub const DEBIAN_PROMETHEUS: &str = "prometheus";

/// Debian's NATS server, of whatever version its release has.
pub const DEBIAN_NATS: &str = "nats-server";

/// Debian's Netdata Agent.
pub const DEBIAN_NETDATA: &str = "netdata-core";

/// Debian's nginx.
pub const DEBIAN_NGINX: &str = "nginx";

/// Debian's systemd, for the program that judges units.
pub const DEBIAN_SYSTEMD: &str = "systemd";

/// Holds manifests against the schema of Kubernetes (PyPI).
pub const KUBERNETES_VALIDATE: &str = "1.37.0";
