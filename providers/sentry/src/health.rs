//! Whether Sentry answers, the token may do what the tools need, and the DSN is one.

use bulkhead_sdk::prelude::*;

use crate::capture::Dsn;
use crate::scope::Scope;
use crate::settings::{Settings, TOKEN};

/// How one half of the provider is.
enum Half {
    /// It works.
    Works,
    /// It works in part, or not just now.
    Limps(String),
    /// It does not.
    Fails(String),
}

#[derive(Deserialize)]
struct Root {
    auth: Option<Auth>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    scopes: Vec<String>,
}

/// The two secrets are independent of each other: with one of them, a part of the tools works.
pub fn check(cx: &Context) -> Health {
    judge(api(cx), capture(Dsn::of(cx)))
}

fn judge(api: Half, capture: Half) -> Health {
    match (api, capture) {
        (Half::Works, Half::Works) => Health::ok(),
        (Half::Fails(api), Half::Fails(capture)) => Health::down(format!("{api}; {capture}")),
        (api, capture) => {
            let reasons = [api, capture].into_iter().filter_map(|half| match half {
                Half::Works => None,
                Half::Limps(reason) | Half::Fails(reason) => Some(reason),
            });
            Health::degraded(reasons.collect::<Vec<_>>().join("; "))
        }
    }
}

fn capture(dsn: Result<Dsn, CallError>) -> Half {
    match dsn {
        Ok(_) => Half::Works,
        Err(error) => Half::Fails(format!("capture.error fails: {}", error.message)),
    }
}

fn api(cx: &Context) -> Half {
    match missing_scopes(cx) {
        Ok(missing) if missing.is_empty() => Half::Works,
        Ok(missing) => Half::Limps(format!(
            "the token in the secret {TOKEN} lacks {}: make a personal token or an internal \
             integration's that has them (an organization token cannot) and set it with `bulkhead secrets set {TOKEN}`",
            missing
                .iter()
                .map(|scope| format!("{} for {}", scope.name(), scope.tools()))
                .collect::<Vec<_>>()
                .join(", ")
        )),
        // It is there but busy or limiting us: some calls will work.
        Err(error) if matches!(error.code, ErrorCode::UpstreamRateLimited | ErrorCode::UpstreamTimeout) => {
            Half::Limps(error.message)
        }
        Err(error) => Half::Fails(format!("every tool but capture.error fails: {}", error.message)),
    }
}

fn missing_scopes(cx: &Context) -> Result<Vec<Scope>, CallError> {
    if cx.optional_secret_reference(TOKEN)?.is_none() {
        return Err(CallError::misconfigured(format!(
            "there is no auth token: name {TOKEN} as `vault_key` or in `secrets` of this provider, and set it with `bulkhead \
             secrets set {TOKEN}`"
        )));
    }
    let settings = Settings::of(cx)?;
    settings.org()?;
    let base = settings.base_url()?;
    let refused = || {
        CallError::upstream_auth(format!(
            "{base} does not accept the auth token: make a new one in the organization's settings and set it with `bulkhead \
             secrets set {TOKEN}`"
        ))
    };
    let request = cx.get(format!("{base}/api/0/")).bearer_secret(TOKEN).explain(|failure| match failure {
        Failure::Status(response) if matches!(response.status(), 401 | 403) => Some(refused()),
        _ => None,
    });
    // Where a token is wrong but anonymous questions are allowed, there is an answer without `auth`.
    let auth = request.send()?.json::<Root>()?.auth.ok_or_else(refused)?;
    Ok(Scope::ALL.into_iter().filter(|scope| !scope.is_among(&auth.scopes)).collect())
}

#[cfg(test)]
mod tests {
    use bulkhead_sdk::serde_json::Value;
    use bulkhead_sdk::testing::{self, FakeGate, Reply};
    use bulkhead_sdk::{HealthStatus, HttpError};

    use super::*;

    const SOME_DSN: &str = "https://0123456789abcdef0123456789abcdef@o1.ingest.us.sentry.io/42";

    /// The check with this DSN, since the scripted gate cannot reveal one.
    fn health(token: Option<Reply>, dsn: Option<&'static str>, settings: Value) -> Health {
        let mut gate = FakeGate::new();
        if let Some(reply) = token {
            gate = gate.secret(TOKEN).on(Method::Get, "https://us.sentry.io/api/0/", reply);
        }
        let check = move |cx: &Context| judge(api(cx), capture(dsn.map_or_else(|| Dsn::of(cx), Dsn::read)));
        testing::run(Provider::new("Checks.", "1.0.0").health(check)).settings(settings).gate(gate).health()
    }

    fn root(scopes: &[&str]) -> Reply {
        Reply::json(200, &json!({ "version": "0", "auth": { "scopes": scopes }, "user": null }))
    }

    fn acme() -> Value {
        json!({ "org": "acme", "base_url": "https://us.sentry.io" })
    }

    #[test]
    fn with_both_secrets_and_all_scopes_it_is_healthy() {
        assert_eq!(health(Some(root(&["event:write", "org:read"])), Some(SOME_DSN), acme()), Health::ok());
        assert_eq!(health(Some(root(&["event:admin", "org:admin"])), Some(SOME_DSN), acme()), Health::ok());
    }

    #[test]
    fn with_half_of_it_it_is_degraded_and_says_what_mends_it() {
        let anonymous = || Reply::json(200, &json!({ "version": "0", "auth": null, "user": null }));
        for (token, dsn, settings, word) in [
            (None, Some(SOME_DSN), acme(), "bulkhead secrets set sentry_auth_token"),
            (Some(root(&["event:write", "org:read"])), None, acme(), "bulkhead secrets set sentry_dsn"),
            (Some(root(&["event:write", "org:read"])), Some("nonsense"), acme(), "bulkhead secrets set sentry_dsn"),
            (
                Some(root(&["event:read"])),
                Some(SOME_DSN),
                acme(),
                "event:write for issue.update or issues.create, org:read for projects.list",
            ),
            (Some(root(&["org:ci"])), Some(SOME_DSN), acme(), "event:read for issues.list"),
            (Some(anonymous()), Some(SOME_DSN), acme(), "does not accept the auth token"),
            (Some(Reply::text(401, "")), Some(SOME_DSN), acme(), "does not accept the auth token"),
            (Some(Reply::text(429, "")), Some(SOME_DSN), acme(), "slow down"),
            (Some(Reply::error(HttpError::Timeout)), None, acme(), "in time"),
            (Some(Reply::text(200, "<html>")), Some(SOME_DSN), acme(), "unexpected"),
            (Some(root(&["event:write", "org:read"])), Some(SOME_DSN), json!({}), "settings.org"),
        ] {
            let health = health(token, dsn, settings);
            assert_eq!(health.status, HealthStatus::Degraded, "{}", health.reason);
            assert!(health.reason.contains(word), "{}", health.reason);
        }
    }

    #[test]
    fn without_either_it_is_down() {
        for token in [None, Some(Reply::text(401, "")), Some(Reply::error(HttpError::Connection("refused".into())))] {
            let health = health(token, None, acme());
            assert_eq!(health.status, HealthStatus::Down, "{}", health.reason);
            assert!(health.reason.contains("sentry_dsn"), "{}", health.reason);
        }
    }
}
