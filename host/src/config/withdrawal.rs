//! Whether a config takes back anything that another one grants. Whatever is not clearly as much is taken for less.

use super::{
    file::{HostEntry, ProviderConfig, ToolGrant},
    granted::Granted,
    quota::RateLimits,
    sandbox::SandboxLimits,
};
use crate::names::{ToolClass, ToolRole};

impl ProviderConfig {
    /// Whether `old` is granted anything that this one is not: then nothing that was loaded with `old` may go on serving in
    /// place of what this one wants.
    ///
    /// The component, its `settings`, its `breaker` and the `schema_version`s of tools are no grants.
    #[must_use]
    pub fn withdraws_from(&self, old: &Self) -> bool {
        // Without `..`, so that a new field cannot be forgotten here.
        let Self {
            enabled,
            component: _,
            vault_key: _,
            secrets: _,
            allowed_hosts,
            queries,
            rate_limits,
            settings: _,
            keep,
            sandbox,
            breaker: _,
            tools,
            resources,
            resources_for,
            prompts,
        } = self;
        let keeps = (*enabled || !old.enabled)
            && old.tools.iter().all(|old| tools.iter().any(|new| new.covers(old)))
            && all_within(&old.allowed_hosts, allowed_hosts)
            && self.covers_secrets(old)
            && old.queries.iter().all(|query| queries.contains(query))
            && rate_limits.covers(&old.rate_limits)
            && keep.covers(old.keep)
            && sandbox.covers(old.sandbox)
            && resources.covers(&old.resources)
            && old.resources_for.iter().all(|uri| resources_for.contains(uri))
            && prompts.covers(&old.prompts);
        !keeps
    }

    fn covers_secrets(&self, old: &Self) -> bool {
        old.granted_secrets().all(|(name, before)| {
            let Some((_, now)) = self.granted_secrets().find(|(granted, _)| *granted == name) else { return false };
            let hosts_before = before.hosts.as_deref().unwrap_or(&old.allowed_hosts);
            let hosts_now = now.hosts.as_deref().unwrap_or(&self.allowed_hosts);
            (now.reveal || !before.reveal) && all_within(hosts_before, hosts_now)
        })
    }
}

fn all_within(old: &[HostEntry], new: &[HostEntry]) -> bool {
    old.iter().all(|host| new.iter().any(|allowed| host.is_within(allowed)))
}

impl ToolGrant {
    fn covers(&self, old: &Self) -> bool {
        let Self { name, class, min_role, timeout_ms, schema_version: _, keep } = self;
        *name == old.name
            && *class == old.class
            && *min_role <= old.min_role
            && timeout_ms.get() >= old.timeout_ms.get()
            && keep.covers(old.keep)
    }
}

impl<T: PartialEq> Granted<T> {
    fn covers(&self, old: &Self) -> bool {
        self.is_all() || (!old.is_all() && old.listed().iter().all(|item| self.grants(item)))
    }
}

impl RateLimits {
    fn covers(&self, old: &Self) -> bool {
        ToolRole::ALL.iter().all(|&role| {
            ToolClass::ALL.iter().all(|&class| match (self.quota(role, class), old.quota(role, class)) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(new), Some(old)) => new.calls >= old.calls && new.window <= old.window,
            })
        })
    }
}

impl SandboxLimits {
    fn covers(self, old: Self) -> bool {
        let Self {
            memory_mib,
            table_elements,
            stack_kib,
            core_instances,
            concurrent_calls,
            queued_calls,
            http_requests,
            request_mib,
            response_mib,
            output_mib,
            log_lines,
            events,
        } = self;
        [
            (memory_mib.get(), old.memory_mib.get()),
            (table_elements.get(), old.table_elements.get()),
            (stack_kib.get(), old.stack_kib.get()),
            (core_instances.get(), old.core_instances.get()),
            (concurrent_calls.get(), old.concurrent_calls.get()),
            (queued_calls.get(), old.queued_calls.get()),
            (http_requests.get(), old.http_requests.get()),
            (request_mib.get(), old.request_mib.get()),
            (response_mib.get(), old.response_mib.get()),
            (output_mib.get(), old.output_mib.get()),
            (log_lines.get(), old.log_lines.get()),
            (events.get(), old.events.get()),
        ]
        .into_iter()
        .all(|(new, old)| new >= old)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ProviderConfig, parse};

    const OLD: &str = "
component: a.wasm
vault_key: token
secrets: { other: { hosts: [a.example], reveal: true } }
allowed_hosts: [a.example, '*.b.example']
queries: ['https://a.example/ask']
rate_limits: { ops_viewer: { reads: 60/minute }, ops_operator: unlimited }
settings: { a: b }
sandbox: { memory_mib: 32, http_requests: 8, queued_calls: 8, stack_kib: 256 }
tools:
  - { name: one, class: read, min_role: ops_operator, timeout_ms: 1000, schema_version: '1.0' }
  - { name: two, class: write, min_role: ops_admin, schema_version: '1.0' }
resources: ['a://b', 'a://c']
resources_for: ['a://b']
prompts: [ask]
";

    fn provider(text: &str) -> ProviderConfig {
        let indented = text.trim().replace('\n', "\n    ");
        let whole = format!("version: '1.0'\nproviders:\n  p:\n    {indented}\n");
        let parsed = parse("c.yaml", &whole).unwrap_or_else(|error| panic!("{error}\n{whole}"));
        parsed.providers.into_values().next().expect("a provider")
    }

    fn changed(from: &str, to: &str) -> ProviderConfig {
        assert!(OLD.contains(from), "the change of `{from}` applies");
        provider(&OLD.replace(from, to))
    }

    #[test]
    fn whatever_a_config_grants_less_of_is_withdrawn() {
        let old = provider(OLD);
        for (from, to) in [
            ("component", "enabled: false\ncomponent"),
            ("  - { name: one, class: read, min_role: ops_operator, timeout_ms: 1000, schema_version: '1.0' }\n", ""),
            ("name: two, class: write", "name: two, class: read"),
            ("min_role: ops_operator", "min_role: ops_admin"),
            ("timeout_ms: 1000", "timeout_ms: 999"),
            ("[a.example, '*.b.example']", "[a.example]"),
            ("'*.b.example'", "b.example, c.b.example"),
            ("vault_key: token", "vault_key: another"),
            ("vault_key: token\n", ""),
            ("{ other:", "{ token: { hosts: [a.example] }, other:"),
            ("hosts: [a.example], ", "hosts: [], "),
            (", reveal: true", ""),
            ("ask']", "other']"),
            ("queries: ['https://a.example/ask']\n", ""),
            ("60/minute", "59/minute"),
            ("60/minute", "1000/hour"),
            ("ops_viewer: { reads: 60/minute }, ", ""),
            ("ops_operator: unlimited", "ops_operator: { writes: 100000/second }"),
            (", ops_operator: unlimited", ""),
            ("ops_operator: unlimited", "ops_operator: unlimited, ops_admin: { reads: 5/hour }"),
            ("memory_mib: 32", "memory_mib: 31"),
            ("http_requests: 8", "http_requests: 0"),
            ("queued_calls: 8", "queued_calls: 7"),
            ("stack_kib: 256", "stack_kib: 128"),
            ("stack_kib: 256", "stack_kib: 256, concurrent_calls: 31, events: 64"),
            ("['a://b', 'a://c']", "['a://b']"),
            ("resources_for: ['a://b']\n", ""),
            ("[ask]", "[other]"),
            ("prompts: [ask]\n", ""),
        ] {
            assert!(changed(from, to).withdraws_from(&old), "`{from}` to `{to}`");
        }
        let all = changed("['a://b', 'a://c']", "all");
        assert!(old.withdraws_from(&all) && !all.withdraws_from(&old));
        let narrow = changed("'*.b.example'", "'*.c.b.example'");
        assert!(narrow.withdraws_from(&old) && !old.withdraws_from(&narrow));
    }

    #[test]
    fn what_grants_as_much_or_more_withdraws_nothing() {
        let old = provider(OLD);
        assert!(!old.withdraws_from(&old));
        for (from, to) in [
            ("a.wasm", "b.wasm"),
            ("{ a: b }", "{ a: c }"),
            ("timeout_ms: 1000", "timeout_ms: 1001"),
            ("min_role: ops_operator", "min_role: ops_viewer"),
            ("[a.example, '*.b.example']", "['*.b.example', c.example, a.example]"),
            ("{ other: {", "{ token: {}, other: {"),
            ("vault_key: token", "vault_key: token"),
            ("hosts: [a.example], ", ""),
            ("60/minute", "60/second"),
            ("ops_viewer: { reads: 60/minute }", "ops_viewer: unlimited"),
            ("memory_mib: 32", "memory_mib: 33, concurrent_calls: 33"),
            ("['a://b', 'a://c']", "['a://c', 'a://d', 'a://b']"),
            ("[ask]", "all"),
        ] {
            assert!(!changed(from, to).withdraws_from(&old), "`{from}` to `{to}`");
        }
    }
}
