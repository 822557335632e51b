//! From the HTTP client's errors to ours: its own words name addresses, ours do not.

use std::error::Error;
use std::io;

use super::error::OutboundError;
use super::target::Target;

/// Why there is no connection: TCP or the TLS handshake failed.
pub(super) fn no_connection(error: &(dyn Error + 'static), target: &Target) -> OutboundError {
    told(error, target).unwrap_or_else(|| {
        let kind = kind(error);
        OutboundError::NoConnection(format!(
            "no connection to {target}{kind}: check that it runs, and that the hub's network leads there"
        ))
    })
}

/// Why a request got no answer.
pub(super) fn no_answer(error: &(dyn Error + 'static), target: &Target) -> OutboundError {
    told(error, target).unwrap_or_else(|| {
        let kind = kind(error);
        OutboundError::Connection(format!(
            "{target} broke the connection or did not answer in HTTP{kind}: check scheme and port, or try again"
        ))
    })
}

/// Why an answer has no end.
pub(super) fn broken_off(error: &(dyn Error + 'static), target: &Target) -> OutboundError {
    told(error, target).unwrap_or_else(|| {
        let kind = kind(error);
        OutboundError::Connection(format!("{target} broke off in the middle of its answer{kind}: try again"))
    })
}

/// What the chain of causes tells by itself, wherever the error came from.
fn told(error: &(dyn Error + 'static), target: &Target) -> Option<OutboundError> {
    tracing::debug!(%target, ?error, "outbound request failed");
    let causes = causes(error);
    if let Some(ours) = causes.iter().find_map(|cause| cause.downcast_ref::<OutboundError>()) {
        return Some(ours.clone());
    }
    if let Some(tls) = causes.iter().find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return Some(OutboundError::Tls(format!("{target}: {}", explain_tls(tls))));
    }
    let too_large = causes.iter().any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_parse_too_large));
    too_large.then(|| large_head(target))
}

/// An answer's head is beyond the limits.
pub(super) fn large_head(target: &Target) -> OutboundError {
    OutboundError::Connection(format!(
        "{target} begins its answer with more than the hub takes (too many headers, too long ones, or an impossible \
         length): have it send less"
    ))
}

/// An answer from where a secret may go cannot be searched for it.
pub(super) fn unsearchable(target: &Target, why: &str) -> OutboundError {
    OutboundError::Unsearchable(format!(
        "the answer of {target} cannot be searched for the secrets that may go there, so it is not passed on: {why}; have it \
         send whole answers in no content coding"
    ))
}

/// The innermost kind says most: "connection refused" rather than "other".
fn kind(error: &(dyn Error + 'static)) -> String {
    let kind = causes(error).iter().rev().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kind.filter(|kind| *kind != io::ErrorKind::Other).map_or_else(String::new, |kind| format!(" ({kind})"))
}

/// The error and all its causes, outermost first. An `io::Error` passes its payload over in `source`, and there rustls puts
/// its own.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |last| cause(*last)).collect()
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(payload) => Some(payload),
        None => error.source(),
    }
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
