//! `vulns.batch`: many queries, answered in order by ids.

use crate::setup::{BATCH, ok, provider, sent};
use bulkhead_sdk::prelude::*;
use bulkhead_sdk::testing::Reply;

#[test]
fn results_stand_in_the_order_of_the_queries() {
    let answer = json!({"results": [
        {"vulns": [{"id": "GHSA-462w-v97r-4m45", "modified": "2024-09-24T21:02:27.351553Z"}], "next_page_token": "more"},
        {},
        {"vulns": [{"id": "OSV-2020-484"}]},
    ]});
    let run = provider(Method::Post, BATCH, [ok(&answer)]);
    let commit = "6879efc2c1596d11a6a6ad296f80063b558d5e0f";
    let output = run.call(
        "vulns.batch",
        json!({"queries": [
            {"package": "jinja2", "ecosystem": "PyPI", "version": "2.4.1"},
            {"purl": "pkg:npm/lodash@4.17.21"},
            {"commit": commit, "cursor": "||here"},
        ]}),
    );
    assert_eq!(
        output.expect("an answer"),
        json!({"results": [
            {
                "query": "PyPI jinja2 2.4.1",
                "vulns": [{"id": "GHSA-462w-v97r-4m45", "modified": "2024-09-24T21:02:27.351553Z"}],
                "next_cursor": "||more",
            },
            {"query": "pkg:npm/lodash@4.17.21", "vulns": []},
            {"query": commit, "vulns": [{"id": "OSV-2020-484"}]},
        ]})
    );
    assert_eq!(
        sent(&run),
        [json!({"queries": [
            {"package": {"name": "jinja2", "ecosystem": "PyPI"}, "version": "2.4.1"},
            {"package": {"purl": "pkg:npm/lodash@4.17.21"}},
            {"commit": commit, "page_token": "here"},
        ]})]
    );
}

#[test]
fn a_wrong_query_is_named_before_anything_is_sent() {
    let run = provider(Method::Post, BATCH, []);
    for (queries, part) in [
        (json!([{"purl": "pkg:npm/a@1"}, {"package": "b"}]), "`queries[1]`: `package` \"b\" alone is not enough"),
        (json!([{"purl": "pkg:npm/a@1", "cursor": "x"}]), "`queries[0]`: `cursor`"),
        (json!([]), "has 0 entries"),
        (json!(vec![json!({"purl": "pkg:npm/a@1"}); 101]), "has 101 entries"),
    ] {
        let error = run.call_unchecked("vulns.batch", json!({"queries": queries})).expect_err("an error");
        assert_eq!(error.code, ErrorCode::InvalidInput);
        assert!(error.message.contains(part), "{}", error.message);
    }
    assert!(run.gate_seen().requests().is_empty());
}

#[test]
fn a_result_too_few_is_not_guessed_at() {
    let run = provider(Method::Post, BATCH, [ok(&json!({"results": [{}]}))]);
    let queries = json!({"queries": [{"purl": "pkg:npm/a@1"}, {"purl": "pkg:npm/b@1"}]});
    let error = run.call("vulns.batch", queries).expect_err("an error");
    assert_eq!(error.code, ErrorCode::UpstreamFailed);
    assert!(error.message.contains("1 results for 2 queries"), "{}", error.message);
}

#[test]
fn a_refused_batch_says_why() {
    let refusal = Reply::json(400, &json!({"code": 3, "message": "Invalid ecosystem."}));
    let run = provider(Method::Post, BATCH, [refusal]);
    let queries = json!({"queries": [{"package": "a", "ecosystem": "nmp", "version": "1"}]});
    let error = run.call("vulns.batch", queries).expect_err("an error");
    assert_eq!(error.code, ErrorCode::InvalidInput);
    assert!(error.message.contains("Invalid ecosystem. Check the purl"), "{}", error.message);
}
