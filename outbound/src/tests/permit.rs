use crate::tests::upstream::{gate, get};
use crate::{Acting, Gate, Limits, Method, OutboundError, OutboundRequest};

const URL: &str = "https://api.example.com/";

fn with_header(name: &str, value: &str) -> OutboundRequest {
    OutboundRequest { headers: vec![(name.to_owned(), value.to_owned())], ..get(URL) }
}

fn example_gate() -> Gate {
    gate(&["api.example.com", "http://127.0.0.1:19999"], Limits::default())
}

fn invalid(gate: &Gate, request: OutboundRequest) -> String {
    match gate.permit(request, Acting::Anything).unwrap_err() {
        OutboundError::InvalidRequest(message) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn headers_that_frame_or_steer_are_refused() {
    let gate = example_gate();
    let names = [
        "host",
        "Host",
        "HOST",
        "content-length",
        "Content-Length",
        "connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "keep-alive",
        "proxy-authorization",
        "Proxy-Connection",
        "proxy-anything",
        "expect",
        "http2-settings",
        "alt-used",
        "via",
        "max-forwards",
    ];
    for name in names {
        let message = invalid(&gate, with_header(name, "secret-value"));
        assert!(message.contains(&name.to_ascii_lowercase()), "{name}: {message}");
        assert!(!message.contains("secret-value"), "{message}");
    }
}

#[test]
fn names_and_values_must_be_valid() {
    let gate = example_gate();
    for name in ["", " ", "a b", "a:b", ":authority", "a\r\nb", "é", "a\0"] {
        invalid(&gate, with_header(name, "x"));
    }
    for value in
        ["secret-value\r\nhost: evil.net", "secret-value\n", "secret-value\r", "secret-value\0", "secret-value\x7f"]
    {
        let message = invalid(&gate, with_header("x-key", value));
        assert!(message.contains("x-key") && !message.contains("secret-value"), "{message}");
    }
    for (name, value) in [("Authorization", "Bearer x"), ("cookie", "a=b"), ("x-empty", ""), ("title", "Grüße")] {
        assert!(gate.permit(with_header(name, value), Acting::Anything).is_ok(), "{name}");
    }
}

#[test]
fn sizes_are_bounded() {
    let limits = Limits {
        max_url_bytes: 100,
        max_headers: 2,
        max_header_bytes: 50,
        max_request_bytes: 120,
        ..Limits::default()
    };
    let gate = gate(&["api.example.com"], limits);
    invalid(&gate, get(format!("{URL}{}", "a".repeat(80))));
    invalid(&gate, OutboundRequest { headers: vec![("a".to_owned(), String::new()); 3], ..get(URL) });
    invalid(&gate, with_header("a", &"b".repeat(50)));
    let body =
        |bytes: usize| OutboundRequest { method: Method::Put, body: Some(vec![0; bytes]), ..with_header("a", "b") };
    let room = 120 - URL.len() - 2;
    assert_eq!(gate.permit(body(room), Acting::Anything).unwrap().request_bytes(), 120);
    assert_eq!(gate.permit(body(room + 1), Acting::Anything).unwrap_err(), OutboundError::TooLarge { limit: 120 });
}

#[test]
fn a_url_with_user_information_is_refused_and_not_repeated() {
    let message = invalid(&example_gate(), get("https://me:secret-value@api.example.com/?secret-value"));
    assert!(message.contains("authorization") && !message.contains("secret-value"), "{message}");
}

#[test]
fn strangers_are_denied_by_name() {
    let gate = example_gate();
    for (url, shown) in [
        ("https://evil.net/?secret", "https://evil.net"),
        ("http://api.example.com/", "http://api.example.com"),
        ("https://api.example.com:8443/", "https://api.example.com:8443"),
        ("https://8.8.8.8/", "https://8.8.8.8"),
        ("http://localhost:19999/", "http://localhost:19999"),
    ] {
        let error = gate.permit(get(url), Acting::Anything).unwrap_err();
        let OutboundError::DeniedHost(message) = error else { panic!("{url}: {error:?}") };
        assert!(message.starts_with(&format!("'{shown}' is not in")), "{message}");
    }
}

#[test]
fn literal_addresses_are_checked_before_anything_connects() {
    let gate = gate(&["*.example.com", "http://127.0.0.1:19999"], Limits::default());
    assert!(gate.permit(get("http://127.0.0.1:19999/"), Acting::Anything).is_ok());
    for url in [
        "http://127.0.0.1/",
        "http://127.0.0.2:19999/",
        "https://127.0.0.1:19999/",
        "http://0x7f.2:19999/",
        "http://0177.0.0.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://0/",
        "http://[::1]:19999/",
        "http://[::]:19999/",
        "http://[::ffff:127.0.0.1]:19999/",
        "http://[::ffff:7f00:1]:19999/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://169.254.169.254/latest/meta-data/",
        "http://168.63.129.16/",
        "http://10.0.0.1/",
    ] {
        let error = gate.permit(get(url), Acting::Anything).unwrap_err();
        assert!(matches!(error, OutboundError::DeniedAddress(_)), "{url}: {error:?}");
    }
    let OutboundError::DeniedAddress(message) =
        gate.permit(get("http://[::ffff:10.0.0.1]:81/"), Acting::Anything).unwrap_err()
    else {
        panic!("not denied as an address");
    };
    assert!(message.contains("name it in allowed_hosts as 'http://10.0.0.1:81'"), "{message}");
}

#[test]
fn debug_output_shows_no_confidential_part() {
    let request = OutboundRequest {
        url: format!("{URL}path?secret-value"),
        method: Method::Put,
        body: Some(b"secret-value".to_vec()),
        ..with_header("authorization", "secret-value")
    };
    let text = format!("{request:?}");
    assert!(text.contains("authorization") && !text.contains("secret-value"), "{text}");
    let text = format!("{:?}", example_gate().permit(request, Acting::Anything).unwrap());
    assert!(text.contains("authorization") && !text.contains("secret-value"), "{text}");
}
