//! `vuln.get`, and how advisories of different databases read.

use crate::setup::{VULNS, advisory, ok, provider};
use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;
use bulkhead_sdk::testing::Reply;

fn got(answer: &Value) -> Value {
    let id = answer["id"].as_str().expect("id").to_owned();
    provider(Method::Get, VULNS, [ok(answer)]).call("vuln.get", json!({"id": id})).expect("an advisory")
}

#[test]
fn an_advisory_of_github_comes_condensed() {
    let run = provider(Method::Get, VULNS, [ok(&advisory("lodash"))]);
    let output = run.call("vuln.get", json!({"id": " GHSA-35jh-r3h4-6jhm "})).expect("an advisory");

    assert_eq!(run.gate_seen().requests()[0].url, "https://api.osv.dev/v1/vulns/GHSA-35jh-r3h4-6jhm");
    assert_eq!(
        output,
        json!({
            "id": "GHSA-35jh-r3h4-6jhm",
            "aliases": ["CVE-2021-23337"],
            "summary": "Command Injection in lodash",
            "severity": "high",
            "cvss": "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
            "published": "2021-05-06T16:05:51Z",
            "modified": "2025-08-12T21:51:25.163224Z",
            "affected": [
                {"package": "lodash", "ecosystem": "npm", "vulnerable": ["<4.17.21"], "fixed": ["4.17.21"]},
                {"package": "lodash-es", "ecosystem": "npm", "vulnerable": ["<4.17.21"], "fixed": ["4.17.21"]},
                {"package": "lodash.template", "ecosystem": "npm", "vulnerable": ["<=4.5.0"]},
                {"package": "lodash-rails", "ecosystem": "RubyGems", "vulnerable": ["<4.17.21"], "fixed": ["4.17.21"]},
            ],
            "references": [
                {"kind": "fix", "url": "https://github.com/lodash/lodash/pull/5085"},
                {"kind": "advisory", "url": "https://nvd.nist.gov/vuln/detail/CVE-2021-23337"},
                {"kind": "web", "url": "https://github.com/lodash/lodash/commit/3469357cff396a26c363f8c1b5a91dde28ba4b1c"},
                {"kind": "web", "url": "https://security.netapp.com/advisory/ntap-20210312-0006"},
                {"kind": "web", "url": "https://www.oracle.com/security-alerts/cpujan2022.html"},
            ],
            "details": "`lodash` versions prior to 4.17.21 are vulnerable to Command Injection via the template function.",
        })
    );
}

#[test]
fn rustsec_is_rated_by_its_vector() {
    let output = got(&advisory("hyper"));
    assert_eq!(output["severity"], "medium");
    assert_eq!(output["affected"][0]["vulnerable"], json!(["<0.14.10"]));
    assert_eq!(output["affected"][0]["fixed"], json!(["0.14.10"]));
}

#[test]
fn oss_fuzz_has_commits_versions_and_a_summary_from_its_details() {
    let output = got(&advisory("poppler"));
    assert_eq!(output["severity"], "high");
    assert_eq!(output["summary"], "Heap-use-after-free in `int std::__1::__cxx_atomic_fetch_sub<int>`");
    assert_eq!(
        output["affected"],
        json!([{
            "package": "poppler",
            "ecosystem": "OSS-Fuzz",
            "vulnerable": ["poppler-0.86.0", "poppler-0.87.0"],
            "repo": "https://anongit.freedesktop.org/git/poppler/poppler.git",
            "fixed_commits": ["155f73bdd261622323491df4aebb840cde8bfee1"],
        }])
    );
}

#[test]
fn several_ranges_of_a_package_become_one_entry() {
    let range = |events: Value| json!({"package": {"name": "log4j", "ecosystem": "Maven"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]});
    let output = got(&json!({"id": "GHSA-jfh8-c2jp-5v3q", "affected": [
        range(json!([{"introduced": "2.13.0"}, {"fixed": "2.15.0"}])),
        range(json!([{"introduced": "2.0-beta9"}, {"fixed": "2.3.1"}, {"introduced": "2.4"}, {"fixed": "2.12.2"}])),
        range(json!([{"last_affected": "1.9"}, {"introduced": "1.2"}])),
        range(json!([{"introduced": "0"}])),
        range(json!([{"introduced": "3.0"}, {"limit": "*"}])),
    ]}));
    assert_eq!(
        output["affected"],
        json!([{
            "package": "log4j",
            "ecosystem": "Maven",
            "vulnerable": [">=2.13.0 <2.15.0", ">=2.0-beta9 <2.3.1", ">=2.4 <2.12.2", ">=1.2 <=1.9", "all versions", ">=3.0"],
            "fixed": ["2.15.0", "2.3.1", "2.12.2"],
        }])
    );
}

#[test]
fn severity_is_read_wherever_it_is() {
    let rated = |more: Value| {
        let mut answer = json!({"id": "X-1"});
        answer.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        got(&answer)["severity"].clone()
    };
    assert_eq!(rated(json!({"database_specific": {"severity": "MODERATE"}, "severity": [{"score": "9.8"}]})), "medium");
    assert_eq!(rated(json!({"severity": [{"type": "Ubuntu", "score": "low"}]})), "low");
    assert_eq!(rated(json!({"severity": [{"type": 3, "score": "9.8"}]})), "critical");
    let old_and_new = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}, {"type": "CVSS_V2", "score": "AV:N/AC:M/Au:N/C:N/I:P/A:N"}]);
    assert_eq!(rated(json!({"severity": old_and_new})), "critical");
    assert_eq!(
        rated(json!({"affected": [{"severity": [{"score": "low"}]}, {"database_specific": {"severity": "High"}}]})),
        "high"
    );
    assert_eq!(rated(json!({"id": "MAL-2024-1"})), "critical");
    assert_eq!(
        rated(json!({"severity": [{"score": "negligible?"}], "database_specific": {"severity": {"level": 1}}})),
        Value::Null
    );
}

#[test]
fn what_is_long_is_cut() {
    let packages = (0..60).map(|n| json!({"package": {"name": format!("p{n}"), "ecosystem": "npm"}, "versions": (0..25).map(|v| format!("1.{v}")).collect::<Vec<_>>()}));
    let references = (0..30).map(|n| json!({"type": "WEB", "url": format!("https://example.com/{n}")}));
    let output = got(&json!({
        "id": "X-1",
        "details": "é".repeat(5000),
        "affected": packages.collect::<Vec<_>>(),
        "references": references.collect::<Vec<_>>(),
    }));
    assert_eq!(output["affected"].as_array().map(Vec::len), Some(50));
    assert_eq!(output["more_affected"], 10);
    assert_eq!(output["affected"][0]["vulnerable"][20], "and 5 more");
    assert_eq!(output["references"].as_array().map(Vec::len), Some(10));
    assert_eq!(output["details"].as_str().map(|text| text.chars().count()), Some(4001));
    assert_eq!(output["summary"].as_str().map(|text| text.chars().count()), Some(201));
}

#[test]
fn an_unknown_id_is_not_found_and_says_what_osv_says() {
    let said = "Bug not found, but the following aliases were: GHSA-35jh-r3h4-6jhm";
    let run = provider(Method::Get, VULNS, [Reply::json(404, &json!({"code": 5, "message": said}))]);
    let error = run.call("vuln.get", json!({"id": "CVE-2021-23337"})).expect_err("an error");
    assert_eq!(error.code, ErrorCode::NotFound);
    assert!(
        error.message.contains("`CVE-2021-23337`") && error.message.contains("GHSA-35jh-r3h4-6jhm"),
        "{}",
        error.message
    );
}

#[test]
fn an_id_stays_one_part_of_the_address() {
    let run = provider(Method::Get, VULNS, [ok(&json!({"id": "X"}))]);
    run.call("vuln.get", json!({"id": "a/../b?c"})).expect("an advisory");
    assert_eq!(run.gate_seen().requests()[0].url, "https://api.osv.dev/v1/vulns/a%2F..%2Fb%3Fc");
    assert_eq!(run.call("vuln.get", json!({"id": " "})).expect_err("an error").code, ErrorCode::InvalidInput);
}
