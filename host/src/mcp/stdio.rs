//! stdio: one client, one token, the same hub.

use std::sync::Arc;

use rmcp::ServiceExt as _;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{Access, Endpoint};
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
    let endpoint = Endpoint { hub: Arc::clone(hub), form, access: Access::Token(Arc::new(token)) };
    let serving = endpoint.serve_with_ct(rmcp::transport::stdio(), end);
    let running = serving.await.map_err(|error| error.to_string())?;
    running.waiting().await.map_err(|error| error.to_string())?;
    hub.drain().await;
    Ok(())
}
