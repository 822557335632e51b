//! One byte of a value in each of its spellings.

/// How often an encoding may be applied to its own output: `%252525`, seven backslashes before a quote, `&amp;amp;`.
const NESTED: usize = 3;
/// What one backslash becomes when it is escaped [`NESTED`] times, and the most that can stand before a character then.
pub(super) const BACKSLASHES: usize = 1 << NESTED;
/// The most places where one byte can end: more than the forms above can give.
const PLACES: usize = 16;

/// The characters that HTML has short names for.
pub(super) const NAMED: [(&str, u8); 5] =
    [("amp;", b'&'), ("quot;", b'"'), ("lt;", b'<'), ("gt;", b'>'), ("apos;", b'\'')];

/// A byte, and how forms write it: a space as `+`.
pub(super) fn aliases(byte: u8) -> impl Iterator<Item = u8> {
    [byte].into_iter().chain((byte == b' ').then_some(b'+'))
}

pub(super) fn hex_digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)])
}

/// Notes where `wanted` ends if it is written at `at`.
pub(super) fn ends(text: &[u8], at: usize, wanted: u8, places: &mut Places) {
    percent_or_reference(text, at, wanted, places);
    escape(text, at, wanted, places);
    plain(text, at, wanted, places);
}

pub(super) fn percent_or_reference(text: &[u8], at: usize, wanted: u8, places: &mut Places) {
    match text.get(at) {
        Some(b'%') => percent(text, at + 1, wanted, places),
        Some(b'&') => reference(text, at + 1, wanted, places),
        _ => {}
    }
}

pub(super) fn plain(text: &[u8], at: usize, wanted: u8, places: &mut Places) {
    if text.get(at) == Some(&wanted) {
        places.add(at + 1);
    }
}

/// Behind a percent sign: two hexadecimal digits, after any number of `25`.
fn percent(text: &[u8], mut at: usize, wanted: u8, places: &mut Places) {
    for _ in 0..=NESTED {
        let Some(byte) = hex(text, at, 2) else { return };
        at += 2;
        if byte == u32::from(wanted) {
            places.add(at);
        }
        if byte != u32::from(b'%') {
            return;
        }
    }
}

/// Backslashes, each plain or each percent-encoded: where the one at `at` ends.
fn backslash(text: &[u8], at: usize, encoded: bool) -> Option<usize> {
    match text.get(at)? {
        b'\\' if !encoded => Some(at + 1),
        b'%' if encoded && hex(text, at + 1, 2) == Some(u32::from(b'\\')) => Some(at + 3),
        _ => None,
    }
}

/// So many backslashes in a row, each escaped some times; `last` if nothing follows them.
pub(super) fn backslashes(text: &[u8], at: usize, wanted: usize, last: bool, places: &mut Places) {
    let encoded = text.get(at) == Some(&b'%');
    let (mut end, mut before, mut count) = (at, at, 0);
    while let Some(next) = backslash(text, end, encoded).filter(|_| count < wanted * BACKSLASHES) {
        (before, end, count) = (end, next, count + 1);
    }
    if count >= wanted && (last || backslash(text, end, encoded).is_none()) {
        places.add(end);
    }
    if count > wanted {
        // The last one may belong to what follows.
        places.add(before);
    }
    // Each by its number.
    let mut coded = Some(at);
    for _ in 0..wanted {
        let mut one = Places::default();
        if let Some(at) = coded {
            escape(text, at, b'\\', &mut one);
            percent_or_reference(text, at, b'\\', &mut one);
        }
        coded = one.as_slice().iter().max().copied();
    }
    if let Some(end) = coded {
        places.add(end);
    }
}

/// Where a run of backslashes at `at` ends that may escape something.
pub(super) fn after_backslashes(text: &[u8], at: usize) -> usize {
    let encoded = text.get(at) == Some(&b'%');
    let mut behind = at;
    for _ in 0..BACKSLASHES {
        let Some(next) = backslash(text, behind, encoded) else { break };
        behind = next;
    }
    behind
}

/// A run of backslashes and what they escape.
pub(super) fn escape(text: &[u8], at: usize, wanted: u8, places: &mut Places) {
    let behind = after_backslashes(text, at);
    if behind == at {
        return;
    }
    match text.get(behind) {
        // No encoder escapes a letter or digit in this way; `\n` means something else.
        Some(byte) if *byte == wanted && !byte.is_ascii_alphanumeric() => places.add(behind + 1),
        Some(b'%') => percent(text, behind + 1, wanted, places),
        Some(b'x') => coded(hex(text, behind + 1, 2), text, behind + 3, wanted, places),
        Some(b'u') if text.get(behind + 1) == Some(&b'{') => {
            let (code, end) = number(text, behind + 2, 16);
            if code == Some(u32::from(wanted)) && text.get(end) == Some(&b'}') {
                places.add(end + 1);
            }
        }
        Some(b'u') => coded(hex(text, behind + 1, 4), text, behind + 5, wanted, places),
        _ => {}
    }
}

/// A character that is given by its number. If it is the sign that begins another encoding, that goes on behind it.
fn coded(code: Option<u32>, text: &[u8], behind: usize, wanted: u8, places: &mut Places) {
    let Some(code) = code else { return };
    if code == u32::from(wanted) {
        places.add(behind);
    }
    if code == u32::from(b'%') {
        percent(text, behind, wanted, places);
    } else if code == u32::from(b'&') {
        reference(text, behind, wanted, places);
    }
}

/// Behind an ampersand: the name or the number of a character, after any number of `amp;`.
fn reference(text: &[u8], mut at: usize, wanted: u8, places: &mut Places) {
    for _ in 0..=NESTED {
        let rest = text.get(at..).unwrap_or_default();
        if let Some((name, _)) = NAMED.iter().find(|(name, byte)| *byte == wanted && rest.starts_with(name.as_bytes()))
        {
            places.add(at + name.len());
        }
        if let Some(b'#') = rest.first() {
            let is_hex = matches!(rest.get(1), Some(b'x' | b'X'));
            let (code, end) = if is_hex { number(text, at + 2, 16) } else { number(text, at + 1, 10) };
            if code == Some(u32::from(wanted)) && text.get(end) == Some(&b';') {
                places.add(end + 1);
            }
        }
        if !rest.starts_with(b"amp;") {
            return;
        }
        at += "amp;".len();
    }
}

/// The value of so many hexadecimal digits, in either case.
fn hex(text: &[u8], at: usize, digits: usize) -> Option<u32> {
    let digits = text.get(at..at + digits)?;
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// A number of one to eight digits, and where it ends.
fn number(text: &[u8], at: usize, radix: u32) -> (Option<u32>, usize) {
    let mut value = None;
    let mut end = at;
    while let Some(digit) = text.get(end).filter(|_| end - at < 8).and_then(|digit| char::from(*digit).to_digit(radix))
    {
        value = Some(value.unwrap_or(0_u32).wrapping_mul(radix).wrapping_add(digit));
        end += 1;
    }
    (value, end)
}

/// A few places in a text, each once.
pub(super) struct Places {
    places: [usize; PLACES],
    count: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self { places: [0; PLACES], count: 0 }
    }
}

impl Places {
    pub(super) fn at(start: usize) -> Self {
        let mut places = Self::default();
        places.add(start);
        places
    }

    pub(super) fn add(&mut self, place: usize) {
        if self.count < PLACES && !self.as_slice().contains(&place) {
            self.places[self.count] = place;
            self.count += 1;
        }
    }

    pub(super) fn as_slice(&self) -> &[usize] {
        &self.places[..self.count]
    }
}
