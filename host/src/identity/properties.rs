//! What has to hold of any token. The fuzz target `jwt` looks for counterexamples; so do the tests below, which also try
//! again what was ever found.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::FutureExt as _;
use serde_json::Value;
use uuid::Uuid;

use super::{Caller, Identity, LocalKeys, MintRequest, key_set::usable_keys, lifetime::Moment};
use crate::names::Role;
use bulkhead_properties::{expanded, first_line};

/// Verification by the hub's own key.
///
/// An input of three lines that begins with `signed` is a header and claims, which are signed as a good issuer would sign
/// them; `$n`, `$f` and `$o` in the claims are now, ten minutes on and ten minutes ago. One that begins with `jwks` is a key
/// set. Any other is a token, in which `$t` stands for a valid one, `$h`, `$c` and `$s` for its parts, `$e` for the parts of
/// a token of another hub, each with the letter doubled (`$H`, `$C`, `$S`).
///
/// Each token is shown twice: what is remembered of the first time makes no difference.
///
/// # Panics
/// When anybody is let in but the caller of the valid token, or of claims that a plain reading finds in order.
pub fn verification(input: &[u8]) {
    static SETTING: LazyLock<Option<Setting>> = LazyLock::new(Setting::new);
    let Some(setting) = &*SETTING else { return };
    match first_line(input) {
        Some(("signed", rest)) => {
            if let Some((header, claims)) = first_line(rest) {
                setting.signed(header, claims);
            }
        }
        Some(("jwks", document)) => setting.key_set(document),
        _ => setting.token(input),
    }
}

struct Setting {
    identity: Identity,
    user: Uuid,
    valid: String,
    foreign: String,
}

impl Setting {
    fn new() -> Option<Self> {
        let keys = LocalKeys::fresh()?;
        let user = Uuid::new_v4();
        let request = MintRequest { user, role: Role::OpsViewer, team: None, ttl: Duration::from_hours(24) };
        let valid = keys.mint(&request).ok()?;
        let foreign = LocalKeys::fresh()?.mint(&request).ok()?;
        Some(Self { identity: Identity::Local(keys), user, valid, foreign })
    }

    fn verify(&self, token: &str) -> Option<Arc<Caller>> {
        let now = Moment::now();
        // The hub's own key needs no waiting for.
        let shown = || self.identity.verify_by(token, || now).now_or_never();
        let (first, again) = (shown()?, shown()?);
        assert_eq!(first, again, "shown for the first time and again");
        again.ok()
    }

    fn token(&self, template: &[u8]) {
        let part = |token: &str, index: usize| token.split('.').nth(index).map(str::to_owned);
        let token = expanded(template, |letter| match letter {
            b't' => Some(self.valid.clone()),
            b'h' => part(&self.valid, 0),
            b'c' => part(&self.valid, 1),
            b's' => part(&self.valid, 2),
            b'H' => part(&self.foreign, 0),
            b'C' => part(&self.foreign, 1),
            b'S' => part(&self.foreign, 2),
            _ => None,
        });
        let Ok(token) = String::from_utf8(token) else { return };
        let caller = self.verify(&token);
        assert!(caller.is_none() || token == self.valid, "it lets {caller:?} in");
        assert!(token != self.valid || caller.is_some_and(|caller| caller.user == self.user), "the valid one");
    }

    fn signed(&self, header: &str, claims: &[u8]) {
        let now = jsonwebtoken::get_current_timestamp();
        let claims = expanded(claims, |letter| match letter {
            b'n' => Some(now.to_string()),
            b'f' => Some((now + 600).to_string()),
            b'o' => Some((now - 600).to_string()),
            b'u' => Some(self.user.to_string()),
            _ => None,
        });
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&claims));
        let Identity::Local(keys) = &self.identity else { return };
        let Some(signature) = keys.signature(message.as_bytes()) else { return };
        let Some(caller) = self.verify(&format!("{message}.{signature}")) else { return };
        assert!(in_order(&claims, &caller, now), "{caller:?} is let in by {}", String::from_utf8_lossy(&claims));
        let header: Value = serde_json::from_str(header).unwrap_or_default();
        assert!(header["alg"] == "ES256" && header["crit"].is_null(), "{caller:?} is let in by {header}");
    }

    fn key_set(&self, document: &[u8]) {
        let Ok(keys) = usable_keys(document) else { return };
        assert!(!keys.is_empty() && keys.len() <= 64, "{} keys", keys.len());
        let Identity::Local(own) = &self.identity else { return };
        for (_, key) in keys.values() {
            let caller = super::verify::verified(&self.valid, key, own.validation(), Moment::now().clock);
            assert!(caller.is_err(), "a stranger's key lets {caller:?} in");
        }
    }
}

/// Whether the claims say that this caller may come in now, read as plainly as can be.
fn in_order(claims: &[u8], caller: &Caller, now: u64) -> bool {
    let Ok(claims) = serde_json::from_slice::<Value>(claims) else { return false };
    let seconds = |name: &str| claims[name].as_f64();
    let now = now_f64(now);
    let audience = match &claims["aud"] {
        Value::Array(several) => several.iter().any(|one| one == "urn:bulkhead:hub"),
        one => one == "urn:bulkhead:hub",
    };
    let role = claims["app_metadata"]["ops_role"].as_str().and_then(|role| role.parse::<Role>().ok());
    // A second and the leeway: time goes on while this runs.
    seconds("exp").is_some_and(|end| end > now - 7.0)
        && (claims["nbf"].is_null() || seconds("nbf").is_some_and(|start| start < now + 7.0))
        && claims["iss"] == "urn:bulkhead:local"
        && audience
        && claims["sub"].as_str().and_then(|text| text.parse().ok()) == Some(caller.user)
        && role == caller.role
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn now_f64(now: u64) -> f64 {
    now as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use bulkhead_properties::replay;

    #[test]
    fn nothing_that_fuzzing_kept_breaks_it() {
        replay("jwt", verification);
    }

    proptest! {
        #![proptest_config(bulkhead_properties::tries(1000))]

        #[test]
        fn no_other_text_is_the_valid_token(token in "(\\$[thcsHCS]|\\.|[A-Za-z0-9_=-]){0,8}|\\$t|\\$h\\.\\$c\\.(\\$s|\\$S)[A-Za-z=]?") {
            verification(token.as_bytes());
        }

        #[test]
        fn claims_are_read_as_they_are_written(
            algorithm in "ES256|ES256|ES256|ES384|HS256|none|es256",
            extra in "|,\"crit\":\\[\"b64\"\\]|,\"kid\":\"\"|,\"typ\":\"JWT\"",
            exp in "\"exp\":(\\$[nfo]|\\$f\\.5|\"\\$f\"|1e300|-1|null)",
            nbf in "|,\"nbf\":(\\$[nfo]|\"x\"|null)",
            iss in "(,\"iss\":(\"urn:bulkhead:local\"|\\[\"urn:bulkhead:local\"\\]|\"other\")){0,2}",
            aud in "(,\"aud\":(\"urn:bulkhead:hub\"|\\[\"x\",\"urn:bulkhead:hub\"\\]|\"other\"|null)){0,2}",
            sub in ",\"sub\":(\"\\$u\"|\"x\"|1)",
            role in "|,\"app_metadata\":(\\{\"ops_role\":(\"ops_admin\"|\"root\"|1)\\}|\\[\"ops_admin\",(null|\"team\")\\]|\\[\\]|null)",
        ) {
            let claims = format!("{{{exp}{nbf}{iss}{aud}{sub}{role}}}");
            verification(format!("signed\n{{\"alg\":\"{algorithm}\"{extra}}}\n{claims}").as_bytes());
        }
    }
}
