//! Who opens connections, and looks names up.

use super::{SERVES, Source, host, rule};

/// Ways to others, and to find them.
const WAYS_OUT: [&str; 20] = [
    "sqlx_core::connection::ConnectOptions",
    "sqlx_core::net",
    "sqlx_core::pool",
    "sqlx_postgres::PgListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::os::unix::net::UnixDatagram",
    "std::os::unix::net::UnixStream",
    "tokio::net::TcpSocket",
    "tokio::net::TcpStream::connect",
    "tokio::net::ToSocketAddrs",
    "tokio::net::UdpSocket",
    "tokio::net::UnixDatagram",
    "tokio::net::UnixStream",
    "tokio::net::lookup_host",
    "tokio::net::unix",
    "hickory_resolver",
    "socket2",
    "async_nats",
];

/// PostgreSQL is where the command line says that it is, on private networks as a rule: no provider has a word in it, and its
/// driver speaks TLS by itself. The one connects, the other says how. The same holds of NATS, where the config says that it is. The
/// last is a socket in the data folder, between hubs.
const DIALS: [&str; 4] = [
    "host/src/store/postgres/session.rs",
    "host/src/store/postgres/settings.rs",
    "host/src/events/nats.rs",
    "host/src/upgrade/control.rs",
];

#[test]
fn only_outbound_opens_connections_and_looks_names_up() {
    assert!(host().iter().any(|source| source.is_in("outbound/src/") && source.names(&WAYS_OUT)));
    let opens = |source: &Source| {
        // A stream that has come in is one too.
        let streams = source.names(&["tokio::net::TcpStream"]) && !source.is_in(SERVES);
        let way_out = source.names(&WAYS_OUT) && !DIALS.contains(&&*source.path);
        (streams || way_out) && !source.is_in("outbound/src/")
    };
    for path in DIALS {
        assert!(host().iter().any(|source| source.path == path && source.names(&WAYS_OUT)), "{path}");
    }
    rule(
        &host(),
        opens,
        &[
            Source::of("host/src/http/connections/attend.rs", "tokio::net::TcpStream::connect(address).await?"),
            Source::of("host/src/http/connections/mod.rs", "use tokio::net::TcpStream as S; fn f() { S::connect(a) }"),
            Source::of("host/src/call/run.rs", "std::net::TcpStream::connect_timeout(&address, wait)?"),
            Source::of("host/src/call/run.rs", "use tokio::net; type Wire = net::TcpStream;"),
            Source::of("host/src/sandbox/gates.rs", "let socket = std::net::UdpSocket::bind(any)?;"),
            Source::of("host/src/identity/jwks.rs", "use std::net::{SocketAddr, ToSocketAddrs};"),
            Source::of("host/src/identity/jwks.rs", "use std::net::*;"),
            Source::of("host/src/call/run.rs", "let client = async_nats::connect(server).await?;"),
            Source::of("host/src/store/postgres/schema.rs", "use sqlx_core::connection::ConnectOptions as _;"),
        ],
    );
    // The words are free: for the client of a database or a broker, each in its own room.
    let other = "use events::{Broker, Client}; fn f(client: Client) { client.connect(Broker::connect(a)) }";
    assert!(!opens(&Source::of("host/src/events/broker.rs", other)));
}
