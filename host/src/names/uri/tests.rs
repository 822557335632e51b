//! Spellings of URIs and templates, and what matches what.

use super::UriError::{Authority, Case, Character, DotSegment, Fragment, NoPath, NoScheme, Percent};
use super::*;

fn uri(text: &str) -> ResourceUri {
    ResourceUri::parse(text).unwrap_or_else(|why| panic!("{text} {why}"))
}

fn pattern(text: &str) -> UriPattern {
    UriPattern::parse(text).unwrap_or_else(|why| panic!("{text} {why}"))
}

#[test]
fn a_uri_has_one_spelling_and_every_other_is_refused() {
    for good in [
        "hello://greeting",
        "hello://greeting/a%2Fb?x=1&y=",
        "urn:isbn:0451450523",
        "file:///etc/motd",
        "http://example.com/",
        "http://example.com:8080/a.b/..c",
        "git+https://example.com/a",
        "a://b_c.d-e~f",
    ] {
        uri(good);
    }
    for (bad, why) in [
        ("", NoScheme),
        ("hello", NoScheme),
        ("1a://b", NoScheme),
        ("no uri", NoScheme),
        ("a b://c", NoScheme),
        ("HELLO://greeting", Case),
        ("hello://Greeting", Case),
        ("hello://me@greeting", Authority),
        ("hello://gr%65eting", Authority),
        ("hello://greeting.", Authority),
        ("hello://.greeting", Authority),
        ("hello://a..b", Authority),
        ("hello://greeting:", Authority),
        ("hello://greeting:080", Authority),
        ("hello://greeting:+80", Authority),
        ("hello://:80", Authority),
        ("http://example.com:80/", Authority),
        ("https://example.com:443/", Authority),
        ("http://example.com", NoPath),
        ("hello://[::1]", Authority),
        ("hello://gr\u{e9}eting", Character('\u{e9}')),
        ("hello://greeting\\x", Authority),
        ("hello://greeting/a\\b", Character('\\')),
        ("hello://greeting/\n", Character('\n')),
        ("hello://greeting/ä", Character('ä')),
        ("hello://greeting/{x}", Character('{')),
        ("hello://greeting/%61", Percent),
        ("hello://greeting/%7E", Percent),
        ("hello://greeting/%2f", Percent),
        ("hello://greeting/%2", Percent),
        ("hello://greeting/%", Percent),
        ("hello://greeting/%+1", Percent),
        ("hello://greeting/.", DotSegment),
        ("hello://x/../greeting", DotSegment),
        ("hello:../greeting", DotSegment),
        ("hello://x/%2E%2E/greeting", Percent),
        ("hello://greeting#", Fragment),
    ] {
        assert_eq!(ResourceUri::parse(bad), Err(why), "{bad}");
    }
    assert_eq!(ResourceUri::parse(&format!("a://{}", "b".repeat(2048))), Err(UriError::TooLong(2048)));
}

#[test]
fn a_template_has_variables_in_path_and_query_only() {
    for good in ["test://a/{id}/{sub_id}", "test://a/{a}{b}", "test://a?q={q}", "urn:isbn:{number}", "test://a"] {
        pattern(good);
    }
    for bad in ["test://{id}", "{s}://{h}", "hello://{x}", "{s}://greeting", "hello://a{x}/b", "hello://a:{port}/"] {
        assert_eq!(UriPattern::parse(bad), Err(UriError::Variable), "{bad}");
    }
    for bad in ["test://a/{", "test://a/}", "test://a/{}", "test://a/}a{", "test://a/{a{b}}", "test://a/{+a}", "a:{a*}"]
    {
        assert_eq!(UriPattern::parse(bad), Err(UriError::Template), "{bad}");
    }
    assert_eq!(UriPattern::parse("{anything}"), Err(UriError::NoScheme));
}

#[test]
fn templates_match_one_segment_per_variable_and_never_another_authority() {
    let template = pattern("test://a/{id}/data");
    assert!(template.matches(&uri("test://a/7/data")) && template.matches(&uri("test://a/%2F/data")));
    for no in ["test://a//data", "test://a/7/8/data", "test://a/7", "test://a/7/data/x", "test://b/7/data"] {
        assert!(!template.matches(&uri(no)), "{no}");
    }
    let two = pattern("test://a/{x}{y}");
    assert!(two.matches(&uri("test://a/bc")) && !two.matches(&uri("test://a/b")));
    assert!(!pattern("test:{x}").matches(&uri("test://a")) && !pattern("test:/{x}").matches(&uri("test://a")));
    assert!(!pattern("test:{x}/{y}").matches(&uri("test://a")));
    assert!(!pattern("test://a?q={q}").matches(&uri("test://a?q=1&r=2")));
    assert!(pattern("hello://greeting").matches(&uri("hello://greeting")));
}

#[test]
fn what_is_under_a_uri_is_in_its_path() {
    for (child, parent, under) in [
        ("a://b/c", "a://b", true),
        ("a://b/c/d", "a://b/c", true),
        ("a://b/c/d", "a://b/c/", true),
        ("a://b/cd", "a://b/c", false),
        ("a://b/c", "a://b/c", false),
        ("a://b.c", "a://b", false),
        ("a://b", "a://", false),
        ("a://b/c", "a:/", false),
        ("a://b?c/d", "a://b?c", false),
    ] {
        assert_eq!(uri(child).is_under(&uri(parent)), under, "{child} under {parent}");
    }
}

#[test]
fn patterns_that_one_uri_may_match_overlap() {
    for (one, other, overlap) in [
        ("a://b/{x}", "a://b/{y}", true),
        ("a://b/{x}", "a://b/c", true),
        ("a://b/c-{x}", "a://b/{y}-d", true),
        ("a://b/c-{x}", "a://b/d-{y}", false),
        ("a://b/{x}.json", "a://b/{y}.xml", false),
        ("a://b/{x}", "a://b/{x}/{y}", false),
        ("a://b/{x}", "a://c/{x}", false),
        ("a://b", "a://b", true),
        ("file:/a", "file:///a", false),
    ] {
        assert_eq!(pattern(one).may_overlap(&pattern(other)), overlap, "{one} {other}");
        assert_eq!(pattern(other).may_overlap(&pattern(one)), overlap, "{other} {one}");
    }
    assert_eq!(pattern("file:/a").space(), pattern("file:///a").space());
}
