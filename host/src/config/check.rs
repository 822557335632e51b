//! What the types of a config cannot say: duplicates, grants beyond others, names that two providers claim.

use std::collections::{HashMap, HashSet};

use super::{
    file::{Config, HostEntry, ProviderConfig},
    granted::ITEMS_MAX,
};
use crate::names::{ProviderName, ToolName, UriPattern};

/// The most DNS servers: more would only make a failing lookup slower.
const DNS_SERVERS_MAX: usize = 8;
/// The most sinks of checkpoints: each is written to each minute.
const CHECKPOINTS_MAX: usize = 8;
/// The most entries of `queries` of one provider: each is compared at each request.
const QUERIES_MAX: usize = 64;
/// The most entries of all `resources_for` together: each is compared with each.
const CLAIMS_MAX: usize = 1024;

/// What is wrong: the place, and the reason.
type Wrong = (String, String);

/// The first thing that is wrong.
pub(super) fn first_wrong(config: &Config) -> Option<Wrong> {
    let servers = config.outbound.dns_servers.len();
    if servers > DNS_SERVERS_MAX {
        let reason = format!("{servers} are too many: name at most {DNS_SERVERS_MAX}");
        return Some(("outbound.dns_servers".to_owned(), reason));
    }
    let sinks = config.audit.checkpoints.len();
    if sinks > CHECKPOINTS_MAX {
        let reason = format!("{sinks} are too many: name at most {CHECKPOINTS_MAX}");
        return Some(("audit.checkpoints".to_owned(), reason));
    }
    let of_one = config.providers.iter().find_map(|(name, provider)| {
        let (place, reason) = provider
            .tool_listed_twice()
            .or_else(|| provider.secret_host_beyond_allowed())
            .or_else(|| provider.query_beyond_allowed())
            .or_else(|| provider.item_listed_twice())
            .or_else(|| provider.claim_beyond_granted())?;
        Some((format!("providers.{name}.{place}"), reason))
    });
    of_one.or_else(|| claimed_twice(config))
}

impl ProviderConfig {
    fn tool_listed_twice(&self) -> Option<Wrong> {
        let mut seen = HashSet::new();
        let (index, tool) = self.tools.iter().enumerate().find(|(_, tool)| !seen.insert(&tool.name))?;
        Some((format!("tools[{index}]"), format!("`{}` is listed twice: remove one", tool.name)))
    }

    /// A secret may only go where the provider may go. Otherwise a config would promise what the gate refuses, or a later
    /// change of `allowed_hosts` would open a way that nobody thought of.
    fn secret_host_beyond_allowed(&self) -> Option<Wrong> {
        let beyond = |host: &HostEntry| !self.allowed_hosts.iter().any(|allowed| host.is_within(allowed));
        self.secrets.iter().find_map(|(name, grant)| {
            let hosts = grant.hosts.iter().flatten();
            let (index, host) = hosts.enumerate().find(|(_, host)| beyond(host))?;
            let reason = format!(
                "`{0}` is not within the provider's `allowed_hosts`: add it there, or take it out here",
                host.as_str()
            );
            Some((format!("secrets.{name}.hosts[{index}]"), reason))
        })
    }

    /// The same for what may be asked.
    fn query_beyond_allowed(&self) -> Option<Wrong> {
        if self.queries.len() > QUERIES_MAX {
            let reason = format!("{} are too many: name at most {QUERIES_MAX}", self.queries.len());
            return Some(("queries".to_owned(), reason));
        }
        let mut queries = self.queries.iter().enumerate();
        let (index, query) =
            queries.find(|(_, query)| !self.allowed_hosts.iter().any(|allowed| query.is_within(allowed)))?;
        let reason = format!(
            "`{}` is not within the provider's `allowed_hosts`: add its host there, or take it out here",
            query.as_str()
        );
        Some((format!("queries[{index}]"), reason))
    }

    fn item_listed_twice(&self) -> Option<Wrong> {
        let of = |list: &str, items: Vec<&str>| {
            if items.len() > ITEMS_MAX {
                let reason = format!("{} are too many: name at most {ITEMS_MAX}, or write `all`", items.len());
                return Some((list.to_owned(), reason));
            }
            let mut seen = HashSet::new();
            let (index, item) = items.into_iter().enumerate().find(|(_, item)| !seen.insert(*item))?;
            Some((format!("{list}[{index}]"), format!("`{item}` is listed twice: remove one")))
        };
        of("resources", texts(self.resources.listed()))
            .or_else(|| of("resources_for", texts(&self.resources_for)))
            .or_else(|| of("prompts", self.prompts.listed().iter().map(ToolName::as_str).collect()))
    }

    fn claim_beyond_granted(&self) -> Option<Wrong> {
        self.resources_for.iter().enumerate().find_map(|(index, claimed)| {
            let reason = if !self.resources.grants(claimed) {
                format!("`{claimed}` is not one of the provider's `resources`: list it there as it stands here")
            } else if claimed.may_be_bare() {
                return None;
            } else {
                format!("`{claimed}` has a `+` in its scheme, before which a provider is named: take it out here")
            };
            Some((format!("resources_for[{index}]"), reason))
        })
    }
}

fn texts(patterns: &[UriPattern]) -> Vec<&str> {
    patterns.iter().map(UriPattern::as_str).collect()
}

/// Whose a URI is must not be up to the order of anything.
fn claimed_twice(config: &Config) -> Option<Wrong> {
    let claims: Vec<(&ProviderName, usize, &UriPattern)> = config
        .providers
        .iter()
        .flat_map(|(name, provider)| {
            provider.resources_for.iter().enumerate().map(move |(index, claimed)| (name, index, claimed))
        })
        .collect();
    if claims.len() > CLAIMS_MAX {
        let reason = format!("all `resources_for` together have {}: name at most {CLAIMS_MAX}", claims.len());
        return Some(("providers".to_owned(), reason));
    }
    let mut by_space: HashMap<String, Vec<(&ProviderName, &UriPattern)>> = HashMap::new();
    for (name, index, claimed) in claims {
        let before = by_space.entry(claimed.space()).or_default();
        let other = before.iter().find(|(other, pattern)| *other != name && pattern.may_overlap(claimed));
        if let Some((other, pattern)) = other {
            let place = format!("providers.{name}.resources_for[{index}]");
            let reason = format!("`{claimed}` is claimed by `{other}` too, as `{pattern}`: leave it to one of them");
            return Some((place, reason));
        }
        before.push((name, claimed));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{Granted, parse};

    fn config(first: &str, second: &str) -> Result<super::Config, String> {
        let provider = |name: &str, lines: &str| format!("  {name}:\n    component: a.wasm\n    tools: []\n{lines}\n");
        let text = format!("version: '1.0'\nproviders:\n{}{}", provider("one", first), provider("two", second));
        parse("c.yaml", &text).map_err(|error| error.to_string())
    }

    #[test]
    fn resources_and_prompts_are_granted_by_name_or_all_and_otherwise_not_at_all() {
        let granted = |lines: &str| {
            let one = config(lines, "").expect(lines).providers.remove("one").expect("a provider");
            (one.resources.is_all(), one.resources.listed().len(), one.prompts.is_all(), one.prompts.listed().len())
        };
        assert_eq!(granted(""), (false, 0, false, 0));
        assert_eq!(granted("    resources:\n    prompts: []"), (false, 0, false, 0));
        assert_eq!(granted("    resources: all\n    prompts: all"), (true, 0, true, 0));
        assert_eq!(granted("    resources: ['a://b', 'a://b/{c}']\n    prompts: [ask]"), (false, 2, false, 1));
        assert_eq!(Granted::<u8>::default(), Granted::Listed(Vec::new()));
        for (wrong, told) in [
            ("    resources: every", "`all`, or a list"),
            ("    resources: true", "`all`, or a list"),
            ("    resources: { a: b }", "`all`, or a list"),
            ("    prompts: [Ask]", "not a tool name"),
            ("    resources: ['{s}://{h}']", "variable in its scheme or authority"),
            ("    resources: ['HELLO://a']", "upper-case letters"),
            ("    resources: ['a://b', 'a://b']", "providers.one.resources[1]: `a://b` is listed twice"),
            ("    prompts: [ask, ask]", "providers.one.prompts[1]: `ask` is listed twice"),
        ] {
            let error = config(wrong, "").expect_err(wrong);
            assert!(error.contains(told), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_uri_is_claimed_once_and_only_as_granted() {
        let claims = |resource: &str| format!("    resources: ['{resource}']\n    resources_for: ['{resource}']");
        for (one, two) in [
            (claims("a://b"), claims("a://c")),
            (claims("a://b/{c}"), claims("a://b")),
            (claims("a://b"), "    resources: ['a://b']".to_owned()),
            ("    resources: all\n    resources_for: ['a://b']".to_owned(), String::new()),
        ] {
            assert!(config(&one, &two).is_ok(), "{one}\n{two}");
        }
        for (one, two, told) in [
            (claims("a://b"), claims("a://b"), "two.resources_for[0]: `a://b` is claimed by `one` too"),
            (claims("a://b/{x}"), claims("a://b/c"), "claimed by `one` too, as `a://b/{x}`"),
            (claims("a://b/c"), claims("a://b/{x}"), "claimed by `one` too"),
            (claims("a://b/{x}"), claims("a://b/{y}"), "claimed by `one` too"),
            ("    resources_for: ['a://b']".to_owned(), String::new(), "is not one of the provider's `resources`"),
            (claims("git+https://a.example/"), String::new(), "`+` in its scheme"),
        ] {
            let error = config(&one, &two).expect_err(&one);
            assert!(error.contains(told), "{one}\n{two}: {error}");
        }
    }

    #[test]
    fn what_may_be_asked_is_within_the_allowed_hosts() {
        let with = |query: &str| config(&format!("    allowed_hosts: [a.example]\n    queries: ['{query}']"), "");
        assert!(with("https://a.example/ask").is_ok());
        for beyond in ["https://b.example/ask", "http://a.example/ask", "https://a.example:8443/ask"] {
            let error = with(beyond).expect_err(beyond);
            assert!(error.contains("providers.one.queries[0]: ") && error.contains("allowed_hosts"), "{error}");
        }
        assert!(with("https://a.example/ask?x").expect_err("a query").contains("leave them out"));
    }
}
