//! The ways out that a component can take. All rules hold at each of them.

use super::table::End;

/// A component with the tool `fetch.get`, which takes `{url, headers}` and answers with `{status, body, location}` or says
/// how the gate refused: `denied-host: …`.
#[derive(Debug)]
pub struct Door {
    /// The component, as `cargo xtask build` calls it.
    pub component: &'static str,
    /// Whether a refusal carries the gate's own text after its name.
    pub tells_why: bool,
    /// Cases that rightly end with another name than at the first door: where a toolchain's own client refuses a URL before
    /// the gate sees it. A refusal always stays a refusal; see [`Door::end_of`].
    pub differs: &'static [(&'static str, End)],
}

/// Every door.
pub const DOORS: &[Door] = &[
    Door { component: "testbed", tells_why: true, differs: &[] },
    Door { component: "second-door", tells_why: false, differs: &ASCII_ONLY },
];

/// `wasi:http` takes an authority of ASCII letters only, and none that is percent-encoded: such URLs do not come as far as
/// the gate.
const ASCII_ONLY: [(&str, End); 13] = [
    ("idn-fullwidth-letters", End::InvalidRequest),
    ("idn-homoglyph-below", End::InvalidRequest),
    ("idn-homoglyph-of-parent", End::InvalidRequest),
    ("idn-sharp-s-is-not-two", End::InvalidRequest),
    ("idn-written-in-unicode", End::InvalidRequest),
    ("named-encoded-letters", End::InvalidRequest),
    ("v4-circled-digits", End::InvalidRequest),
    ("v4-encoded-digits", End::InvalidRequest),
    ("v4-encoded-dots", End::InvalidRequest),
    ("v4-fullwidth-digits", End::InvalidRequest),
    ("v4-fullwidth-dots", End::InvalidRequest),
    ("v4-ideographic-dots", End::InvalidRequest),
    ("v4-soft-hyphen", End::InvalidRequest),
];

impl Door {
    /// How the first call of a case ends at this door, where the table says `end`.
    pub fn end_of(&self, case: &str, end: End) -> End {
        let Some((_, other)) = self.differs.iter().find(|(name, _)| *name == case) else { return end };
        assert_ne!(*other, End::Reaches, "{case}: a door may refuse in other words, never let more through");
        *other
    }
}
