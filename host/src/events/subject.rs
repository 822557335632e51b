//! Subjects of NATS: words separated by dots, in which `*`, `>`, spaces and what is not ASCII mean something else, or nothing.

use crate::config::SubjectPrefix;

/// The longest word of a type that is part of a subject, in characters.
const WORD_MAX: usize = 128;

/// The subject of an event: `PREFIX.providers.NAME.TYPE` or `PREFIX.hub.TYPE`. Whatever cannot stand in one becomes `_`; the
/// event itself says what it is.
pub(super) fn subject(prefix: &SubjectPrefix, source: &str, event_type: &str) -> String {
    let source = source.trim_start_matches('/').replace('/', ".");
    format!("{}.{}.{}", prefix.as_str(), safe(&source), safe(event_type))
}

fn safe(text: &str) -> String {
    let word = |word: &str| {
        let word: String = word.chars().take(WORD_MAX).map(|c| if is_plain(c) { c } else { '_' }).collect();
        if word.is_empty() { "_".to_owned() } else { word }
    };
    text.split('.').map(word).collect::<Vec<_>>().join(".")
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_subject_has_the_source_and_the_type() {
        let of = |source, event_type| subject(&SubjectPrefix::default(), source, event_type);
        assert_eq!(
            of("/providers/hello-rs", "org.example.added"),
            "bulkhead.events.providers.hello-rs.org.example.added"
        );
        assert_eq!(of("/hub", "bulkhead.provider.down"), "bulkhead.events.hub.bulkhead.provider.down");
        for (unsafe_type, safe) in [("a..b", "a._.b"), (".", "_._"), ("a.*.>", "a._._"), ("a b", "a_b"), ("ä\n", "__")]
        {
            assert_eq!(of("/hub", unsafe_type), format!("bulkhead.events.hub.{safe}"));
        }
    }

    proptest! {
        #[test]
        fn whatever_a_type_is_the_subject_stays_below_its_source_and_has_no_wildcard(event_type in ".*") {
            let subject = subject(&SubjectPrefix::default(), "/providers/p", &event_type);
            prop_assert!(subject.starts_with("bulkhead.events.providers.p."));
            prop_assert!(subject.split('.').all(|word| !word.is_empty() && word.chars().all(is_plain)));
        }
    }
}
