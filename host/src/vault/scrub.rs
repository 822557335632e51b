//! Takes secret values out of what comes back, in the forms an upstream might repeat them.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use super::SecretValue;
use crate::config::SecretName;

/// One secret's forms and what is shown in their place.
pub(super) struct Scrubber {
    forms: Vec<Zeroizing<String>>,
    shown: String,
}

impl Scrubber {
    pub(super) fn new(name: &SecretName, value: &SecretValue) -> Self {
        let plain = value.expose();
        let mut forms: Vec<String> = vec![
            plain.to_owned(),
            url::form_urlencoded::byte_serialize(plain.as_bytes()).collect(),
            serde_json::Value::from(plain).to_string().trim_matches('"').to_owned(),
        ];
        // Base64 writes the value in three ways, depending on what stands before it, such as the user's name in Basic
        // credentials. Characters that also hold bits of a neighbour are left out.
        for before in 0..3 {
            let bytes = Zeroizing::new([&[0; 2][..before], plain.as_bytes()].concat());
            let (shared_first, shared_last) = ([0, 2, 3][before], usize::from(bytes.len() % 3 != 0));
            for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)].map(Zeroizing::new) {
                forms.push(text[shared_first..text.len() - shared_last].to_owned());
            }
        }
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self { forms: forms.into_iter().map(Zeroizing::new).collect(), shown: format!("[secret {name}]") }
    }

    /// Replaces every form of the value in `text`.
    pub(super) fn text(&self, text: &mut String) {
        for form in &self.forms {
            if text.contains(form.as_str()) {
                *text = text.replace(form.as_str(), &self.shown);
            }
        }
    }

    /// Replaces every form of the value in `bytes`, which need not be text.
    pub(super) fn bytes(&self, bytes: &mut Vec<u8>) {
        for form in &self.forms {
            let form = form.as_bytes();
            let mut from = 0;
            while let Some(at) = find(&bytes[from..], form) {
                let start = from + at;
                bytes.splice(start..start + form.len(), self.shown.bytes());
                from = start + self.shown.len();
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_replaced_in_text_and_bytes() {
        let value = SecretValue::new(Zeroizing::new("p4ss/w\"rd+1".to_owned())).expect("a secret");
        let scrubber = Scrubber::new(&"api_key".parse().expect("name"), &value);
        let mut text = format!(
            "a p4ss/w\"rd+1 b p4ss%2Fw%22rd%2B1 c {} d {{\"k\":\"p4ss/w\\\"rd+1\"}} e {} f {}",
            base64::engine::general_purpose::STANDARD.encode("p4ss/w\"rd+1"),
            base64::engine::general_purpose::STANDARD.encode("ada:p4ss/w\"rd+1"),
            base64::engine::general_purpose::STANDARD.encode("adam:p4ss/w\"rd+1 and more"),
        );
        let mut bytes = [b"\xff\xfe".as_slice(), text.as_bytes(), b"\x00p4ss/w\"rd+1"].concat();
        scrubber.text(&mut text);
        assert_eq!(text.matches("[secret api_key]").count(), 6, "{text}");
        assert!(!text.contains("p4ss"));
        scrubber.bytes(&mut bytes);
        assert_eq!(String::from_utf8_lossy(&bytes).matches("[secret api_key]").count(), 7);
    }
}
