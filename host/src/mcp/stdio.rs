//! stdio: one client, one token, the same hub.

use std::sync::Arc;

use rmcp::ServiceExt as _;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{
    Access, Endpoint,
    lines::{Client, Lines},
};
use crate::call::{Hub, WireForm};

/// Serves standard input and output until the client closes them or `end` is cancelled.
///
/// # Errors
/// When the client does not speak MCP, with its reason.
pub async fn serve(
    hub: &Arc<Hub>,
    token: Zeroizing<String>,
    form: WireForm,
    end: CancellationToken,
) -> Result<(), String> {
    let token = Arc::new(token);
    let client = Client { hub: Arc::clone(hub), token: Arc::clone(&token) };
    let endpoint = Endpoint { hub: Arc::clone(hub), form, access: Access::Token(token) };
    let lines = Lines::new(tokio::io::stdin(), tokio::io::stdout(), client);
    let serving = endpoint.serve_with_ct(lines, end);
    let running = serving.await.map_err(|error| error.to_string())?;
    running.waiting().await.map_err(|error| error.to_string())?;
    hub.drain().await;
    Ok(())
}
