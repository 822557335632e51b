//! Numbers with bounds that are checked where they are parsed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// Defines a number that cannot be out of its bounds, with its default; one in MiB knows its bytes too.
macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $least:literal..=$most:literal, $default:literal, MiB) => {
        bounded!($(#[$doc])* $name, $least..=$most, $default, "MiB");

        impl $name {
            /// The number in bytes.
            #[must_use]
            pub const fn bytes(self) -> u64 {
                self.0 as u64 * 1024 * 1024
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, $least:literal..=$most:literal, $default:literal, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(try_from = "u32")]
        pub struct $name(u32);

        impl $name {
            /// The number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }

        impl TryFrom<u32> for $name {
            type Error = String;
            fn try_from(value: u32) -> Result<Self, String> {
                if ($least..=$most).contains(&value) {
                    Ok(Self(value))
                } else {
                    Err(format!("{value} is out of bounds: use {} to {} {}", $least, $most, $unit))
                }
            }
        }
    };
}

pub(super) use bounded;

bounded!(/// A tool's time limit, in milliseconds.
    ToolTimeout, 100..=30_000, 5_000, "milliseconds");

impl ToolTimeout {
    /// The limit as a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0))
    }
}
