//! References: a value goes where it may go, and nothing of a placeholder goes anywhere.

use std::sync::{Arc, LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem;

use super::{name, secret};
use crate::{
    config::{self, HostEntry},
    outbound::{Acting, Allowlist, Gate, Limits, Method, OutboundRequest, Permitted},
    vault::{CallSecrets, Grants, Vault, handed_out::HandedOut, placeholder::PREFIX, references::Used},
};
use bulkhead_properties::expanded;

/// Hosts that `one` may go to; `two` may go to the second of them only.
const HOSTS: [&str; 2] = ["one.example", "two.example"];

/// References. The input is a URL and then one header a line, `name: value`; one that begins with `basic ` has the rest of
/// its value encoded as credentials. `$1` and `$2` stand for references of this call, `$0` for another call's, `$p` for
/// the beginning of one, `$h` for half of one and `$u` for one in upper case. A line `body: …` is the body.
///
/// # Panics
/// When a value goes where it must not, a part of a placeholder is sent, or a header comes out other than it should.
pub fn substitution(input: &[u8]) {
    static SETTING: LazyLock<Option<Setting>> = LazyLock::new(Setting::new);
    let (Some(setting), Ok(input)) = (&*SETTING, std::str::from_utf8(input)) else { return };
    // A fuzzer watches what the input is compared with, and so gets to know the values.
    if setting.values.iter().any(|value| input.contains(value.as_str())) {
        return;
    }
    let mut lines = input.lines();
    let url = lines.next().unwrap_or_default();
    let (bodies, headers): (Vec<_>, Vec<_>) =
        lines.filter_map(|line| line.split_once(": ")).partition(|(name, _)| *name == "body");
    setting.check(url, &headers, bodies.first().map(|(_, body)| *body));
}

/// One call with two secrets.
struct Setting {
    gate: Gate,
    secrets: CallSecrets,
    references: [String; 2],
    foreign: String,
    values: [String; 2],
}

impl Setting {
    fn new() -> Option<Self> {
        let allowed = HOSTS.map(|host| format!("{host}, 'http://{host}:8080'")).join(", ");
        let yaml = format!(
            "version: '1.0'\nproviders: {{ p: {{ component: p, allowed_hosts: [{allowed}, free.example], tools: [],\n\
             secrets: {{ one: {{ hosts: [{allowed}] }}, two: {{ hosts: [{}] }} }} }} }}",
            HOSTS[1]
        );
        let provider = config::parse("c", &yaml).ok()?.providers.into_values().next()?;
        let grants = Grants::of(&provider).ok()?;
        let hosts = provider.allowed_hosts.iter().map(HostEntry::as_str);
        let gate = Gate::new(Allowlist::from_entries(hosts).ok()?, Limits::default()).ok()?;
        let vault = Vault::in_memory();
        let secrets = CallSecrets::new(Arc::new(vault), Arc::new(grants));
        let values = ["one", "two"].map(|name| format!("{name}:{}", uuid::Uuid::new_v4()));
        let [Some(one), Some(two)] = [0, 1].map(|index| used(["one", "two"][index], &values[index])) else {
            return None;
        };
        let references = [one.reference(), two.reference()];
        secrets.take(one);
        secrets.take(two);
        Some(Self { gate, secrets, references, foreign: used("one", &values[0])?.reference(), values })
    }

    fn check(&self, url: &str, templates: &[(&str, &str)], body: Option<&str>) {
        let written: Vec<_> = templates.iter().map(|(name, value)| (*name, self.written(value))).collect();
        let request = OutboundRequest {
            method: Method::Post,
            url: self.written(url),
            headers: written.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            body: body.map(|body| self.written(body).into_bytes()),
            timeout: None,
        };
        let Ok(mut permitted) = self.gate.permit(request, Acting::Anything) else { return };
        match self.secrets.fill(&mut permitted) {
            Ok(()) => {
                self.check_sent(&permitted);
                self.compare(&written, &permitted);
            }
            Err(error) => {
                let parts = templates.iter().flat_map(|(name, value)| [*name, value]).chain([url]).chain(body);
                let holds =
                    |part: &str| part.starts_with("basic ") || self.written(part).to_lowercase().contains(PREFIX);
                let asks_for_a_piece = templates.iter().any(|(name, _)| {
                    let name = name.to_ascii_lowercase();
                    name == "a-im" || name.ends_with("range")
                });
                assert!(parts.into_iter().any(holds) || asks_for_a_piece, "refused without a reference: {error}");
            }
        }
    }

    /// Values are in headers alone, towards the hosts that they are for, and no placeholder is anywhere.
    fn check_sent(&self, request: &Permitted) {
        let url = request.url();
        let host = url.host_str().unwrap_or_default();
        let plain_second = host == HOSTS[1] && url.port().is_none() && url.scheme() == "https";
        let granted = [HOSTS.contains(&host), plain_second];
        for (name, value) in request.headers() {
            let plain = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let decoded = plain.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
            let sent = [plain, String::from_utf8_lossy(&decoded).into_owned()];
            for (secret, granted) in self.values.iter().zip(granted) {
                let holds = sent.iter().any(|text| text.contains(secret.as_str()));
                assert!(!holds || granted, "{name} takes a secret to {host}");
                assert!(!holds || value.is_sensitive(), "{name} would be shown");
            }
            assert!(!sent.iter().any(|text| text.to_lowercase().contains(PREFIX)), "{name}: a placeholder is left");
        }
        for part in [url.as_str().as_bytes(), request.body().unwrap_or_default()] {
            let holds = |secret: &String| memmem::find(part, secret.as_bytes()).is_some();
            assert!(!self.values.iter().any(holds), "a value beyond the headers");
        }
    }

    /// Every header is what plain replacement makes of it.
    fn compare(&self, written: &[(&str, String)], permitted: &Permitted) {
        let put = |text: &str| {
            let text = text.replace(&self.references[0], &self.values[0]);
            text.replace(&self.references[1], &self.values[1])
        };
        // What the hub itself sets where an answer is searched.
        let own = |name: &str| {
            ["accept", "accept-encoding", "accept-charset"].iter().any(|own| name.eq_ignore_ascii_case(own))
        };
        for (name, value) in written.iter().filter(|(name, _)| !own(name)) {
            let basic = value.strip_prefix("basic ").and_then(|text| STANDARD.decode(text).ok());
            let credentials = basic.and_then(|bytes| String::from_utf8(bytes).ok());
            let expected = match credentials.filter(|text| put(text) != *text) {
                Some(credentials) => format!("Basic {}", STANDARD.encode(put(&credentials))),
                None => put(value),
            };
            let mut sent = permitted.headers().filter(|(sent, _)| sent.as_str() == name.to_ascii_lowercase());
            assert!(sent.any(|(_, value)| value.as_bytes() == expected.as_bytes()), "{name} is not as it should be");
        }
    }

    fn written(&self, template: &str) -> String {
        let (basic, rest) = template.strip_prefix("basic ").map_or((false, template), |rest| (true, rest));
        let text = expanded(rest.as_bytes(), |letter| {
            Some(match letter {
                b'1' => self.references[0].clone(),
                b'2' => self.references[1].clone(),
                b'0' => self.foreign.clone(),
                b'p' => PREFIX.to_owned(),
                b'h' => self.references[0][..PREFIX.len() + 16].to_owned(),
                b'u' => self.references[0].to_uppercase(),
                _ => return None,
            })
        });
        let text = String::from_utf8_lossy(&text).into_owned();
        if basic { format!("basic {}", STANDARD.encode(text)) } else { text }
    }
}

fn used(secret_name: &str, value: &str) -> Option<Used> {
    let name = name(secret_name)?;
    let value = Arc::new(HandedOut::new(&name, secret(value)?));
    Used::new(name, value).ok()
}
