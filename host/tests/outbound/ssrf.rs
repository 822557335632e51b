//! Runs the SSRF table through the real hub, with a real DNS server and a canary on loopback.

use std::time::Instant;

use futures::StreamExt;
use url::Url;

use super::canary::{Canary, SONG};
use super::doors::{DOORS, Door};
use super::table::{CASES, Case, End, Group, PUBLIC_URL};
use super::{fetch, fetcher, ready, refusal};
use crate::support::dns::Dns;
use crate::support::hello::HELLO;
use crate::support::hub::{ADMIN, Hub, Reply};

/// Cases under way at once: a provider takes 32 calls.
const AT_ONCE: usize = 16;

/// A hub with one provider per group, all through one door.
struct Table {
    door: &'static Door,
    hub: Hub,
    token: String,
    canary: Canary,
    dns: Dns,
}

#[tokio::test]
async fn every_case_of_the_table_ends_as_it_says_at_every_door() {
    for door in DOORS {
        let table = Table::set(door).await;
        let rows_before = table.hub.events().len();
        let started = Instant::now();
        let wrong: Vec<_> = futures::stream::iter(CASES)
            .map(|case| table.play(case))
            .buffer_unordered(AT_ONCE)
            .flat_map(futures::stream::iter)
            .collect()
            .await;
        let took = started.elapsed();
        assert!(wrong.is_empty(), "{}: {} wrong\n{}", door.component, wrong.len(), wrong.join("\n"));
        eprintln!("{}: {} cases, {} calls in {took:?}", door.component, CASES.len(), calls());
        table.nothing_else_happened(table.hub.events().len() - rows_before);
    }
}

#[test]
fn the_table_is_large_and_its_cases_can_be_told_apart() {
    assert!(CASES.len() >= 140, "{}", CASES.len());
    let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CASES.len());
    for door in DOORS {
        let unknown = door.differs.iter().find(|(name, _)| names.binary_search(name).is_err());
        assert!(unknown.is_none(), "{}: no case is called {unknown:?}", door.component);
    }
}

/// How many calls the table makes: a redirect is one more.
fn calls() -> usize {
    CASES.iter().map(|case| case.ends.len() + usize::from(case.via.is_some())).sum()
}

/// How many of them arrive somewhere.
fn arrivals(door: &Door) -> usize {
    let reaches = |case: &Case| case.ends.iter().filter(|end| door.end_of(case.name, **end) == End::Reaches).count();
    CASES.iter().map(|case| reaches(case) + usize::from(case.via.is_some())).sum()
}

impl Table {
    async fn set(door: &'static Door) -> Self {
        let dns = Dns::start(CASES.iter().flat_map(|case| case.dns.iter().copied()));
        let canary = Canary::start();
        let hub = Hub::start_with(HELLO, &["--public-url", PUBLIC_URL]);
        let token = hub.token(ADMIN);
        let table = Self { door, hub, token, canary, dns };
        // Only now is the hub's own port known.
        let providers = Group::ALL.map(|group| {
            let hosts: Vec<_> = group.allowed_hosts().iter().map(|host| table.filled(host, "")).collect();
            fetcher(group.provider(), door.component, &hosts, 20_000)
        });
        table.hub.configure(&format!("{}{}", providers.concat(), table.dns.config()));
        for group in Group::ALL {
            ready(&table.hub, &table.token, group.provider()).await;
        }
        table
    }

    fn filled(&self, text: &str, case: &str) -> String {
        let hub = Url::parse(&self.hub.url).expect("a URL").port().expect("a port").to_string();
        let port = self.canary.port.to_string();
        text.replace("{port}", &port).replace("{hub}", &hub).replace("{here}", &format!("/{case}"))
    }

    /// Makes the calls of a case, one after the other, and tells what went wrong.
    async fn play(&self, case: &Case) -> Vec<String> {
        let mut url = self.filled(case.url, case.name);
        if let Some(status) = case.via {
            match self.redirected(case, status, &url).await {
                Ok(location) => url = location,
                Err(wrong) => return vec![wrong],
            }
        }
        let mut wrong = Vec::new();
        for (number, end) in case.ends.iter().enumerate() {
            let expected = if number == 0 { self.door.end_of(case.name, *end) } else { *end };
            let reply = fetch(&self.hub, &self.token, case.group.provider(), &url).await;
            if !self.ended(&reply, expected) {
                let name = case.name;
                wrong.push(format!("{name}, call {}: {url:?}: not {expected:?} but {}", number + 1, reply.text));
            }
        }
        wrong.extend(self.traces(case));
        wrong
    }

    /// Has the canary redirect to `location`. The gate must hand that back. Gives where it leads, as whoever follows it by
    /// hand would see it.
    async fn redirected(&self, case: &Case, status: u16, location: &str) -> Result<String, String> {
        self.canary.point(case.name, location);
        let url = format!("http://{}/redirect/{status}/{}", self.canary.address(), case.name);
        let reply = fetch(&self.hub, &self.token, case.group.provider(), &url).await;
        let answer = reply.json();
        if (reply.status, &answer["status"], &answer["location"]) != (200, &status.into(), &location.into()) {
            return Err(format!("{}: the redirect was not handed back: {}", case.name, reply.text));
        }
        let base = Url::parse(&url).expect("a URL");
        Ok(base.join(location).map_or_else(|_| location.to_owned(), |url| url.to_string()))
    }

    fn ended(&self, reply: &Reply, expected: End) -> bool {
        let (name, why) = match expected {
            End::Reaches => return reply.status == 200 && reply.json()["body"] == SONG,
            End::InvalidRequest => ("invalid-request", ""),
            End::DeniedHost(why) => ("denied-host", why),
            End::DeniedAddress(why) => ("denied-address", why),
            End::Dns => ("dns", ""),
        };
        let said = refusal(reply);
        let (told_name, told_why) = said.split_once(':').unwrap_or((&said, ""));
        reply.status == 502 && told_name == name && (!self.door.tells_why || told_why.contains(why))
    }

    /// What the canary and the DNS server saw of a case: as many requests as went through, each after one lookup.
    fn traces(&self, case: &Case) -> Option<String> {
        let ends: Vec<_> = case.ends.iter().map(|end| self.door.end_of(case.name, *end)).collect();
        let expected = ends.iter().filter(|end| **end == End::Reaches).count();
        let here = format!("/{}", case.name);
        let arrived: Vec<_> = self.canary.seen().into_iter().filter(|seen| seen.path.ends_with(&here)).collect();
        let directly = arrived.iter().filter(|seen| !seen.path.starts_with("/redirect/")).count();
        if directly != expected {
            return Some(format!("{}: {expected} requests should have arrived: {arrived:?}", case.name));
        }
        let looked_up = ends.iter().all(|end| matches!(end, End::Reaches | End::DeniedAddress(_)));
        if let ([(name, words)], true) = (case.dns, looked_up)
            && !words.contains("a=")
            && self.dns.times_asked(name) != ends.len()
        {
            let asked = self.dns.times_asked(name);
            return Some(format!("{}: {asked} lookups of {name} for {} calls", case.name, ends.len()));
        }
        None
    }

    fn nothing_else_happened(&self, rows: usize) {
        let seen = self.canary.seen();
        assert_eq!((seen.len(), self.canary.connections()), (arrivals(self.door), arrivals(self.door)), "{seen:?}");
        assert_eq!(rows, calls(), "one row a call");
        // Nobody was asked for anything that no case is about: no search domain, no name of a refused URL.
        let told: Vec<_> = CASES.iter().flat_map(|case| case.dns).collect();
        let alias = |name: &str| told.iter().any(|(_, words)| words.split(' ').any(|w| w == format!("cname={name}")));
        let known = |name: &str| told.iter().any(|(of_table, _)| *of_table == name) || alias(name);
        let asked = self.dns.asked();
        let strange = asked.iter().find(|one| !known(&one.name) && one.name != "missing.example.test");
        assert_eq!(strange, None);
        let long = |over_tcp| asked.iter().any(|one| one.name == "many.named.test" && one.over_tcp == over_tcp);
        assert!(long(false) && long(true), "what UDP does not hold is asked for over TCP");
    }
}
