//! `bulkhead serve` and `bulkhead mcp`: build the hub, run it, end it.

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zeroize::Zeroizing;

use super::options::{IdentityOptions, McpOptions, Options, ServeOptions};
use crate::{
    api,
    audit::Audit,
    call::{CorrelationId, Hub, HubParts, Surface, WireForm},
    health::{self, HealthBoard},
    identity::{Identity, IdpSettings, JwksSource, LocalKeys},
    limits::{Limiter, Places},
    mcp,
    outbound::OwnAddress,
    registry::{self, Registry, Sources},
    sandbox::{Compiler, Sandbox},
    store::private_file,
    vault::Vault,
};

pub(super) fn http(options: &Options, serve: ServeOptions) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(async {
        let end = end_on_signal()?;
        // First of all: the gates of the providers have to know the port. Whoever comes early waits in the queue.
        let listener = TcpListener::bind(serve.listen)
            .await
            .with_context(|| format!("cannot listen on {}: is another hub running there?", serve.listen))?;
        let listening = listener.local_addr()?;
        let own_address = OwnAddress::new(listening, serve.public_url.as_ref());
        let places = Places::new(serve.max_calls_per_caller);
        let starting = Running::start(options, &serve.identity, places, own_address, &end);
        let Some(running) = unless(&end, starting).await? else { return Ok(ExitCode::SUCCESS) };
        let address = api::PublicAddress { base_url: serve.public_url };
        let app = api::router(&running.hub, &address, mcp::http::routes(&running.hub, &address));
        println!("listening on http://{listening}");
        api::serve(Arc::clone(&running.hub), listener, app, serve.max_connections, end.clone()).await;
        end.cancel();
        running.finish().await;
        Ok(ExitCode::SUCCESS)
    })
}

pub(super) fn stdio(options: &Options, mcp: &McpOptions) -> anyhow::Result<ExitCode> {
    let token = match (&mcp.token_file, std::env::var("BULKHEAD_TOKEN")) {
        (Some(file), _) => {
            fs::read_to_string(file).with_context(|| format!("cannot read the token file {}", file.display()))?
        }
        (None, Ok(token)) => token,
        (None, Err(_)) => bail!("who calls? Set BULKHEAD_TOKEN or --token-file (make a token with `bulkhead token`)"),
    };
    let token = Zeroizing::new(token.trim().to_owned());
    runtime()?.block_on(async {
        let end = end_on_signal()?;
        let starting = Running::start(options, &mcp.identity, Places::default(), OwnAddress::default(), &end);
        let Some(running) = unless(&end, starting).await? else { return Ok(ExitCode::SUCCESS) };
        // Said at the start, where a person sees it, rather than in an answer to the first call.
        let checked = running.hub.authenticate(Ok(&token), Surface::Stdio, &CorrelationId::accept(None)).await;
        let served = match checked {
            Ok(_) => {
                let form = if mcp.flat { WireForm::Flat } else { WireForm::Dotted };
                mcp::serve_stdio(&running.hub, token, form, end.clone()).await.map_err(anyhow::Error::msg)
            }
            Err(error) => Err(error.into()),
        };
        end.cancel();
        running.finish().await;
        served?;
        Ok(ExitCode::SUCCESS)
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime cannot start")
}

/// Goes on until something is there; `None` if the end comes first.
async fn unless<T>(
    end: &CancellationToken,
    starting: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Option<T>> {
    tokio::select! {
        started = starting => started.map(Some),
        () = end.cancelled() => Ok(None),
    }
}

/// A token that SIGTERM and SIGINT cancel.
fn end_on_signal() -> anyhow::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let end = CancellationToken::new();
    let token = end.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = token.cancelled() => {}
        }
        token.cancel();
    });
    Ok(end)
}

/// The hub and the tasks that keep it current.
struct Running {
    hub: Arc<Hub>,
    audit: Audit,
    tasks: TaskTracker,
}

impl Running {
    async fn start(
        options: &Options,
        identity: &IdentityOptions,
        places: Places,
        own_address: OwnAddress,
        end: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let data = &options.data;
        private_file::create_folder(data).with_context(|| format!("cannot make the data folder {}", data.display()))?;
        let data = &data.canonicalize()?;
        let audit = Audit::open(data, &options.database()?)?;
        let sandbox = Arc::new(Sandbox::new(&data.join("compiled"), Compiler::this_program()?)?);
        let registry = Arc::new(Registry::new(Sources { config: options.config.clone(), own_address }, sandbox));
        let seen = registry::look(&registry).await;
        registry.reload().await?;
        let hub = Hub::new(HubParts {
            registry: Arc::clone(&registry),
            identity: identity_of(data, identity)?,
            limiter: Limiter::default(),
            places,
            vault: Arc::new(Vault::open(data)?),
            audit: audit.clone(),
            health: HealthBoard::default(),
        });
        let tasks = TaskTracker::new();
        tasks.spawn(registry::watch(Arc::clone(&registry), seen, end.clone()));
        tasks.spawn(registry::reload_on_hangup(registry, end.clone()));
        tasks.spawn(health::watch(Arc::clone(&hub), end.clone()));
        Ok(Self { hub, audit, tasks })
    }

    /// Ends the tasks, then the audit trail, so that whatever they still recorded is on disk.
    async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.hub.drain().await;
        drop(self.hub);
        self.audit.close().await;
    }
}

fn identity_of(data: &std::path::Path, options: &IdentityOptions) -> anyhow::Result<Identity> {
    match (&options.jwks_url, &options.issuer, &options.audience) {
        (Some(jwks_url), Some(issuer), Some(audience)) => {
            let settings =
                IdpSettings { jwks_url: jwks_url.clone(), issuer: issuer.clone(), audience: audience.clone() };
            Ok(Identity::Idp(JwksSource::new(settings)?))
        }
        _ => Ok(Identity::Local(LocalKeys::open(data)?)),
    }
}

impl Options {
    /// The database file.
    pub(super) fn database(&self) -> anyhow::Result<PathBuf> {
        match self.database_url.as_deref() {
            None => Ok(self.data.join("ops.db")),
            Some(url) => match url.strip_prefix("sqlite:") {
                Some(path) => Ok(PathBuf::from(path.trim_start_matches("//"))),
                None => bail!("this hub records in SQLite only: write --database-url sqlite:FILE, or leave it out"),
            },
        }
    }
}
