//! Upstreams that mean harm, through the real hub: each exchange ends by its deadline or its cap, with an error that says
//! which and a row that says so too, and the next call works.

mod http1;
mod http2;
mod server;

use std::time::Duration;

use super::doors::{DOORS, Door};
use super::{fetch, fetcher, refusal};
use crate::support::hub::{ADMIN, Hub, Reply};

/// The tool's timeout. Requests end a tenth of it sooner.
const TIMEOUT: Duration = Duration::from_millis(2000);
/// How much later a busy machine may notice it.
const SLACK: Duration = Duration::from_millis(1000);

/// At the deadline.
const LATE: Ends = Ends::With("timeout", "");
/// At the cap on a response, 10 MiB.
const AT_CAP: Ends = Ends::With("too-large", "10485760");
/// At the cap on its headers, 64 KiB.
const AT_HEADER_CAP: Ends = Ends::With("too-large", "65536");
/// At the HTTP client's own bounds on headers, which come before that.
const TOO_MANY_HEADERS: Ends = Ends::With("connection", "more than the hub takes");
/// As soon as it is not HTTP.
const NOT_HTTP: Ends = Ends::With("connection", "broke the connection or did not answer in HTTP");
/// As soon as the body is not what was promised.
const BROKEN_OFF: Ends = Ends::With("connection", "broke off in the middle of its answer");
/// At the end of the window, at the cap where the hub reads as fast as it is sent, or, on a busy machine, at neither in time.
const OUTRUN: Ends = Ends::OneOf(&[BROKEN_OFF, AT_CAP, LATE]);

/// How an exchange ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ends {
    /// With this refusal and something that is said of it.
    With(&'static str, &'static str),
    /// With this body.
    As(String),
    /// In one of these ways: which one is a race.
    OneOf(&'static [Ends]),
}

impl Ends {
    fn fits(&self, door: &Door, reply: &Reply) -> bool {
        match self {
            Self::As(body) => reply.status == 200 && reply.json()["body"] == *body,
            Self::OneOf(ends) => ends.iter().any(|end| end.fits(door, reply)),
            // On a busy machine the provider may not get to say it before the call's own deadline, a fifth of a second later.
            _ if *self == LATE && reply.status == 504 => reply.json()["code"] == "timeout",
            Self::With(name, words) => {
                let said = refusal(reply);
                let (told_name, told_words) = said.split_once(": ").unwrap_or((&said, ""));
                reply.status == 502 && told_name == *name && (!door.tells_why || told_words.contains(words))
            }
        }
    }
}

/// A URL, what its upstream does, and how that ends.
pub(super) struct Attack {
    pub name: &'static str,
    pub url: String,
    pub ends: Ends,
}

/// Makes one call for each attack, all at once, and another to `fine` after each.
async fn withstand(hub: &Hub, door: &Door, provider: &str, attacks: &[Attack], fine: &str) {
    let token = hub.token(ADMIN);
    let rows_before = hub.events().len();
    let each = attacks.iter().map(|attack| async {
        let reply = fetch(hub, &token, provider, &attack.url).await;
        let next = fetch(hub, &token, provider, fine).await;
        let ended = attack.ends.fits(door, &reply);
        let wrong = (!ended).then(|| format!("{}: not {:?} but {:.400}", attack.name, attack.ends, reply.text));
        let stuck = (next.status != 200).then(|| format!("{}: the next call: {}", attack.name, next.text));
        [wrong, stuck]
    });
    let wrong: Vec<_> = futures::future::join_all(each).await.into_iter().flatten().flatten().collect();
    assert!(wrong.is_empty(), "{}: {} wrong\n{}", door.component, wrong.len(), wrong.join("\n"));

    let rows = hub.events().split_off(rows_before);
    assert_eq!(rows.len(), 2 * attacks.len(), "one row a call");
    let mut slowest = Duration::ZERO;
    for attack in attacks {
        let of_attack =
            |row: &&serde_json::Value| row["payload"].as_str().is_some_and(|text| text.contains(&attack.url));
        let row = rows.iter().find(of_attack).unwrap_or_else(|| panic!("{} has no row", attack.name));
        let outcomes: &[_] = match attack.ends {
            Ends::As(_) => &["ok"],
            LATE | Ends::OneOf(_) => &["failed", "timeout"],
            Ends::With(..) => &["failed"],
        };
        assert!(outcomes.contains(&row["outcome"].as_str().expect("an outcome")), "{}: {row}", attack.name);
        assert!(attack.url.contains(row["hostname"].as_str().expect("a host")), "{}: {row}", attack.name);
        slowest = slowest.max(Duration::from_millis(row["duration_ms"].as_u64().expect("a number")));
    }
    eprintln!("{}: {} attacks, the longest call took {slowest:?}", door.component, attacks.len());
    assert!(slowest < TIMEOUT + SLACK, "{slowest:?}");
}

/// A hub with one provider that may reach `hosts` and more, such as certificate authorities, in its config.
fn hub(door: &Door, hosts: &[String], more: &str) -> Hub {
    let timeout_ms = u32::try_from(TIMEOUT.as_millis()).expect("short");
    Hub::start(&format!("{}{more}", fetcher("victim", door.component, hosts, timeout_ms)))
}
