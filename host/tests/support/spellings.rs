//! A value in every form in which somebody might repeat it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// The value itself, and each encoding of the whole of it.
pub fn of(value: &str) -> Vec<String> {
    let each = |write: &dyn Fn(u8) -> String| value.bytes().map(write).collect::<String>();
    let json = serde_json::to_string(value).expect("JSON").trim_matches('"').to_owned();
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    vec![
        value.to_owned(),
        form.replace('+', "%20").to_lowercase(),
        form.replace('%', "%25"),
        form,
        each(&|byte| format!("%{byte:02X}")),
        json.replace('/', "\\/"),
        serde_json::to_string(&json).expect("JSON").trim_matches('"').to_owned(),
        json,
        each(&|byte| format!("\\u{byte:04x}")),
        each(&|byte| format!("&#{byte};")),
        value.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;"),
        each(&|byte| format!("{byte:02x}")),
        each(&|byte| format!("{byte:02X}")),
    ]
}

/// Base64 of the value with something before it, in both alphabets, with and without padding.
pub fn base64(value: &str) -> Vec<String> {
    let before = ["", "-", "--", "ada:"];
    let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    before
        .iter()
        .flat_map(|before| engines.iter().map(move |engine| engine.encode(format!("{before}{value}"))))
        .collect()
}

/// What gives the value away if it stands anywhere: the forms, and of the Base64 the middle that no neighbour changes.
pub fn traces(value: &str) -> Vec<String> {
    let mut traces = of(value);
    // The part of a value that looks the same in most of them.
    traces.extend(value.get(8..40).map(str::to_owned));
    for text in base64(value) {
        let text = text.trim_end_matches('=');
        traces.push(text[8..text.len() - 4].to_owned());
    }
    traces
}
