//! `vulns.query`: its three forms, its order and its pages.

use crate::setup::{QUERY, advisory, ids, ok, provider, sent};
use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;

fn rated(id: &str, severity: &str) -> Value {
    json!({"id": id, "database_specific": {"severity": severity}})
}

#[test]
fn each_form_is_asked_in_osvs_way() {
    let commit = "6879efc2c1596d11a6a6ad296f80063b558d5e0f";
    let run = provider(Method::Post, QUERY, [ok(&json!({}))]);
    for input in [
        json!({"purl": "pkg:npm/lodash@4.17.20", "package": "", "version": null}),
        json!({"package": "lodash", "ecosystem": "npm", "version": "4.17.20"}),
        json!({"commit": commit.to_uppercase()}),
    ] {
        assert_eq!(run.call("vulns.query", input).expect("an answer"), json!({"vulns": []}));
    }
    assert_eq!(
        sent(&run),
        [
            json!({"package": {"purl": "pkg:npm/lodash@4.17.20"}}),
            json!({"package": {"name": "lodash", "ecosystem": "npm"}, "version": "4.17.20"}),
            json!({"commit": commit}),
        ]
    );
    assert_eq!(run.gate_seen().requests()[0].url, QUERY);
}

#[test]
fn every_other_form_says_what_to_give() {
    let run = provider(Method::Post, QUERY, []);
    for (input, part) in [
        (json!({}), "there is nothing to ask for"),
        (json!({"purl": "pkg:npm/a@1", "commit": "0"}), "do not go together"),
        (json!({"ecosystem": "npm", "version": "1"}), "do not go together"),
        (json!({"purl": "pkg:npm/%40x/a?y=1", "version": "1"}), "such as pkg:npm/%40x/a@1"),
        (json!({"purl": "pkg:npm/@x/a@2", "version": "1"}), "such as pkg:npm/@x/a@1"),
        (json!({"purl": "npm/a@1"}), "begins with `pkg:`"),
        (json!({"package": "a"}), "`ecosystem` and `version` are missing"),
        (json!({"package": "a", "version": "1"}), "`ecosystem` is missing"),
        (json!({"package": "a", "ecosystem": "npm"}), "`version` is missing; to ask for every version"),
        (json!({"commit": "6879efc"}), "full hash of 40"),
        (json!({"purl": "pkg:npm/a@1", "cursor": "nonsense"}), "`next_cursor`"),
        (json!({"purl": "pkg:npm/a@1", "cursor": "worst|A|"}), "`next_cursor`"),
    ] {
        let error = run.call("vulns.query", input.clone()).expect_err("an error");
        assert_eq!(error.code, ErrorCode::InvalidInput, "{input}");
        assert!(error.message.contains(part), "{input}: {}", error.message);
    }
    assert!(run.gate_seen().requests().is_empty());
}

#[test]
fn the_package_that_was_asked_for_is_what_is_returned() {
    let answer = ok(&json!({"vulns": [advisory("lodash")]}));
    let run = provider(Method::Post, QUERY, [answer]);
    for (input, package) in [
        (json!({"purl": "pkg:npm/lodash@4.17.20?x=y#z"}), "lodash"),
        (json!({"purl": "pkg:gem/lodash-rails"}), "lodash-rails"),
        (json!({"package": "lodash-es", "ecosystem": "npm", "version": "4.0.0"}), "lodash-es"),
    ] {
        let output = run.call("vulns.query", input).expect("an answer");
        let advisory = &output["vulns"][0];
        assert_eq!(advisory["affected"].as_array().map(Vec::len), Some(1));
        assert_eq!(advisory["affected"][0]["package"], package);
        assert_eq!(advisory["references"].as_array().map(Vec::len), Some(3));
        assert!(advisory.get("details").is_none() && advisory.get("cvss").is_none());
    }
    let output = run.call("vulns.query", json!({"commit": "6879efc2c1596d11a6a6ad296f80063b558d5e0f"}));
    assert_eq!(output.expect("an answer")["vulns"][0]["affected"].as_array().map(Vec::len), Some(4));
}

#[test]
fn an_ecosystem_without_release_means_all_its_releases() {
    let of = |ecosystem: &str| json!({"package": {"name": "openssl", "ecosystem": ecosystem}, "ranges": []});
    let answer =
        json!({"vulns": [{"id": "CVE-2024-1", "affected": [of("Debian:11"), of("Debian:12"), of("Alpine:v3.19")]}]});
    let run = provider(Method::Post, QUERY, [ok(&answer)]);
    let releases = |ecosystem: &str| {
        let input = json!({"package": "openssl", "ecosystem": ecosystem, "version": "3.0"});
        run.call("vulns.query", input).expect("an answer")["vulns"][0]["affected"].as_array().map(Vec::len)
    };
    assert_eq!(releases("Debian"), Some(2));
    assert_eq!(releases("Debian:12"), Some(1));
}

#[test]
fn the_worst_come_first_and_the_cursor_goes_on_within_a_page() {
    let page =
        [rated("C", "LOW"), rated("B", "CRITICAL"), rated("E", "?"), rated("A", "CRITICAL"), rated("D", "MODERATE")];
    let run = provider(Method::Post, QUERY, [ok(&json!({"vulns": page}))]);
    let first = run.call("vulns.query", json!({"purl": "pkg:npm/a@1", "limit": 2})).expect("an answer");
    assert_eq!(ids(&first), ["A", "B"]);
    assert_eq!(first["next_cursor"], "critical|B|");
    let second = json!({"purl": "pkg:npm/a@1", "limit": 2, "cursor": first["next_cursor"]});
    let second = run.call("vulns.query", second).expect("an answer");
    assert_eq!(ids(&second), ["D", "C"]);
    let third = json!({"purl": "pkg:npm/a@1", "limit": 2, "cursor": second["next_cursor"]});
    let third = run.call("vulns.query", third).expect("an answer");
    assert_eq!(ids(&third), ["E"]);
    assert!(third.get("next_cursor").is_none());
    assert!(sent(&run).iter().all(|body| body.get("page_token").is_none()));
}

#[test]
fn pages_are_followed_until_there_is_enough() {
    let run = provider(
        Method::Post,
        QUERY,
        [
            ok(&json!({"vulns": [rated("A", "HIGH")], "next_page_token": "two"})),
            ok(&json!({"next_page_token": "three"})), // a page may be empty although more follows
            ok(&json!({"vulns": [rated("C", "LOW"), rated("B", "HIGH")], "next_page_token": "four"})),
        ],
    );
    let output = run.call("vulns.query", json!({"purl": "pkg:npm/a", "limit": 2})).expect("an answer");
    assert_eq!(ids(&output), ["A", "B"]);
    assert_eq!(output["next_cursor"], "high|B|three");
    let tokens: Vec<Value> = sent(&run).iter().map(|body| body["page_token"].clone()).collect();
    assert_eq!(tokens, [Value::Null, json!("two"), json!("three")]);

    let rest = provider(Method::Post, QUERY, [ok(&json!({"vulns": [rated("C", "LOW"), rated("B", "HIGH")]}))]);
    let output = rest.call("vulns.query", json!({"purl": "pkg:npm/a", "cursor": "high|B|three"})).expect("an answer");
    assert_eq!(ids(&output), ["C"]);
    assert_eq!(sent(&rest), [json!({"package": {"purl": "pkg:npm/a"}, "page_token": "three"})]);
}

#[test]
fn a_page_that_comes_again_is_an_error() {
    let run = provider(Method::Post, QUERY, [ok(&json!({"vulns": [rated("A", "HIGH")], "next_page_token": "same"}))]);
    let error = run.call("vulns.query", json!({"purl": "pkg:npm/a"})).expect_err("an error");
    assert_eq!(error.code, ErrorCode::UpstreamFailed);
}
