//! What has to hold of scrubbing and of references, whatever text comes along. The fuzz targets `scrub` and `references`
//! look for counterexamples; so do the tests below, which also try again what was ever found.

mod scrubbing;
mod substitution;

use zeroize::Zeroizing;

pub use self::{scrubbing::scrubbing, substitution::substitution};
use super::SecretValue;
use crate::config::SecretName;

fn name(text: &str) -> Option<SecretName> {
    text.parse().ok()
}

fn secret(value: &str) -> Option<SecretValue> {
    SecretValue::new(Zeroizing::new(value.to_owned())).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use bulkhead_properties::replay;

    #[test]
    fn nothing_that_fuzzing_kept_breaks_them() {
        replay("scrub", scrubbing);
        replay("references", substitution);
    }

    proptest! {
        #![proptest_config(bulkhead_properties::tries(2000))]

        #[test]
        fn no_form_of_a_value_outlives_scrubbing(
            value in r#"[ -~]{8,40}|[Z][a-zA-Z0-9]{7,20}|[ab]{8,12}|[%\\&"+/2520]{8,20}"#,
            text in r#"(\$[pfuUjJnNsbcdBCDhHwWeElLvV]|[ -~]|\\|%|%25|\\\\|&|&amp;|"|[ab]|é|\n){0,30}"#,
        ) {
            scrubbing(format!("{value}\n{text}").as_bytes());
        }

        #[test]
        fn json_stays_json(
            value in "Z[a-zA-Z0-9]{7,20}",
            texts in prop::collection::vec(r"(\$[pfuUjnNbheL]|[ -!#-~]|\\\\){0,12}", 1..4),
        ) {
            let texts: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
            scrubbing(format!("{value}\n{{\"k\":[{}]}}", texts.join(",")).as_bytes());
        }

        #[test]
        fn a_value_only_goes_where_it_may(
            url in "(https?://(one|two|free|ONE|other)\\.example(:8080)?/(\\$[12p]|[a-z?=])*)",
            headers in prop::collection::vec(("x-[ab]|authorization", "(basic )?(\\$[012phu]|[ -~]|:|ü){0,6}"), 0..4),
            body in prop::option::of("[a-z$1]{0,8}"),
        ) {
            let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            let body = body.map(|body| format!("body: {body}\n")).unwrap_or_default();
            substitution(format!("{url}\n{}{body}", headers.concat()).as_bytes());
        }
    }
}
