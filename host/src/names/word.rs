//! Enums whose variants are words: one spelling each, in rows, in the log, in answers and in the config.

/// A word that is none of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word:.64}` is no {kind} that this hub knows: a newer hub, or somebody else, wrote it")]
pub struct UnknownWord {
    /// What it should have been.
    pub kind: &'static str,
    /// What it is.
    pub word: String,
}

/// Defines an enum with the word of each variant behind it: that is its text, and is read as it.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident: $kind:literal {
            $($(#[$of_variant:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name {
            $($(#[$of_variant])* $variant,)+
        }

        impl $name {
            /// Each of them, in the order of their definition.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::names::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::names::UnknownWord { kind: $kind, word: word.to_owned() }),
                }
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum as _;

    use super::super::{
        Code, ItemKind, Kept, OperationKind, Role, Severity, StatementKind, Surface, ToolClass, ToolRole,
    };

    macro_rules! each_reads_back {
        ($($name:ty),+) => { $(
            let words: BTreeSet<_> = <$name>::ALL.iter().map(|one| one.as_str()).collect();
            assert_eq!(words.len(), <$name>::ALL.len(), "two of them have one word");
            for one in <$name>::ALL {
                assert_eq!(one.as_str().parse::<$name>(), Ok(*one));
                assert!(one.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{one}");
            }
            let told = "Rest".parse::<$name>().expect_err("no word").to_string();
            assert!(told.starts_with("`Rest` is no "), "{told}");
        )+ };
    }

    #[test]
    fn every_word_is_read_as_what_it_stands_for() {
        each_reads_back!(
            Code,
            ItemKind,
            Kept,
            OperationKind,
            Role,
            Severity,
            StatementKind,
            Surface,
            ToolClass,
            ToolRole
        );
    }

    #[test]
    fn a_word_is_the_same_in_tokens_config_answers_and_on_the_command_line() {
        assert_eq!(Role::ALL, Role::value_variants());
        for role in Role::ALL {
            assert_eq!(serde_json::json!(role), role.as_str());
            assert_eq!(role.to_possible_value().expect("a value").get_name(), role.as_str());
        }
        for role in ToolRole::ALL {
            assert_eq!(serde_json::json!(role), role.as_str());
        }
        for class in ToolClass::ALL {
            assert_eq!(serde_json::json!(class), class.as_str());
        }
        for code in Code::ALL {
            assert_eq!(serde_json::json!(code), code.as_str());
        }
    }
}
