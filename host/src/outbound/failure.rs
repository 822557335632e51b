//! From the client's errors to ours.

use std::error::Error;
use std::io;

use super::error::OutboundError;
use super::target::Target;

/// What went wrong, told from the chain of causes: the client's own words name addresses and URLs, ours do not.
pub(super) fn explain(error: reqwest::Error, target: &Target) -> OutboundError {
    // The query may be confidential.
    let error = error.without_url();
    tracing::debug!(%target, ?error, "outbound request failed");
    let causes = causes(&error);
    if let Some(ours) = causes.iter().find_map(|cause| cause.downcast_ref::<OutboundError>()) {
        return ours.clone();
    }
    if let Some(tls) = causes.iter().find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return OutboundError::Tls(format!("{target}: {}", explain_tls(tls)));
    }
    if error.is_timeout() {
        return OutboundError::Timeout;
    }
    // The innermost kind says most: "connection refused" rather than "other".
    let kind = causes.iter().rev().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let kind = kind.filter(|kind| *kind != io::ErrorKind::Other).map_or_else(String::new, |kind| format!(" ({kind})"));
    OutboundError::Connection(if error.is_connect() {
        format!("no connection to {target}{kind}: check that it runs, and that the hub's network leads there")
    } else if error.is_body() || error.is_decode() {
        format!("{target} broke off in the middle of its answer{kind}: try again")
    } else {
        format!("{target} broke the connection or did not answer in HTTP{kind}: check scheme and port, or try again")
    })
}

/// All the causes, outermost first. An `io::Error` passes its payload over in `source`, and there rustls puts its own.
fn causes(error: &reqwest::Error) -> Vec<&(dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(payload) => Some(payload),
            None => cause.source(),
        };
    }
    causes
}

fn explain_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(_) => {
            format!("its certificate is refused ({error}): have it renewed, or check the host name")
        }
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS on this port: check the port, or use http:// where allowed_hosts says so".to_owned()
        }
        _ => format!("the TLS handshake failed ({error}): the server must offer TLS 1.2 or 1.3"),
    }
}
