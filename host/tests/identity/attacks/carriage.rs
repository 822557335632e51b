//! How a token is shown: anything but one bearer token in one header.

use super::{Attack, MALFORMED, MISSING, bearer, headers, query};
use crate::support::hub::{ADMIN, Hub};

pub fn attacks(hub: &Hub) -> Vec<Attack> {
    let good = hub.token(ADMIN);
    let other = hub.token(ADMIN);
    let shown = |name: &str, text: String, code| headers(name, &[("authorization", text.as_bytes())], code);
    let twice = |name: &str, first: String, second: String| {
        headers(name, &[("authorization", first.as_bytes()), ("authorization", second.as_bytes())], MALFORMED)
    };
    let mut attacks = vec![
        headers("no header", &[], MISSING),
        shown("an empty header", String::new(), MISSING),
        shown("an empty token", "Bearer ".into(), MISSING),
        shown("no token", "Bearer".into(), MISSING),
        shown("basic credentials", "Basic dXNlcjpwYXNzd29yZA==".into(), MISSING),
        shown("a token without a scheme", good.clone(), MISSING),
        shown("a good token in another scheme", format!("Token {good}"), MISSING),
        shown("a good token behind a tab", format!("Bearer\t{good}"), MISSING),
        shown("a good token behind a colon", format!("Bearer: {good}"), MISSING),
        shown("the scheme twice", format!("Bearer Bearer {good}"), MALFORMED),
        shown("the scheme in lower case with garbage", "bearer garbage-garbage".into(), MALFORMED),
        headers("bytes that are no text", &[("authorization", b"Bearer \xff\xfe\xfd\xfc")], MISSING),
        headers("a token in UTF-8", &[("authorization", "Bearer ключ.ключ.ключ".as_bytes())], MISSING),
        twice("two headers, the first good", format!("Bearer {good}"), "Bearer garbage-garbage".into()),
        twice("two headers, the second good", "Bearer garbage-garbage".into(), format!("Bearer {good}")),
        twice("two headers, both good", format!("Bearer {good}"), format!("Bearer {other}")),
        twice("two headers, one of another scheme", "Basic dXNlcjpwYXNz".into(), format!("Bearer {good}")),
        bearer("garbage", "garbage-garbage", MALFORMED),
        bearer("dots", "..", MALFORMED),
        bearer("three words", "abc.def.ghi", MALFORMED),
        bearer("two tokens", format!("{good} {other}"), MALFORMED),
        bearer("two tokens with a comma", format!("{good},{other}"), MALFORMED),
        bearer("a token in quotes", format!("\"{good}\""), MALFORMED),
        bearer("a token of 9 KiB", format!("eyJ.{}", "A".repeat(9 * 1024)), MALFORMED),
        bearer("a good token with 20 KB behind it", format!("{good}.{}", "A".repeat(20_000)), MALFORMED),
        bearer("20 KB of dots", ".".repeat(20_000), MALFORMED),
        headers(
            "a cookie",
            &[("cookie", format!("access_token={good}; authorization=Bearer {good}").as_bytes())],
            MISSING,
        ),
        headers("a header of proxies", &[("proxy-authorization", format!("Bearer {good}").as_bytes())], MISSING),
        headers(
            "a header of gateways",
            &[("x-forwarded-access-token", good.as_bytes()), ("x-forwarded-user", b"admin")],
            MISSING,
        ),
        headers("a Supabase apikey", &[("apikey", good.as_bytes())], MISSING),
    ];
    for name in ["access_token", "token", "authorization", "bearer", "jwt", "apikey"] {
        attacks.push(query(&format!("in the query as {name}"), format!("?{name}={good}")));
    }
    attacks
}
