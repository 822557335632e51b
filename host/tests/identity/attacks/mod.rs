//! The attack table: whatever is shown as a token and is none gives 401, with a code that says why, and a row that knows no
//! caller. The rows are in `carriage` (how a token is shown), `signed` (headers and signatures), `claims`, and `provider`
//! (against the keys of an identity provider).

mod carriage;
mod claims;
mod provider;
mod signed;

use std::collections::BTreeMap;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde_json::Value;

use super::{ECHO, HELLO, MESSAGE, call, code};
use crate::support::{
    hub::{Hub, Reply, VIEWER},
    jwt::Es256,
};

pub const MISSING: &str = "token_missing";
pub const MALFORMED: &str = "token_malformed";
pub const ALGORITHM: &str = "token_algorithm";
pub const SIGNATURE: &str = "token_signature";
pub const EXPIRED: &str = "token_expired";
pub const NOT_YET: &str = "token_not_yet_valid";
pub const ISSUER: &str = "token_issuer";
pub const AUDIENCE: &str = "token_audience";

/// A row of the table: what it is called, what is sent, and the code of its refusal.
pub struct Attack {
    name: String,
    query: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    code: &'static str,
}

/// An attack that shows this as its bearer token.
pub fn bearer(name: &str, token: impl AsRef<[u8]>, code: &'static str) -> Attack {
    headers(name, &[("authorization", &[b"Bearer ", token.as_ref()].concat())], code)
}

/// An attack with these headers.
pub fn headers(name: &str, headers: &[(&str, &[u8])], code: &'static str) -> Attack {
    let headers = headers.iter().map(|(name, value)| {
        (HeaderName::from_bytes(name.as_bytes()).expect(name), HeaderValue::from_bytes(value).expect("a value"))
    });
    Attack { name: name.to_owned(), query: String::new(), headers: headers.collect(), code }
}

/// An attack with this query.
pub fn query(name: &str, query: String) -> Attack {
    Attack { name: name.to_owned(), query, headers: vec![], code: MISSING }
}

async fn sent(hub: &Hub, attack: &Attack) -> Reply {
    let mut request = hub.client().post(format!("{}{ECHO}{}", hub.url, attack.query)).body(MESSAGE);
    for (name, value) in &attack.headers {
        request = request.header(name, value);
    }
    Hub::send(request, None).await
}

/// Every attack is a 401 for its own reason, the records of them add up, and none names a caller.
async fn are_refused(hub: &Hub, attacks: &[Attack]) {
    let before = hub.events().len();
    let replies = futures::future::join_all(attacks.iter().map(|attack| sent(hub, attack))).await;
    let answered = || attacks.iter().zip(&replies);
    let wrong: Vec<_> = answered()
        .filter(|(attack, reply)| (reply.status, code(reply).as_str()) != (401, attack.code))
        .map(|(attack, reply)| format!("{}: {} {}", attack.name, reply.status, reply.text))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (attack, reply) in answered() {
        let name = &attack.name;
        assert_eq!(reply.header("content-type"), "application/problem+json", "{name}");
        assert!(reply.header("www-authenticate").starts_with("Bearer realm="), "{name}: {reply:?}");
        for (_, value) in attack.headers.iter().filter(|(name, _)| name == AUTHORIZATION) {
            let words = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let secret = words.split(' ').next_back().filter(|word| word.len() > 8);
            assert!(secret.is_none_or(|word| !reply.text.contains(word)), "{name} repeats the token: {reply:?}");
        }
        *expected.entry(attack.code.to_owned()).or_default() += 1;
    }
    let events = &hub.events()[before..];
    let mut recorded: BTreeMap<String, u64> = BTreeMap::new();
    for event in events {
        assert_eq!((&event["caller_id"], &event["caller_role"]), (&Value::Null, &Value::Null), "{event}");
        assert_eq!((event["outcome"].as_str(), event["operation"].as_str()), (Some("denied"), Some("authenticate")));
        let code = event["error_code"].as_str().expect("a code").to_owned();
        *recorded.entry(code).or_default() += event["times"].as_u64().expect("a number");
    }
    assert_eq!(recorded, expected, "each is on record");
    let log = hub.log();
    assert!(!log.contains("eyJ"), "the log holds no token: {log}");
}

#[tokio::test]
async fn every_row_of_the_attack_table_is_a_401_and_no_row_has_a_caller() {
    let hub = Hub::start(HELLO);
    let key = Es256::of_hub(&hub);
    let attacks = [
        carriage::attacks(&hub),
        signed::algorithms(&key),
        signed::headers(&key),
        signed::signatures(&key),
        claims::attacks(&key),
    ]
    .concat_rows();
    println!("{} rows", attacks.len());
    assert!(attacks.len() >= 120, "{} rows", attacks.len());
    are_refused(&hub, &attacks).await;
    assert_eq!(call(&hub, &hub.token(VIEWER)).await.status, 200, "and a good token still works");
}

/// Tables put together.
trait Tables {
    fn concat_rows(self) -> Vec<Attack>;
}

impl<const N: usize> Tables for [Vec<Attack>; N] {
    fn concat_rows(self) -> Vec<Attack> {
        self.into_iter().flatten().collect()
    }
}
