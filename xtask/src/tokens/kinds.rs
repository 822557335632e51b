//! The kinds of credentials that a line can hold.

use super::literal::is_random;

/// What was found in a line.
pub(super) struct Hit {
    pub(super) kind: &'static str,
    pub(super) begins: &'static str,
    pub(super) length: usize,
}

/// Tokens that say by their beginning what they are: kind, beginning, what follows it, and how much of that at least.
const PREFIXED: &[(&str, &str, Follows, usize)] = &[
    ("GitHub token", "ghp_", Follows::Word, 30),
    ("GitHub token", "gho_", Follows::Word, 30),
    ("GitHub token", "ghu_", Follows::Word, 30),
    ("GitHub token", "ghs_", Follows::Word, 30),
    ("GitHub token", "ghr_", Follows::Word, 30),
    ("GitHub token", "github_pat_", Follows::Word, 22),
    ("GitLab token", "glpat-", Follows::Text, 20),
    ("GitLab token", "gldt-", Follows::Text, 20),
    ("GitLab token", "glrt-", Follows::Text, 20),
    ("GitLab token", "glptt-", Follows::Text, 20),
    ("Slack token", "xoxb-", Follows::Text, 20),
    ("Slack token", "xoxp-", Follows::Text, 20),
    ("Slack token", "xoxa-", Follows::Text, 20),
    ("Slack token", "xoxr-", Follows::Text, 20),
    ("Slack token", "xoxs-", Follows::Text, 20),
    ("Slack token", "xapp-", Follows::Text, 20),
    ("Slack webhook", "hooks.slack.com/services/", Follows::Path, 30),
    ("AWS access key", "AKIA", Follows::Capitals, 16),
    ("AWS access key", "ASIA", Follows::Capitals, 16),
    ("Google API key", "AIza", Follows::Text, 35),
    ("Google OAuth token", "ya29.", Follows::Text, 20),
    ("Google client secret", "GOCSPX-", Follows::Text, 20),
    ("Stripe key", "sk_live_", Follows::Word, 16),
    ("Stripe key", "rk_live_", Follows::Word, 16),
    ("Stripe key", "sk_test_", Follows::Word, 16),
    ("Stripe webhook secret", "whsec_", Follows::Base64, 24),
    ("npm token", "npm_", Follows::Word, 36),
    ("PyPI token", "pypi-", Follows::Text, 50),
    ("crates.io token", "cio", Follows::Word, 32),
    ("Sentry token", "sntrys_", Follows::Base64, 20),
    ("Sentry token", "sntryu_", Follows::Base64, 20),
    ("Socket token", "sktsec_", Follows::Text, 20),
    ("Anthropic key", "sk-ant-", Follows::Text, 20),
    ("OpenAI key", "sk-proj-", Follows::Text, 20),
    ("Hugging Face token", "hf_", Follows::Word, 30),
    ("Docker token", "dckr_pat_", Follows::Text, 20),
    ("SendGrid key", "SG.", Follows::Path, 40),
];

/// The characters of a token behind its beginning.
#[derive(Clone, Copy)]
enum Follows {
    /// Letters, digits and underscores.
    Word,
    /// The same and hyphens.
    Text,
    /// Capital letters and digits, exactly as many as are asked for.
    Capitals,
    /// Base64 in either alphabet.
    Base64,
    /// The same with dots and slashes.
    Path,
}

impl Follows {
    fn holds(self, c: char) -> bool {
        match self {
            Self::Word => c.is_ascii_alphanumeric() || c == '_',
            Self::Text => c.is_ascii_alphanumeric() || matches!(c, '_' | '-'),
            Self::Capitals => c.is_ascii_uppercase() || c.is_ascii_digit(),
            Self::Base64 => c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '='),
            Self::Path => c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'),
        }
    }
}

/// Everything in a line that looks like a credential, each kind once.
pub(super) fn find(line: &str) -> Vec<Hit> {
    let mut hits: Vec<Hit> = PREFIXED.iter().filter_map(|kind| prefixed(line, kind)).collect();
    hits.extend(jwt(line));
    hits.extend(private_key(line));
    hits.extend(in_url(line));
    // What has a name already needs no second one.
    if hits.is_empty() {
        hits.extend(authorization(line).or_else(|| assigned(line)));
    }
    hits
}

fn prefixed(line: &str, &(kind, begins, follows, least): &(&'static str, &'static str, Follows, usize)) -> Option<Hit> {
    line.match_indices(begins).find_map(|(at, _)| {
        // Within a longer word it is something else.
        let alone = !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let rest = &line[at + begins.len()..];
        let length = rest.find(|c| !follows.holds(c)).unwrap_or(rest.len());
        let long_enough = match follows {
            Follows::Capitals => {
                length == least && !rest[length..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            }
            _ => length >= least,
        };
        let varied = rest[..length].bytes().any(|byte| byte.is_ascii_digit());
        let hit = Hit { kind, begins, length: begins.len() + length };
        (alone && long_enough && varied).then_some(hit)
    })
}

/// Header and claims begin with `{"`, which is `eyJ` in Base64.
fn jwt(line: &str) -> Option<Hit> {
    line.match_indices("eyJ").find_map(|(at, begins)| {
        let rest = &line[at..];
        let in_token = |c: char| Follows::Text.holds(c) || c == '.';
        let token = &rest[..rest.find(|c| !in_token(c)).unwrap_or(rest.len())];
        let mut parts = token.split('.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let signed = header.len() >= 16 && claims.len() >= 16 && claims.starts_with(begins) && signature.len() >= 32;
        signed.then_some(Hit { kind: "JSON Web Token", begins: "eyJ", length: token.len() })
    })
}

/// PEM (RFC 7468), over several lines or in one with escaped breaks. An armour with next to nothing in it is no key.
fn private_key(line: &str) -> Option<Hit> {
    let (_, rest) = line.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let body = rest.trim_start_matches(['\\', 'n', 'r', ' ']);
    let length = body.find(|c| !Follows::Base64.holds(c)).unwrap_or(body.len());
    let is_key = label.ends_with("PRIVATE KEY") && (body.is_empty() || length >= 24);
    is_key.then_some(Hit { kind: "private key", begins: "-----BEGIN", length: line.trim().len() })
}

/// `https://user:password@host`, and a Sentry DSN, whose user is a key.
fn in_url(line: &str) -> Option<Hit> {
    line.match_indices("://").find_map(|(at, _)| {
        let rest = &line[at + 3..];
        let authority =
            &rest[..rest.find(|c: char| c.is_whitespace() || "/?#\"'`<>|)".contains(c)).unwrap_or(rest.len())];
        let (user, _) = authority.rsplit_once('@')?;
        let (kind, key) = match user.split_once(':') {
            Some((_, password)) => ("password in a URL", password),
            None => ("key in a URL", user),
        };
        is_random(key).then_some(Hit { kind, begins: "://", length: key.len() })
    })
}

/// `Authorization: Bearer …`, however it is written.
fn authorization(line: &str) -> Option<Hit> {
    let lower = line.to_ascii_lowercase();
    ["bearer ", "basic "].into_iter().find_map(|scheme| {
        lower.match_indices(scheme).find_map(|(at, _)| {
            let rest = &line[at + scheme.len()..];
            let end = rest.find(|c| !(Follows::Path.holds(c) || matches!(c, '+' | '=' | '~'))).unwrap_or(rest.len());
            let hit = Hit { kind: "authorization header", begins: "Bearer or Basic ", length: end };
            (end >= 20 && is_random(&rest[..end])).then_some(hit)
        })
    })
}

/// Words in the name of something that holds a credential.
const NAMES: [&str; 9] =
    ["password", "passwd", "secret", "token", "api_key", "apikey", "api-key", "private_key", "credential"];

/// `token = "…"`, `"apiKey": "…"`, `PASSWORD=…`: a name that says what it is, and random text behind it.
fn assigned(line: &str) -> Option<Hit> {
    let lower = line.to_ascii_lowercase();
    NAMES.iter().flat_map(|name| lower.match_indices(name)).find_map(|(at, name)| {
        let rest = &line[at + name.len()..];
        // The rest of the name, its closing quote, and perhaps a type.
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"' | '\''));
        let value = rest.trim_start().strip_prefix([':', '='])?;
        let value = value.split_once('=').filter(|(kind, _)| is_type(kind)).map_or(value, |(_, value)| value);
        let value = value.trim_start_matches(['=', '>', ' ', '\t']);
        let value =
            quoted(value).unwrap_or_else(|| value.split([' ', '\t', ',', ';', '}', ')']).next().unwrap_or_default());
        let plain = !value.contains(['(', '{', '$', '<', '/', ':']) || value.ends_with('=');
        (plain && is_random(value)).then_some(Hit {
            kind: "literal credential",
            begins: name_of(name),
            length: value.len(),
        })
    })
}

/// `: &str`, `: string`.
fn is_type(text: &str) -> bool {
    text.trim().chars().all(|c| c.is_ascii_alphanumeric() || "&_<>:'[] ".contains(c)) && text.len() < 40
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    text[1..].split(quote).next()
}

/// The name as a constant, for the report.
fn name_of(name: &str) -> &'static str {
    NAMES.into_iter().find(|known| *known == name).unwrap_or_default()
}
