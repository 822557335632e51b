//! A hub that is reached by TLS, of its own or of a proxy's, with the clients that others wrote.

use std::{path::Path, process::Output};

use serde_json::{Value, json};

use super::{
    clients::{self, Era, finish, inspector, python},
    hub::{Hub, OPERATOR},
};

/// The Inspector and the official client for Python, in both eras of the protocol. The provider is hello-rs.
pub fn used_by_official_clients(hub: &Hub, authority: &Path) {
    let (url, token) = (format!("{}/mcp", hub.url), hub.token(OPERATOR));
    let target = clients::Hub::Http { url: &url, token: &token };
    let sum =
        ["--method", "tools/call", "--tool-name", "hello-rs.sum.v1", "--tool-args-json", r#"{"numbers":[1,2.5]}"#];
    for era in [Era::Legacy, Era::Modern] {
        let mut command = inspector(target, era, &sum, hub.folder());
        let seen = result(&finish(command.env("NODE_EXTRA_CA_CERTS", authority)));
        assert_eq!(seen["result"]["structuredContent"], json!({ "sum": 3.5 }), "{era:?}: {seen}");
        // It checks every answer itself.
        let seen = result(&finish(python(target, era, false).env("TEST_CA", authority)));
        assert_eq!(seen["greeting"], "Hello, MCP", "{era:?}");
    }
}

/// The one JSON document on standard output of a client that ended well.
fn result(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
