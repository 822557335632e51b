//! Rate limits as the config writes them.

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

use super::filled::present;
use crate::names::{ToolClass, ToolRole};

/// The most calls a quota may allow: each is remembered for the length of its window.
const CALLS_MAX: u32 = 100_000;

/// Why a quota was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a quota: write `<calls>/<second|minute|hour|day>` with 1 to 100000 calls, such as `100/hour`, or `unlimited`"
)]
pub struct QuotaError(String);

/// So many calls in a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls allowed in the window, 1 to 100,000.
    pub calls: u32,
    /// The window's length.
    pub window: Duration,
}

impl Quota {
    const fn hourly(calls: u32) -> Self {
        Self { calls, window: Duration::from_hours(1) }
    }
}

impl std::str::FromStr for Quota {
    type Err = QuotaError;
    fn from_str(raw: &str) -> Result<Self, QuotaError> {
        let refused = || QuotaError(raw.chars().take(40).collect());
        let (calls, unit) = raw.split_once('/').ok_or_else(refused)?;
        let seconds = match unit.trim() {
            "second" => 1,
            "minute" => 60,
            "hour" => 3600,
            "day" => 86_400,
            _ => return Err(refused()),
        };
        let calls: u32 = calls.trim().parse().map_err(|_| refused())?;
        if (1..=CALLS_MAX).contains(&calls) {
            Ok(Self { calls, window: Duration::from_secs(seconds) })
        } else {
            Err(refused())
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.window.as_secs() {
            1 => "second",
            60 => "minute",
            3600 => "hour",
            _ => "day",
        };
        write!(f, "{}/{unit}", self.calls)
    }
}

impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a role may do in a window.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum RoleQuota {
    /// `unlimited`: not counted, still audited.
    Unlimited(#[schemars(with = "String")] Unlimited),
    /// A quota per class.
    PerClass(ClassQuotas),
}

/// The word `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlimited;

/// Quotas per class; a class that is left out has its role's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassQuotas {
    /// Calls of class read, such as `100/hour`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<String>")]
    pub reads: Option<Quota>,
    /// Calls of class scan.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<String>")]
    pub scans: Option<Quota>,
    /// Calls of class write.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<String>")]
    pub writes: Option<Quota>,
}

// By hand, because an untagged enum would answer a mistake in a quota with "did not match any variant".
impl<'de> Deserialize<'de> for RoleQuota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = RoleQuota;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`unlimited` or quotas per class, such as `{ reads: 100/hour }`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RoleQuota, E> {
                match text {
                    "unlimited" => Ok(RoleQuota::Unlimited(Unlimited)),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<RoleQuota, A::Error> {
                ClassQuotas::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(RoleQuota::PerClass)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Rate limits of one provider by role; a role that is left out has the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateLimits(BTreeMap<ToolRole, RoleQuota>);

// By hand, because a map alone takes the last of two entries of one role.
impl<'de> Deserialize<'de> for RateLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = RateLimits;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("limits by role, such as `{ ops_viewer: { reads: 100/hour } }`")
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<RateLimits, E> {
                Ok(RateLimits::default())
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<RateLimits, A::Error> {
                let mut limits = BTreeMap::new();
                // As a text: of anything else, what tells where a mistake is would not know the name.
                while let Some(name) = map.next_key::<String>()? {
                    let role: ToolRole = name.parse().map_err(|_| no_role(&name))?;
                    if limits.insert(role, map.next_value()?).is_some() {
                        return Err(A::Error::custom(format_args!("{role} is there twice: write its limits once")));
                    }
                }
                Ok(RateLimits(limits))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn no_role<E: serde::de::Error>(name: &str) -> E {
    let roles: Vec<_> = ToolRole::ALL.iter().map(|role| format!("`{role}`")).collect();
    E::custom(format_args!("`{name:.64}` is no role that may use tools: write one of {}", roles.join(", ")))
}

impl JsonSchema for RateLimits {
    fn schema_name() -> Cow<'static, str> {
        "RateLimits".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let of = |role: ToolRole| {
            let mut schema = generator.subschema_for::<Option<RoleQuota>>();
            schema.insert("description".to_owned(), format!("Limits of callers with the role {role}.").into());
            (role.to_string(), schema.to_value())
        };
        let properties: Map<String, Value> = ToolRole::ALL.iter().copied().map(of).collect();
        json_schema!({
            "description": "Rate limits of one provider by role.",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        })
    }
}

impl RateLimits {
    /// The most calls that the quota of any role counts for tools of `class`.
    #[must_use]
    pub fn largest(&self, class: ToolClass) -> u32 {
        let quotas = ToolRole::ALL.iter().filter_map(|role| self.quota(*role, class));
        quotas.map(|quota| quota.calls).max().unwrap_or_default()
    }

    /// The quota that binds `role` for tools of `class`; `None` is unlimited.
    #[must_use]
    pub fn quota(&self, role: ToolRole, class: ToolClass) -> Option<Quota> {
        match self.0.get(&role) {
            Some(RoleQuota::Unlimited(_)) => None,
            Some(RoleQuota::PerClass(quotas)) => quotas.of(class).or_else(|| default_quota(role, class)),
            None => default_quota(role, class),
        }
    }
}

impl ClassQuotas {
    fn of(&self, class: ToolClass) -> Option<Quota> {
        match class {
            ToolClass::Read => self.reads,
            ToolClass::Scan => self.scans,
            ToolClass::Write => self.writes,
        }
    }
}

/// What binds a role when the config is silent (requirement G8). A role that is not named here has what the nearest one
/// below it has.
fn default_quota(role: ToolRole, class: ToolClass) -> Option<Quota> {
    match class {
        _ if role >= ToolRole::OpsAdmin => None,
        ToolClass::Read if role >= ToolRole::OpsOperator => Some(Quota::hourly(200)),
        ToolClass::Read => Some(Quota::hourly(100)),
        ToolClass::Scan | ToolClass::Write => Some(Quota::hourly(50)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_calls_per_window() {
        assert_eq!("100/hour".parse(), Ok(Quota::hourly(100)));
        assert_eq!("7/minute".parse::<Quota>().map(|quota| quota.to_string()), Ok("7/minute".to_owned()));
        for wrong in ["", "100", "100/week", "0/hour", "-1/hour", "100001/hour", "1.5/hour", "/hour"] {
            assert!(wrong.parse::<Quota>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_class_that_is_left_out_has_the_default_and_never_none() {
        let limits: RateLimits =
            serde_json::from_str(r#"{"ops_operator": {"scans": "5/hour"}, "ops_viewer": "unlimited"}"#).expect("valid");
        assert_eq!(limits.quota(ToolRole::OpsOperator, ToolClass::Scan), Some(Quota::hourly(5)));
        assert_eq!(limits.quota(ToolRole::OpsOperator, ToolClass::Read), Some(Quota::hourly(200)));
        assert_eq!(limits.quota(ToolRole::OpsViewer, ToolClass::Read), None);
        assert_eq!(RateLimits::default().quota(ToolRole::OpsViewer, ToolClass::Read), Some(Quota::hourly(100)));
        assert_eq!(RateLimits::default().quota(ToolRole::OpsAdmin, ToolClass::Write), None);
    }

    #[test]
    fn limits_are_of_roles_each_once() {
        for (wrong, told) in [
            (r#"{"ops_viewer": "unlimited", "ops_viewer": {}}"#, "ops_viewer is there twice"),
            (r#"{"root": "unlimited"}"#, "`root` is no role that may use tools: write one of `ops_viewer`, "),
            (r#"{"ops_viewer": null}"#, "unlimited"),
            (r#"["unlimited"]"#, "limits by role"),
        ] {
            let error = serde_json::from_str::<RateLimits>(wrong).expect_err(wrong).to_string();
            assert!(error.contains(told), "{wrong}: {error}");
        }
    }
}
