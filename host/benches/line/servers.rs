//! The servers that are compared.

use std::{io::Read as _, path::Path, sync::Arc, time::Duration};

use axum::{Json, Router, routing::post};
use bulkhead::{
    api,
    audit::Audit,
    call::{Hub, HubParts},
    health::HealthBoard,
    http,
    identity::{Identity, LocalKeys, MintRequest},
    limits::{ConcurrencyLimit, Limiter},
    mcp,
    names::Role,
    outbound::OwnAddress,
    registry::{Registry, Sources},
    sandbox::{Compiler, Sandbox},
    store::private_file,
    vault::Vault,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = "
version: '1.0'
providers:
  hello-rs:
    component: COMPONENT
    # One caller, who has half of them.
    sandbox: { concurrent_calls: 64 }
    tools: [{ name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }]
";

/// Serves until standard input ends. Prints the address and a token first.
pub(crate) fn serve(name: &str) -> anyhow::Result<()> {
    let end = CancellationToken::new();
    let ended = end.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ended.cancel();
    });
    let data = std::env::temp_dir().join(format!("bulkhead-bench-{}", uuid::Uuid::new_v4()));
    private_file::create_folder(&data)?;
    let served = tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        match name {
            "echo" => echo(listener, end).await,
            name => hub(listener, end, &data, name == "hub-forgetting").await,
        }
    });
    let _ = std::fs::remove_dir_all(&data);
    served
}

async fn echo(listener: TcpListener, end: CancellationToken) -> anyhow::Result<()> {
    use axum::serve::ListenerExt as _;
    println!("no-token");
    let app = Router::new().route("/echo", post(|Json(value): Json<Value>| async { Json(value) }));
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, app).with_graceful_shutdown(async move { end.cancelled().await }).await?;
    Ok(())
}

async fn hub(listener: TcpListener, end: CancellationToken, data: &Path, forgetting: bool) -> anyhow::Result<()> {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../providers/hello-rs.wasm").canonicalize()?;
    let config = data.join("provider-config.yaml");
    std::fs::write(&config, CONFIG.replace("COMPONENT", &component.display().to_string()))?;
    let sandbox = Arc::new(Sandbox::new(&data.join("compiled"), Compiler::Here)?);
    let registry = Arc::new(Registry::new(Sources { config, own_address: OwnAddress::default() }, sandbox));
    registry.reload().await?;
    let keys = LocalKeys::open(data)?;
    let role = Role::OpsAdmin;
    let ttl = Duration::from_hours(1);
    println!("{}", keys.mint(&MintRequest { user: uuid::Uuid::new_v4(), role, team: None, ttl })?);
    let audit = Audit::open(data, &data.join("ops.db"))?;
    let hub = Hub::new(HubParts {
        registry,
        identity: Identity::Local(keys),
        limiter: Limiter::default(),
        // One caller makes all the calls.
        concurrency: ConcurrencyLimit::new(u32::MAX),
        vault: Arc::new(Vault::open(data)?),
        audit: if forgetting { audit.forgetting() } else { audit },
        health: HealthBoard::default(),
    });
    let address = http::PublicAddress::default();
    let surfaces = [api::routes(&address), mcp::routes(&hub, &address)];
    let app = http::router(&hub, &address, surfaces, api::open());
    http::serve(hub, listener, app, http::CONNECTIONS, end).await;
    Ok(())
}
