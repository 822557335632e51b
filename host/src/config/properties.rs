//! What has to hold of any text that is read as a config. The fuzz target `config` looks for counterexamples; so does the
//! test below, which also tries again what was ever found.

use std::time::{Duration, Instant};

use super::{Config, parse};
use crate::{
    outbound::{HostRule, Target},
    vault::Grants,
};

/// Reading takes no longer, whatever the text: the file is read again at every change, while the hub serves.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Reading. The input is the file.
///
/// # Panics
/// When reading takes too long, a mistake is told without its place or at more length than the file has, or a config is
/// accepted that grants what it must not.
pub fn reading(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let started = Instant::now();
    let read = parse("c.yaml", text);
    let took = started.elapsed();
    assert!(took < TIME_MAX, "it took {took:?}");
    match read {
        Ok(config) => {
            check(&config);
            assert!(parse("c.yaml", text).is_ok_and(|again| again == config), "the same text is another config");
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.starts_with("c.yaml"), "no place: {told}");
            assert!(told.len() <= 4 * text.len() + 1000, "{} bytes are told of {}", told.len(), text.len());
        }
    }
}

fn check(config: &Config) {
    for (name, provider) in &config.providers {
        assert!(provider.tools.iter().all(|tool| (100..=30_000).contains(&tool.timeout_ms.get())), "{name}: time");
        let mut tools: Vec<_> = provider.tools.iter().map(|tool| tool.name.as_str()).collect();
        tools.sort_unstable();
        assert!(tools.windows(2).all(|pair| pair[0] != pair[1]), "{name}: a tool twice");
        assert!(Grants::of(provider).is_ok(), "{name}: grants");
        let allowed: Vec<HostRule> =
            provider.allowed_hosts.iter().filter_map(|host| host.as_str().parse().ok()).collect();
        assert!(allowed.len() == provider.allowed_hosts.len(), "{name}: a host that is none");
        for host in provider.secrets.values().flat_map(|grant| grant.hosts.iter().flatten()) {
            // A name that a wildcard covers stands for all of them.
            let some = host.as_str().replacen("*.", "some.", 1);
            let url = if some.contains("://") { some } else { format!("https://{some}") };
            let target = Target::parse(&url).map(|(target, _)| target);
            let permitted = target.is_ok_and(|target| allowed.iter().any(|rule| rule.permits(&target)));
            assert!(permitted, "{name}: a secret may go to {}, the provider may not", host.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use bulkhead_properties::replay;

    #[test]
    fn nothing_that_fuzzing_kept_breaks_it() {
        replay("config", reading);
    }

    /// Pieces of configs, good and bad, in the order in which they make sense.
    fn provider() -> impl Strategy<Value = String> {
        let host = "(http://)?(\\*\\.)?([ab]\\.){0,2}example\\.(com|org)(:80)?";
        let hosts = prop::collection::vec(host, 0..4).prop_map(|hosts| format!("['{}']", hosts.join("', '")));
        let tool = ("[ab]{1,2}", "ops_(viewer|admin|root)", 0..40_000_u32);
        let tool = tool.prop_map(|(name, role, time)| {
            format!(
                "      - {{ name: {name}, class: read, min_role: {role}, timeout_ms: {time}, schema_version: '1.0' }}\n"
            )
        });
        let tools = prop::collection::vec(tool, 0..3).prop_map(|tools| tools.concat());
        (hosts.clone(), hosts, tools, "[a-z{}:&* -]{0,12}").prop_map(|(allowed, secret, tools, noise)| {
            format!(
                "    component: a.wasm\n    allowed_hosts: {allowed}\n    secrets: {{ key: {{ hosts: {secret} }} }}\n    \
                 settings: {{ a: '{noise}' }}\n    tools:\n{tools}"
            )
        })
    }

    proptest! {
        #![proptest_config(bulkhead_properties::tries(256))]
        #[test]
        fn no_config_grants_more_than_it_says(providers in prop::collection::vec(provider(), 1..3)) {
            let providers: Vec<_> = providers.iter().enumerate().map(|(index, text)| format!("  p{index}:\n{text}")).collect();
            reading(format!("version: '1.0'\nproviders:\n{}", providers.concat()).as_bytes());
        }

        #[test]
        fn no_text_is_too_much_for_it(text in "(version: '1.0'\n)?(providers:\n)?([ a-z0-9&*{}\\[\\]:,'\"!|>#%@\n\t-]|  p:\n|&a |\\*a){0,200}") {
            reading(text.as_bytes());
        }
    }
}
