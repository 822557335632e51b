//! Where to get a token: protected-resource metadata (RFC 9728), which MCP clients look for when they are turned away.
//!
//! Each endpoint is a resource of its own, named by the URL that callers use; only a configured one will do, because the
//! `Host` header is the caller's to choose. A token may name any resource that is published, and no other.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Uri, header::WWW_AUTHENTICATE},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;
use url::Url;

use super::{nowhere::nothing_at, problem::Problem};
use crate::{call::Hub, invocation::told, names::Code};

/// Where metadata is (RFC 9728 §3); the resource's own path follows.
const METADATA: &str = "/.well-known/oauth-protected-resource";
/// What clients look for to log in: here, at an authorization server (RFC 8414), at an OpenID provider.
const LOGIN: [&str; 3] = [METADATA, "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
/// The paths of endpoints below the public URL; the first is everything that is not MCP.
const ENDPOINTS: [&str; 6] = ["", "/", "/mcp", "/mcp/", "/mcp/flat", "/mcp/flat/"];

/// The identifiers of the resources that a hub with this URL publishes: what a token's `aud` may be.
#[must_use]
pub fn resources(base: &Url) -> Vec<String> {
    ENDPOINTS.iter().map(|endpoint| resource(base, endpoint)).collect()
}

fn resource(base: &Url, endpoint: &str) -> String {
    format!("{}{endpoint}", base.as_str().trim_end_matches('/'))
}

/// What there is to discover.
#[derive(Debug)]
pub(super) struct Discovery {
    issuer: Option<String>,
    base: Option<Url>,
}

impl Discovery {
    pub(super) fn of(hub: &Hub, base: Option<&Url>) -> Arc<Self> {
        let issuer = hub.identity().authorization_server().map(str::to_owned);
        Arc::new(Self { issuer, base: base.cloned() })
    }

    /// Issuer and URL, if metadata is published.
    fn published(&self) -> Option<(&str, &Url)> {
        Some((self.issuer.as_deref()?, self.base.as_ref()?))
    }

    /// Where the metadata of the endpoint at this path is.
    fn metadata_url(&self, path: &str) -> Option<String> {
        let (_, base) = self.published()?;
        let endpoint = ENDPOINTS.iter().skip(2).find(|endpoint| **endpoint == path).unwrap_or(&"");
        let origin = base.origin().ascii_serialization();
        Some(format!("{origin}{METADATA}{}{endpoint}", base.path().trim_end_matches('/')))
    }

    /// The identifier of the resource whose metadata is at this path. A proxy that takes a prefix off the hub's paths may
    /// leave it here.
    fn resource_at(&self, path: &str) -> Option<String> {
        let (_, base) = self.published()?;
        let path = path.strip_prefix(METADATA)?;
        let prefix = base.path().trim_end_matches('/');
        let below = path.strip_prefix(prefix).filter(|rest| ENDPOINTS.contains(rest)).unwrap_or(path);
        ENDPOINTS.contains(&below).then(|| resource(base, below))
    }
}

/// `GET /.well-known/…`: a document, or how to do without.
pub(super) async fn well_known(Extension(discovery): Extension<Arc<Discovery>>, uri: Uri) -> Response {
    let path = uri.path();
    if let (Some(resource), Some(issuer)) = (discovery.resource_at(path), &discovery.issuer) {
        return Json(json!({
            "resource": resource,
            "authorization_servers": [issuer],
            "bearer_methods_supported": ["header"],
        }))
        .into_response();
    }
    let is_login = LOGIN.iter().any(|login| path.starts_with(login));
    let detail = match (&discovery.issuer, &discovery.base) {
        _ if !is_login => return nothing_at(&uri),
        (None, _) => format!(
            "this hub signs its own tokens and has no login to discover: send `Authorization: Bearer <token>` with one that \
             `{}` makes on the hub's machine",
            told("token --role ops_viewer --ttl 30d")
        ),
        (Some(issuer), None) => format!(
            "this hub publishes no metadata, because it was started without `--public-url`: send `Authorization: Bearer \
             <token>` with a token of {issuer}"
        ),
        (Some(issuer), Some(_)) => format!(
            "this hub is not the authorization server: that is {issuer}, and the metadata of this hub's endpoints is at {METADATA} \
             and the endpoint's path; or send `Authorization: Bearer <token>` with a token of {issuer}"
        ),
    };
    Problem::new(StatusCode::NOT_FOUND, Code::NotFound, "Not found", detail).into_response()
}

/// Adds to a challenge where the endpoint's metadata is (RFC 9728 §5.1), as MCP clients expect of a 401.
pub(super) async fn point_to_metadata(
    State(discovery): State<Arc<Discovery>>,
    request: Request,
    next: Next,
) -> Response {
    let metadata = discovery.metadata_url(request.uri().path());
    let mut response = next.run(request).await;
    if let Some(metadata) = metadata
        && let Some(challenge) = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok())
        && let Ok(value) = HeaderValue::from_str(&format!("{challenge}, resource_metadata=\"{metadata}\""))
    {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovery(base: &str) -> Discovery {
        Discovery { issuer: Some("https://issuer.example".into()), base: Some(base.parse().expect("a URL")) }
    }

    #[test]
    fn each_endpoint_has_a_document_that_names_its_url() {
        let hub = discovery("https://hub.example");
        for (path, resource) in [
            ("/.well-known/oauth-protected-resource", Some("https://hub.example")),
            ("/.well-known/oauth-protected-resource/mcp", Some("https://hub.example/mcp")),
            ("/.well-known/oauth-protected-resource/mcp/flat", Some("https://hub.example/mcp/flat")),
            ("/.well-known/oauth-protected-resource/mcp/flat/", Some("https://hub.example/mcp/flat/")),
            ("/.well-known/oauth-protected-resource/health", None),
            ("/.well-known/oauth-protected-resourcemcp", None),
            ("/.well-known/oauth-protected-resource//mcp", None),
            ("/.well-known/other/mcp", None),
        ] {
            assert_eq!(hub.resource_at(path).as_deref(), resource, "{path}");
        }
        for (path, metadata) in [
            ("/mcp", "https://hub.example/.well-known/oauth-protected-resource/mcp"),
            ("/mcp/flat", "https://hub.example/.well-known/oauth-protected-resource/mcp/flat"),
            ("/providers/a/b", "https://hub.example/.well-known/oauth-protected-resource"),
            ("/", "https://hub.example/.well-known/oauth-protected-resource"),
        ] {
            assert_eq!(hub.metadata_url(path).as_deref(), Some(metadata), "{path}");
        }
    }

    #[test]
    fn a_url_with_a_path_has_it_in_front_of_each_endpoint() {
        for base in ["https://hub.example:8443/ops", "https://hub.example:8443/ops/"] {
            let hub = discovery(base);
            let mcp = Some("https://hub.example:8443/ops/mcp");
            for path in ["/ops/mcp", "/mcp"] {
                let path = format!("/.well-known/oauth-protected-resource{path}");
                assert_eq!(hub.resource_at(&path).as_deref(), mcp, "{path}");
            }
            let metadata = "https://hub.example:8443/.well-known/oauth-protected-resource/ops/mcp";
            assert_eq!(hub.metadata_url("/mcp").as_deref(), Some(metadata));
        }
    }

    #[test]
    fn what_a_token_may_name_is_what_is_published() {
        let base = "https://hub.example/ops".parse().expect("a URL");
        let hub = discovery("https://hub.example/ops");
        let published: Vec<_> = ENDPOINTS
            .iter()
            .map(|endpoint| hub.resource_at(&format!("{METADATA}/ops{endpoint}")).expect("a document"))
            .collect();
        assert_eq!(resources(&base), published);
    }

    #[test]
    fn without_an_issuer_or_a_url_nothing_is_published() {
        for hub in [
            Discovery { issuer: None, base: "https://hub.example".parse().ok() },
            Discovery { issuer: Some("https://issuer.example".into()), base: None },
        ] {
            assert_eq!((hub.metadata_url("/mcp"), hub.resource_at(METADATA)), (None, None));
        }
    }
}
