//! Requests whose `Host` or `Origin` is not allowed (DNS rebinding).

/// The `Host` or `Origin` of a request, which is not the hub's: a page in a browser may have been talked into sending it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misaddress {
    /// The `Host` it was sent to.
    #[error(
        "the Host {name} is not allowed: use the address that the hub prints at its start, or have it started with its own \
         URL{such} (or BULKHEAD_PUBLIC_URL)",
        name = cited(.0),
        such = public_url("https://", .0)
    )]
    Host(String),
    /// The `Origin` of the page that sent it.
    #[error(
        "the Origin {name} is not allowed: only pages of the machine itself are, and those of the URL that the hub is started \
         with{such} (or BULKHEAD_PUBLIC_URL)",
        name = cited(.0),
        such = public_url("", .0)
    )]
    Origin(String),
}

/// What a caller wrote, in quotes that it cannot end.
fn cited(name: &str) -> String {
    format!("`{}`", name.replace('`', "'"))
}

/// The flag that would make `name` the hub's own, where it is a name that a shell takes as it stands: what a caller wrote may
/// be pasted by whoever reads it in the trail.
fn public_url(scheme: &str, name: &str) -> String {
    let host = if scheme.is_empty() {
        name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or_default()
    } else {
        name
    };
    let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'));
    if plain { format!(", such as `--public-url {scheme}{name}`") } else { ", by `--public-url`".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_wrote_stands_in_no_command_that_is_to_be_pasted() {
        for hostile in ["$(id)", "http://a;touch${IFS}/tmp/x", "a`b", "null", "", "https://a b", "https://[::1]"] {
            for told in [Misaddress::Host(hostile.into()).to_string(), Misaddress::Origin(hostile.into()).to_string()] {
                let command = told.split("`--public-url").nth(1).expect("the flag is named").split('`').next();
                let command = command.expect("its end");
                assert!(command.bytes().all(|b| b.is_ascii_alphanumeric() || b" .-:/".contains(&b)), "{told}");
                assert_eq!(told.matches('`').count() % 2, 0, "{told}");
            }
        }
        let told = Misaddress::Origin("https://hub.example.org:8443".into()).to_string();
        assert!(told.contains("such as `--public-url https://hub.example.org:8443`"), "{told}");
        assert!(!Misaddress::Origin("null".into()).to_string().contains("--public-url null"));
        assert!(
            Misaddress::Host("hub.example.org".into()).to_string().contains("--public-url https://hub.example.org`")
        );
    }
}
