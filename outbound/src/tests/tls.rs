//! Certificates: refused by default, and why is said.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use crate::tests::upstream::{FakeResolver, Upstream, get, read_request, send};
use crate::{
    Allowlist, Gate, GateOptions, Limits, Method, OutboundError, OutboundRequest, RootCertificate, RootCertificateError,
};

const NAME: &str = "secure.example.com";

/// A TLS server for [`NAME`] that signed its own certificate, and the certificate.
async fn self_signed(protocols: &[&str]) -> (Upstream, String) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let builder = ServerConfig::builder().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![cert.der().clone()], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let upstream = Upstream::start(move |stream| serve(acceptor.clone(), stream)).await;
    (upstream, cert.pem())
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        serve_h2(stream).await;
    } else {
        // The request of these tests fits into one record.
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecure").await;
        let _ = stream.shutdown().await;
    }
}

/// `/endless` has a body without end, other paths answer with the authority and `x-key` of the request.
async fn serve_h2(stream: TlsStream<TcpStream>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let text = format!("{} {:?}", request.uri().authority().unwrap(), request.headers().get("x-key"));
        let length = if request.method() == http::Method::HEAD { 1_000_000_000 } else { text.len() };
        let answer = http::Response::builder();
        if request.uri().path() == "/endless" {
            let mut body = respond.send_response(answer.body(()).unwrap(), false).unwrap();
            tokio::spawn(async move {
                while body.send_data(vec![b'x'; 1000].into(), false).is_ok() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        } else {
            let answer = answer.header("content-length", length).body(()).unwrap();
            let head = request.method() == http::Method::HEAD;
            let mut body = respond.send_response(answer, head).unwrap();
            if !head {
                body.send_data(text.into(), true).unwrap();
            }
        }
    }
}

/// A gate that trusts `roots` beside the system's and knows `name`.
fn gate_to(upstream: &Upstream, name: &str, roots: &[String]) -> Gate {
    let port = upstream.addr.port();
    let entries = [format!("*.example.com:{port}"), format!("127.0.0.1:{port}")];
    let options = GateOptions {
        limits: Limits { max_response_bytes: 100_000, ..Limits::default() },
        resolver: Arc::new(FakeResolver::knowing(name, &["127.0.0.1"])),
        extra_roots: RootCertificate::from_pem(roots.concat().as_bytes()).unwrap_or_default(),
        ..GateOptions::default()
    };
    Gate::new(Allowlist::from_entries(entries.iter().map(String::as_str)).unwrap(), options).unwrap()
}

/// Asks `name` at the server.
async fn ask(upstream: &Upstream, name: &str, roots: &[String]) -> Result<Vec<u8>, OutboundError> {
    let port = upstream.addr.port();
    let gate = gate_to(upstream, name, roots);
    send(&gate, get(format!("https://{name}:{port}/"))).await.map(|answer| answer.body)
}

fn tls_message(error: OutboundError) -> String {
    match error {
        OutboundError::Tls(message) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_nobody_is_refused() {
    let (upstream, _) = self_signed(&[]).await;
    let message = tls_message(ask(&upstream, NAME, &[]).await.unwrap_err());
    let start = format!("https://{NAME}:{}: its certificate is refused", upstream.addr.port());
    assert!(message.starts_with(&start), "{message}");
}

#[tokio::test]
async fn an_extra_root_is_trusted_for_its_name_only() {
    let (upstream, root) = self_signed(&[]).await;
    let roots = [root];
    assert_eq!(ask(&upstream, NAME, &roots).await, Ok(b"secure".to_vec()));
    let message = tls_message(ask(&upstream, "other.example.com", &roots).await.unwrap_err());
    assert!(message.contains("certificate is refused"), "{message}");
}

#[tokio::test]
async fn a_port_without_tls_is_a_tls_error() {
    let upstream = Upstream::start(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        read_request(&mut stream).await;
    })
    .await;
    let message = tls_message(ask(&upstream, NAME, &[]).await.unwrap_err());
    assert!(message.contains("does not speak TLS"), "{message}");
}

#[tokio::test]
async fn http_2_is_spoken_where_offered_under_the_same_rules() {
    let (upstream, root) = self_signed(&["h2", "http/1.1"]).await;
    let gate = gate_to(&upstream, NAME, &[root]);
    let url = format!("https://{NAME}:{}", upstream.addr.port());

    let headers = vec![("x-key".to_owned(), "v".to_owned())];
    let request = OutboundRequest { headers, ..get(format!("{url}/")) };
    let answer = send(&gate, request).await.unwrap();
    let expected = format!("{} Some(\"v\")", url.trim_start_matches("https://"));
    assert_eq!(String::from_utf8(answer.body).unwrap(), expected);

    let head = OutboundRequest { method: Method::Head, ..get(format!("{url}/")) };
    assert_eq!(send(&gate, head).await.unwrap().body, b"");

    assert_eq!(send(&gate, get(format!("{url}/endless"))).await, Err(OutboundError::TooLarge { limit: 100_000 }));

    // None of this costs the connection: the stream alone is reset.
    assert_eq!(send(&gate, get(format!("{url}/"))).await.unwrap().status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn text_without_a_certificate_is_refused() {
    const BROKEN: &str = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    for pem in ["", "no PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", BROKEN] {
        assert_eq!(RootCertificate::from_pem(pem.as_bytes()).err(), Some(RootCertificateError), "{pem}");
    }
}

#[tokio::test]
async fn a_broken_extra_root_is_an_error_of_the_gate() {
    const NOT_DER: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let options =
        GateOptions { extra_roots: RootCertificate::from_pem(NOT_DER.as_bytes()).unwrap(), ..GateOptions::default() };
    assert!(Gate::new(Allowlist::default(), options).is_err());
}
