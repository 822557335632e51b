//! What a call that only reads may send.

use crate::tests::upstream::get;
use crate::{Acting, Allowlist, Gate, GateOptions, Method, OutboundError, OutboundRequest};

const ASK: &str = "https://api.example.com/v1/ask";

fn gate() -> Gate {
    let allowlist = Allowlist::from_entries(["api.example.com"]).unwrap();
    Gate::new(allowlist, GateOptions { queries: vec![ASK.parse().unwrap()], ..GateOptions::default() }).unwrap()
}

fn request(method: Method, url: &str) -> OutboundRequest {
    OutboundRequest { method, ..get(url) }
}

/// What is said against it; nothing if it may be sent.
fn refusal(gate: &Gate, request: OutboundRequest) -> Option<String> {
    match gate.permit(request, Acting::Reading) {
        Ok(_) => None,
        Err(OutboundError::DeniedMethod(why)) => Some(why),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_call_that_reads_sends_get_head_and_queries_and_every_other_call_what_it_likes() {
    let gate = gate();
    for method in [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete] {
        let reads = matches!(method, Method::Get | Method::Head);
        let elsewhere = request(method, "https://api.example.com/v1/issues/7");
        let refused = refusal(&gate, elsewhere.clone());
        assert_eq!(refused.is_none(), reads, "{method:?}");
        assert!(refused.is_none_or(|why| why.contains("`queries`") && why.contains("`class: ")), "{method:?}");
        assert!(gate.permit(elsewhere, Acting::Anything).is_ok(), "{method:?}");
        let asking = refusal(&gate, request(method, &format!("{ASK}?page=2")));
        assert_eq!(asking.is_none(), reads || method == Method::Post, "{method:?}");
    }
    let told = refusal(&gate, request(Method::Post, "https://api.example.com/v1/other?key=confidential")).unwrap();
    assert!(told.contains("add 'https://api.example.com/v1/other' there") && !told.contains("confidential"), "{told}");
}

#[test]
fn a_query_is_one_path_whatever_it_is_written_like() {
    let gate = gate();
    for same in ["HTTPS://api.EXAMPLE.com:443/v1/ask", "https://api.example.com/v1/x/../ask", &format!("{ASK}#part")] {
        assert_eq!(refusal(&gate, request(Method::Post, same)), None, "{same}");
    }
    for other in
        ["/v1/ask/", "/v1/ask/../issues", "/v1/Ask", "/v1/%61sk", "/v1//ask", "/v1/ask%2F..%2Fissues", "/v1/ask;a"]
    {
        let other = format!("https://api.example.com{other}");
        assert!(refusal(&gate, request(Method::Post, &other)).is_some(), "{other}");
    }
}

#[test]
fn no_header_asks_for_another_method_or_url_whoever_sends_it() {
    for name in [
        "x-http-method-override",
        "X-HTTP-Method-Override",
        "X_HTTP_Method_Override",
        "x-http_method-override",
        "x-http-method",
        "x-method-override",
        "X-Method",
        "http-method-override",
        "_method",
        "x-forwarded-method",
        "x-original-url",
        "X-Rewrite-Url",
        "x.http.method.override",
        "x-tunneled-method",
        "X-HTTP-Verb-Override",
        "$httpMethod",
        "X-Forwarded-Host",
        "x_forwarded_host",
        "forwarded",
        "x-original-host",
        "x-host",
        "x-forwarded-uri",
        "x-forwarded-path",
        "X-Envoy-Original-Path",
    ] {
        for acting in [Acting::Reading, Acting::Anything] {
            let header = (name.to_owned(), "DELETE".to_owned());
            let error = gate().permit(OutboundRequest { headers: vec![header], ..get(ASK) }, acting).unwrap_err();
            assert!(matches!(&error, OutboundError::InvalidRequest(why) if why.contains("another method")), "{error}");
        }
    }
    for fine in ["access-control-request-method", "x-forwarded-for", "x-forwarded-proto"] {
        let fine = vec![(fine.to_owned(), "GET".to_owned())];
        assert!(gate().permit(OutboundRequest { headers: fine, ..get(ASK) }, Acting::Reading).is_ok());
    }
}

#[test]
fn no_header_of_a_call_that_reads_names_an_action() {
    for name in ["X-Amz-Target", "SOAPAction"] {
        let headers = vec![(name.to_owned(), "DeleteTable".to_owned())];
        let request = OutboundRequest { headers, ..request(Method::Post, ASK) };
        assert!(refusal(&gate(), request.clone()).is_some_and(|why| why.contains("names an action")), "{name}");
        assert!(gate().permit(request, Acting::Anything).is_ok(), "{name}");
    }
}

#[test]
fn no_json_of_a_call_that_reads_asks_for_another_method() {
    let gate = gate();
    let refused = |kind: Option<&str>, body: &[u8]| {
        let headers = kind.iter().map(|kind| ("content-type".to_owned(), (*kind).to_owned())).collect();
        refusal(&gate, OutboundRequest { headers, body: Some(body.into()), ..request(Method::Post, ASK) }).is_some()
    };
    for kind in [None, Some("application/json"), Some("application/vnd.api+JSON; charset=utf-8"), Some("text/plain")] {
        for body in [
            r#"{"_method":"DELETE"}"#,
            r#"  {"q":{"a":[1]},"\u005fmethod":"DELETE"}"#,
            r#"{"_METHOD\u0000x":"DELETE"}"#,
            r#"{"X-HTTP-Method-Override":"DELETE"}"#,
            r#"{"method_override":"DELETE"}"#,
            r#"{"$httpMethod":"DELETE"}"#,
            r#"[{"a":1},{"_method":"DELETE"}]"#,
            "{\"a\":1}\n{\"_method\":\"DELETE\"}",
            "\u{feff}{\"_method\":\"DELETE\"}",
        ] {
            assert!(refused(kind, body.as_bytes()), "{kind:?} {body}");
        }
        for body in [
            r#"{"jsonrpc":"2.0","method":"search","params":{"_method":"a"}}"#,
            r#"{"query":"{ a(_method: 1) }","variables":{"httpMethod":"GET"}}"#,
            r#"["a","_method"]"#,
            "what?",
        ] {
            assert!(!refused(kind, body.as_bytes()), "{kind:?} {body}");
        }
    }
    let wide: Vec<u8> = r#"{"_method":"DELETE"}"#.bytes().flat_map(|byte| [byte, 0]).collect();
    for body in ["{'_method':'DELETE'}".as_bytes(), b"{,\"_Method\":1}", &wide] {
        assert!(refused(Some("application/json"), body), "{body:?}");
    }
    assert!(!refused(Some("application/graphql"), b"{ issues(override: true) { id } }"));
}

#[test]
fn no_query_and_no_form_of_a_call_that_reads_asks_for_another_method() {
    let gate = gate();
    for parameter in [
        "_method=DELETE",
        "a=b&_METHOD=delete",
        "%5Fmethod=PUT",
        "a;_method=PUT",
        ".method=PUT",
        "+_method=PUT",
        "_method[]=PUT",
        "_method%00x=PUT",
        "%00_method=PUT",
        "[method=PUT",
        "_method%5B%5D=PUT",
        "%24httpMethod=PUT",
        "http_method=PUT",
        "method_override=PUT",
        "x-method=PUT",
        "X_HTTP_Verb_Override=PUT",
        "x-http-method-override=PUT",
        "X-HTTP-Method-Override=PUT",
        "_method",
    ] {
        for method in [Method::Get, Method::Post] {
            let url = format!("{ASK}?{parameter}");
            assert!(refusal(&gate, request(method, &url)).is_some(), "{url}");
            assert!(gate.permit(request(method, &url), Acting::Anything).is_ok(), "{url}");
        }
        for kind in
            [None, Some("application/x-www-form-urlencoded"), Some("Application/X-WWW-Form-Urlencoded; charset=utf-8")]
        {
            let headers: Vec<_> = kind.iter().map(|kind| ("Content-Type".to_owned(), (*kind).to_owned())).collect();
            let body = [parameter.as_bytes(), b"&rest=\xff"].concat();
            let form = OutboundRequest { headers, body: Some(body), ..request(Method::Post, ASK) };
            assert!(refusal(&gate, form).is_some(), "{kind:?} {parameter}");
        }
    }
    let with = |kind: &str, body: &str| {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        refusal(&gate, OutboundRequest { headers, body: Some(body.into()), ..request(Method::Post, ASK) })
    };
    assert!(with("multipart/form-data; boundary=b", "--b--").is_some());
    assert_eq!(with("application/json", r#"{"method":"a","q":"x&_method=y"}"#), None);
    assert_eq!(with("application/x-www-form-urlencoded", "query=up&method=x&the_method=y"), None);
    assert_eq!(refusal(&gate, get("https://api.example.com/?method=list&q=_method")), None);
}
