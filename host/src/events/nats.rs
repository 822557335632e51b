//! Delivery to NATS JetStream. Each event is acknowledged before the next of its source is sent: so what fails is sent again
//! before anything that came after it.

use std::time::Duration;

use async_nats::{
    Client, ConnectOptions,
    connection::State,
    jetstream::{self, Context, context::PublishErrorKind, message::PublishMessage, stream},
};
use tokio::time::timeout;

use super::{error::DeliveryError, letter::Letter, subject::subject};
use crate::{config::NatsTarget, vault::Vault};

/// How long connecting may take, and how long an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a connection that was lost is made again before it is given up, and another is made with what the vault has then.
const RECONNECTS: usize = 3;
/// The duplicate window of a stream that is made here.
const DUPLICATES: Duration = Duration::from_secs(120);
/// How long such a stream keeps events.
const STREAM_KEEPS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A broker, and the connection to it while there is one.
pub(super) struct Nats {
    target: NatsTarget,
    connected: Option<(Client, Context)>,
}

impl Nats {
    pub(super) fn new(target: NatsTarget) -> Self {
        Self { target, connected: None }
    }

    /// A connection that is there, or a new one.
    pub(super) async fn connect(&mut self, vault: &Vault) -> Result<Stream<'_>, DeliveryError> {
        let is_lost = |(client, _): &(Client, Context)| client.connection_state() == State::Disconnected;
        if self.connected.as_ref().is_none_or(is_lost) {
            self.connected = None;
            self.connected = Some(connected(&self.target, vault).await?);
        }
        let context = self.connected.as_ref().map(|(_, context)| context).ok_or(DeliveryError::NotConnected)?;
        Ok(Stream { target: &self.target, context })
    }
}

async fn connected(target: &NatsTarget, vault: &Vault) -> Result<(Client, Context), DeliveryError> {
    let mut options = ConnectOptions::new()
        .name("bulkhead")
        .connection_timeout(PATIENCE)
        .require_tls(target.server.needs_tls())
        // The config says where the hub connects to, and nobody else.
        .ignore_discovered_servers()
        .max_reconnects(RECONNECTS);
    if let Some(secret) = &target.secret {
        let value = vault.credential(secret).await.map_err(|error| DeliveryError::Credentials(error.to_string()))?;
        options = match &target.user {
            Some(user) => options.user_and_password(user.clone(), value.to_string()),
            None => options.token(value.to_string()),
        };
    }
    let connecting = timeout(PATIENCE, options.connect(target.server.as_str())).await;
    let client = connecting
        .map_err(|_| DeliveryError::Connection("it does not answer in time".to_owned()))?
        .map_err(|error| DeliveryError::Connection(error.to_string()))?;
    let mut context = jetstream::new(client.clone());
    context.set_timeout(PATIENCE);
    Ok((client, context))
}

/// A stream that events are published to.
#[derive(Clone, Copy)]
pub(super) struct Stream<'a> {
    target: &'a NatsTarget,
    context: &'a Context,
}

impl Stream<'_> {
    /// Publishes one, and waits until it is stored.
    pub(super) async fn publish(self, letter: &Letter) -> Result<(), DeliveryError> {
        match self.published(letter).await {
            Err(PublishErrorKind::StreamNotFound) => {
                self.make_stream().await?;
                self.published(letter).await.map_err(|kind| DeliveryError::Refused(kind.to_string()))
            }
            published => published.map_err(|kind| DeliveryError::Refused(kind.to_string())),
        }
    }

    async fn published(self, letter: &Letter) -> Result<(), PublishErrorKind> {
        let subject = subject(&self.target.subject, letter.source(), letter.event_type());
        let message = PublishMessage::build()
            .message_id(letter.message_id())
            .header("content-type", "application/cloudevents+json")
            .payload(letter.body().into());
        let sent = async { self.context.send_publish(subject, message).await?.await };
        match timeout(PATIENCE, sent).await {
            Err(_) => Err(PublishErrorKind::TimedOut),
            Ok(stored) => stored.map(|_| ()).map_err(|error| error.kind()),
        }
    }

    /// Makes the stream that the config names, if it names one.
    async fn make_stream(self) -> Result<(), DeliveryError> {
        let Some(name) = &self.target.stream else { return Err(DeliveryError::NoStream) };
        let wanted = stream::Config {
            name: name.as_str().to_owned(),
            subjects: vec![format!("{}.>", self.target.subject.as_str())],
            duplicate_window: DUPLICATES,
            max_age: STREAM_KEEPS,
            ..stream::Config::default()
        };
        let made = timeout(PATIENCE, self.context.get_or_create_stream(wanted)).await;
        made.map_err(|_| DeliveryError::Refused("the stream could not be made in time".to_owned()))?
            .map(|_| ())
            .map_err(|error| DeliveryError::Refused(format!("the stream could not be made: {error}")))
    }
}
