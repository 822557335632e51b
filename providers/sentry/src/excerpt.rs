//! Long texts made short: an agent pays for every word.

/// The first so many characters, with an ellipsis where something is missing.
pub fn cut(text: String, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// As [`cut`]; an empty text is none.
pub fn cut_some(text: Option<String>, max_chars: usize) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).map(|text| cut(text, max_chars))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert_eq!(cut("äöü".to_owned(), 3), "äöü");
        assert_eq!(cut("äöü".to_owned(), 2), "äö…");
        assert_eq!(cut_some(Some(" ".to_owned()), 2), None);
    }
}
