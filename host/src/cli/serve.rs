//! `bulkhead serve` and `bulkhead mcp`: build the hub, run it, end it.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use sd_notify::NotifyState;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    options::{IdentityOptions, McpOptions, Options, ServeOptions, VaultKind},
    remote::bearer_token,
    upgrade::{make_way, serving},
};
use crate::{
    api,
    audit::{Audit, Post},
    call::{Hub, HubParts, record_reloads, watch_health},
    config::CheckpointSink,
    endpoint::Endpoints,
    events::{Delivery, Events},
    health::HealthBoard,
    http::{self, Ending},
    identity::{Identity, IdpSettings, JwksSource, LocalKeys},
    limits::{ConcurrencyLimit, Limiter},
    mcp,
    names::{CorrelationId, Surface, WireForm},
    outbound::OwnAddress,
    registry::{Registry, Reloader, Reloads, Sources},
    sandbox::{Compiler, Sandbox},
    store::{location::Location, overrides::Overrides, postgres::Settings, private_file},
    telemetry::metrics,
    tls::Tls,
    upgrade::{self, Control},
    vault::Vault,
};

/// Reloads that may wait to be on record.
const REPORTS: usize = 64;
/// How often a hub that takes another's place tries to get its port for metrics.
const METRICS_AGAIN: Duration = Duration::from_millis(200);
/// Connections for metrics: Prometheus needs one.
const SCRAPERS: u32 = 16;
/// How long the end waits for threads that still read something. All that is to be recorded is.
const LEAVING: Duration = Duration::from_secs(2);
/// How long what is cut off has to be recorded, once the hub is to end at once.
const CUT_OFF: Duration = Duration::from_millis(500);

pub(super) fn serve_http(options: &Options, serve: ServeOptions) -> anyhow::Result<ExitCode> {
    run(async |ending| {
        let end = ending.stop.clone();
        let tls = serve.tls.files().map(Tls::open).transpose()?.map(Arc::new);
        // First of all: the gates of the providers have to know the port. Providers load while it serves.
        let (listener, takes_over) = upgrade::listening(serve.listen)
            .with_context(|| format!("cannot listen on {}: is another hub running there?", serve.listen))?
            .into_socket();
        let listener = TcpListener::from_std(listener)?;
        let listening = listener.local_addr()?;
        if serve.metrics_listen.is_some() {
            metrics::begin()?;
        }
        // The hub before this one has the port until it makes way.
        let metrics = match serve.metrics_listen {
            Some(address) if !takes_over => Some(metrics_listener(address).await?),
            _ => None,
        };
        let own_address = OwnAddress::new(listening, serve.public_url.as_ref());
        let concurrency = ConcurrencyLimit::new(serve.max_calls_per_caller);
        let published = serve.public_url.as_ref().map(http::resources).unwrap_or_default();
        let starting =
            Running::start(options, &serve.identity, published, concurrency, own_address, Stdout::Free, &ending);
        let Some(running) = unless(&end, starting).await? else { return Ok(ExitCode::SUCCESS) };
        if let Some(tls) = &tls {
            running.tasks.spawn(Arc::clone(tls).follow(end.clone()));
        }
        let address = http::PublicAddress { base_url: serve.public_url, listening: Some(listening), tls: tls.clone() };
        let surfaces = [api::routes(&address), mcp::routes(&running.hub, &address)];
        let app = http::router(&running.hub, &address, surfaces, api::open(&address));
        if takes_over {
            // Callers of the hub before this one find all that it served.
            running.loaded(&end).await;
            let taking = upgrade::take_over(&options.data, serving(&running.hub));
            if unless(&end, async { Ok(taking.await?) }).await?.is_none() {
                return Ok(ExitCode::SUCCESS);
            }
            // Whoever read the first hub's standard output has read its line, and may have gone.
            tracing::info!("listening on {}://{listening}", address.scheme());
        } else {
            say(&format!("listening on {}://{listening}", address.scheme()));
            running.tasks.spawn(tell_when_loaded(Arc::clone(running.hub.registry()), end.clone()));
        }
        if let Some(address) = serve.metrics_listen {
            running.tasks.spawn(serve_metrics(Arc::clone(&running.hub), metrics, address, ending.clone()));
        }
        running.makes_way(&options.data, &listener, &ending);
        // Errors mean that nobody is told, as where no service manager is.
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        let entry = http::Entry { listener, tls, most: serve.max_connections, grace: serve.grace };
        http::serve(Arc::clone(&running.hub), entry, app, ending).await;
        end.cancel();
        running.finish().await;
        #[cfg(feature = "bench")]
        println!("{}", crate::stages::told());
        Ok(ExitCode::SUCCESS)
    })
}

/// Where Prometheus reads metrics.
async fn metrics_listener(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for metrics: name another address by --metrics-listen"))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "metrics are told there");
    Ok(listener)
}

/// Tells metrics until the hub is to end. Where it has no listener yet, as soon as the hub before it has given up the port.
async fn serve_metrics(hub: Arc<Hub>, listener: Option<TcpListener>, address: SocketAddr, ending: Ending) {
    let mut bound = listener;
    let listener = loop {
        match bound {
            Some(listener) => break listener,
            None => bound = metrics_listener(address).await.ok(),
        }
        if bound.is_none() {
            tokio::select! {
                () = tokio::time::sleep(METRICS_AGAIN) => {}
                () = ending.make_way.cancelled() => return,
            }
        }
    };
    let entry = http::Entry { listener, tls: None, most: SCRAPERS, grace: Duration::ZERO };
    let app = api::metrics(&hub);
    http::serve(hub, entry, app, ending).await;
}

pub(super) fn stdio(options: &Options, mcp: &McpOptions) -> anyhow::Result<ExitCode> {
    let token = bearer_token(mcp.token_file.as_ref(), "token --role ops_viewer")?;
    run(async |ending| {
        let end = ending.stop.clone();
        let (concurrency, own_address) = (ConcurrencyLimit::default(), OwnAddress::default());
        let starting =
            Running::start(options, &mcp.identity, Vec::new(), concurrency, own_address, Stdout::OfClient, &ending);
        let Some(running) = unless(&end, starting).await? else { return Ok(ExitCode::SUCCESS) };
        // A client of standard input asks once what there is: it gets the whole of it, however long that takes.
        running.loaded(&end).await;
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

/// Runs the hub to its end. Nothing that a thread of it waits for, such as a file system that does not answer, keeps it from
/// ending, nor does anything else once it is to end at once: what has not been recorded by then is found by the next start.
fn run(hub: impl AsyncFnOnce(Ending) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the runtime cannot start")?;
    let ended = runtime.block_on(async {
        let ending = end_on_signal()?;
        let at_once = ending.at_once.clone();
        let cut_off = async {
            at_once.cancelled().await;
            tokio::time::sleep(CUT_OFF).await;
        };
        tokio::select! {
            ended = hub(ending) => ended,
            () = cut_off => Ok(ExitCode::FAILURE),
        }
    });
    runtime.shutdown_timeout(if matches!(ended, Ok(ExitCode::SUCCESS)) { LEAVING } else { CUT_OFF });
    ended
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

/// What SIGTERM and SIGINT ask for: the first has the hub stop, the second has it end at once.
fn end_on_signal() -> anyhow::Result<Ending> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // A file that reaches the limit of its size (`ulimit -f`) is to be an error like a full disk's, not the hub's end.
    // That is so from now on, whoever listens.
    let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    let ending = Ending::default();
    let Ending { stop, at_once, .. } = ending.clone();
    tokio::spawn(async move {
        for asked in [stop, at_once] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            asked.cancel();
        }
    });
    Ok(ending)
}

/// Says on standard output that each provider has loaded or failed: whoever starts a hub to call it at once waits for that.
async fn tell_when_loaded(registry: Arc<Registry>, end: CancellationToken) {
    tokio::select! {
        () = registry.loaded() => say("ready"),
        () = end.cancelled() => {}
    }
}

/// A line on standard output. Whoever has started the hub may not read it any more.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Whose the standard output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stdout {
    Free,
    /// Of a client that speaks MCP there, and that nothing else may be said to.
    OfClient,
}

impl Stdout {
    /// Where checkpoints of the audit trail go.
    fn sinks(self, registry: &Registry) -> Vec<CheckpointSink> {
        let sinks = registry.checkpoints();
        sinks.iter().filter(|sink| self == Self::Free || **sink != CheckpointSink::Stdout).cloned().collect()
    }
}

/// The hub and the tasks that keep it current.
struct Running {
    hub: Arc<Hub>,
    audit: Audit,
    tasks: TaskTracker,
    stdout: Stdout,
    post: Post,
}

/// Sends checkpoints to places on the web.
fn posting(endpoints: Arc<Endpoints>) -> Post {
    Arc::new(move |endpoint, document| {
        let endpoints = Arc::clone(&endpoints);
        Box::pin(async move {
            let headers = [("content-type", "application/json")];
            let posted = async { endpoints.open(&endpoint).await?.post(&headers, document.as_bytes().to_vec()).await };
            posted.await.map_err(|error| error.to_string())
        })
    })
}

impl Running {
    async fn start(
        options: &Options,
        identity: &IdentityOptions,
        published: Vec<String>,
        concurrency: ConcurrencyLimit,
        own_address: OwnAddress,
        stdout: Stdout,
        ending: &Ending,
    ) -> anyhow::Result<Self> {
        let data = &options.data;
        private_file::own_folder(data).with_context(|| format!("cannot use the data folder {}", data.display()))?;
        let data = &data.canonicalize()?;
        let audit = Audit::open(data, options.database()?)?;
        #[cfg(feature = "bench")]
        let audit = if options.forget { audit.forgetting() } else { audit };
        let sandbox = Arc::new(Sandbox::new(&data.join("compiled"), Compiler::this_program()?)?);
        let sources = Sources { config: options.config.clone(), own_address, kept: Some(data.join("components")) };
        let registry = Arc::new(Registry::new(sources, sandbox));
        let overrides = Overrides::of(options.database()?)?;
        let (reloads, asked) = Reloads::of(Arc::clone(&registry), overrides.clone());
        let (reports, reported) = mpsc::channel(REPORTS);
        let mut reloader = Reloader::new(Arc::clone(&registry), overrides, asked, reports);
        let started = reloader.start().await?;
        let (events, untold) = Events::new(audit.clone());
        let vault = Arc::new(vault(options, data).await?);
        let of_config = Arc::clone(&registry);
        let post = posting(Arc::new(Endpoints::new(Arc::clone(&vault), move || of_config.gate_options())));
        let (source, changes) = (Arc::clone(&registry), registry.changes());
        let delivery = Delivery::new(events.clone(), Arc::clone(&vault), move || source.events());
        let hub = Hub::new(HubParts {
            registry,
            reloads: reloads.clone(),
            identity: identity_of(data, identity, published)?,
            limiter: Limiter::default(),
            concurrency,
            vault: Arc::clone(&vault),
            audit: audit.clone(),
            events: events.clone(),
            health: HealthBoard::default(),
            end: ending.make_way.clone(),
        });
        let end = &ending.stop;
        let tasks = TaskTracker::new();
        tasks.spawn(reloader.run(started, end.clone()));
        tasks.spawn(reloads.follow(end.clone()));
        tasks.spawn(record_reloads(Arc::clone(&hub), reported, end.clone()));
        tasks.spawn(watch_health(Arc::clone(&hub), end.clone()));
        tasks.spawn(events.record(untold, end.clone()));
        let (giver, given, giving, to) = (audit.clone(), Arc::clone(hub.registry()), end.clone(), Arc::clone(&post));
        tasks.spawn(async move { giver.give_checkpoints(|| stdout.sinks(&given), &to, &giving).await });
        tasks.spawn(delivery.run(changes, end.clone()));
        Ok(Self { hub, audit, tasks, stdout, post })
    }

    /// Waits until every provider is loaded or has failed, or until the end.
    async fn loaded(&self, end: &CancellationToken) {
        tokio::select! {
            () = self.hub.registry().loaded() => {}
            () = end.cancelled() => {}
        }
    }

    /// From now on another program may take this one's place: see [`super::upgrade`].
    fn makes_way(&self, data: &Path, listener: &TcpListener, ending: &Ending) {
        let opened = Control::open(data).and_then(|control| Ok((control, listener.as_fd().try_clone_to_owned()?)));
        match opened {
            Ok((control, socket)) => {
                let (hub, audit) = (Arc::clone(&self.hub), self.audit.clone());
                self.tasks.spawn(make_way(hub, audit, control, socket, ending.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the socket for `bulkhead upgrade` cannot be made: stop this hub to put another in its place");
            }
        }
    }

    /// Ends the tasks, then the audit trail, so that whatever they still recorded is on disk.
    async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.hub.drain().await;
        let sinks = self.stdout.sinks(self.hub.registry());
        drop(self.hub);
        self.audit.close().await;
        self.audit.give_last_checkpoint(sinks, &self.post).await;
    }
}

/// Where secrets are kept.
async fn vault(options: &Options, data: &std::path::Path) -> anyhow::Result<Vault> {
    match (options.vault, options.database()?) {
        (VaultKind::Local, _) => Ok(Vault::open(data)?),
        (VaultKind::Supabase, Location::Postgres(settings)) => {
            Ok(tokio::task::spawn_blocking(move || Vault::of_supabase(settings)).await??)
        }
        (VaultKind::Supabase, Location::File(_)) => {
            bail!(
                "`--vault supabase` is the vault of a Supabase project: name its database by --database-url postgres://…"
            )
        }
    }
}

/// Tokens of an identity provider may name the configured audience or any resource that the hub publishes.
fn identity_of(data: &std::path::Path, options: &IdentityOptions, published: Vec<String>) -> anyhow::Result<Identity> {
    match (&options.jwks_url, &options.issuer, &options.audience) {
        (Some(jwks_url), Some(issuer), Some(audience)) => {
            let audiences = std::iter::once(audience.clone()).chain(published).collect();
            let settings = IdpSettings { jwks_url: jwks_url.clone(), issuer: issuer.clone(), audiences };
            Ok(Identity::Idp(JwksSource::new(settings)?))
        }
        _ => Ok(Identity::Local(LocalKeys::open(data)?)),
    }
}

impl Options {
    /// Where operations are recorded.
    pub(super) fn database(&self) -> anyhow::Result<Location> {
        match self.database_url.as_deref() {
            None => Ok(self.data.join("ops.db").into()),
            Some(url) if Settings::is_meant(url) => {
                Ok(Location::Postgres(Settings::new(url, self.database_password_file.as_deref())?))
            }
            Some(url) => match url.strip_prefix("sqlite:") {
                Some(path) => Ok(PathBuf::from(path.trim_start_matches("//")).into()),
                None => bail!(
                    "this hub records in SQLite or PostgreSQL: write --database-url sqlite:FILE or postgres://USER@HOST/DATABASE, or \
                     leave it out"
                ),
            },
        }
    }
}
