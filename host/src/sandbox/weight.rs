//! How large an answer is, so that every sort of answer has the same bounds.

use super::bindings::{
    CallFault, Content, Description, PromptMessage, ProviderHealth, ResourceBody, ResourceContent, ToolOutput,
};

/// What an item of a list weighs beside its texts: a list of empty ones is not for nothing.
const ITEM: usize = 64;
/// What a JSON value takes in the hub's memory, and an object beside its members, in bytes. The latter is one node of a
/// `BTreeMap`, which has room for eleven members.
const JSON_VALUE: usize = 32;
const JSON_OBJECT: usize = 640;

/// Something that came out of a guest.
pub(super) trait Weigh {
    /// Its size in bytes, near enough.
    fn bytes(&self) -> usize;

    /// What it takes in the hub's memory once it is unpacked, in bytes, near enough.
    fn unpacked(&self) -> usize {
        self.bytes()
    }
}

impl<T: Weigh> Weigh for Result<T, CallFault> {
    fn bytes(&self) -> usize {
        match self {
            Ok(answer) => answer.bytes(),
            Err(fault) => fault.message.len(),
        }
    }

    fn unpacked(&self) -> usize {
        self.as_ref().map_or(0, Weigh::unpacked)
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn bytes(&self) -> usize {
        self.iter().map(|item| ITEM + item.bytes()).sum()
    }
}

impl Weigh for ToolOutput {
    fn bytes(&self) -> usize {
        self.output.len() + self.content.bytes()
    }

    fn unpacked(&self) -> usize {
        unpacked_json(&self.output) + self.content.bytes()
    }
}

/// What a JSON text takes in memory once it is parsed. `[{"":0},{"":0},…` takes a hundred times its length.
fn unpacked_json(text: &str) -> usize {
    let mut rest = text.as_bytes();
    let mut weight = text.len();
    // Only what stands outside of strings says how many values there are.
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b',' | b':' | b'[' | b'{')) {
        weight += match rest[at] {
            b'{' => JSON_OBJECT,
            _ => JSON_VALUE,
        };
        let after = &rest[at + 1..];
        rest = if rest[at] == b'"' { after_string(after) } else { after };
    }
    weight
}

fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let escaped = usize::from(rest[at] == b'\\');
        rest = rest.get(at + 1 + escaped..).unwrap_or_default();
        if escaped == 0 {
            return rest;
        }
    }
    &[]
}

impl Weigh for Content {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Image(blob) | Self::Audio(blob) => blob.data.len() + blob.mime_type.len(),
            Self::Resource(content) => content.bytes(),
        }
    }
}

impl Weigh for ResourceContent {
    fn bytes(&self) -> usize {
        let body = match &self.body {
            ResourceBody::Text(text) => text.len(),
            ResourceBody::Blob(blob) => blob.len(),
        };
        self.uri.len() + self.mime_type.len() + body
    }
}

impl Weigh for PromptMessage {
    fn bytes(&self) -> usize {
        self.content.bytes()
    }
}

impl Weigh for Description {
    fn bytes(&self) -> usize {
        let tools = self.tools.iter().map(|tool| {
            let texts = [&tool.name, &tool.title, &tool.description, &tool.input_schema, &tool.output_schema];
            ITEM + tool.schema_version.len() + texts.map(String::len).iter().sum::<usize>()
        });
        let resources = self.resources.iter().map(|resource| {
            let texts = [&resource.uri, &resource.name, &resource.description, &resource.mime_type];
            ITEM + texts.map(String::len).iter().sum::<usize>()
        });
        let prompts = self.prompts.iter().map(|prompt| {
            let arguments = prompt.arguments.iter().map(|one| ITEM + one.name.len() + one.description.len());
            ITEM + prompt.name.len() + prompt.description.len() + arguments.sum::<usize>()
        });
        self.summary.len() + self.version.len() + tools.chain(resources).chain(prompts).sum::<usize>()
    }

    fn unpacked(&self) -> usize {
        let schemas = self.tools.iter().flat_map(|tool| [&tool.input_schema, &tool.output_schema]);
        self.bytes() + schemas.map(|schema| unpacked_json(schema)).sum::<usize>()
    }
}

impl Weigh for ProviderHealth {
    fn bytes(&self) -> usize {
        self.reason.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_weighs_what_it_unpacks_to() {
        let values = |text: &str| (unpacked_json(text) - text.len(), text.matches('{').count());
        assert_eq!(values("7"), (0, 0));
        assert_eq!(values("[]"), (JSON_VALUE, 0));
        assert_eq!(values("[{},{}]"), (2 * JSON_VALUE + 2 * JSON_OBJECT, 2));
        assert_eq!(values(r#""a, {b}: [c]""#), (JSON_VALUE, 1), "in a string they are letters");
        assert_eq!(values(r#"["\"{{\\",{}]"#).0, 3 * JSON_VALUE + JSON_OBJECT, "whatever is escaped");
        for broken in ["\"", "\"\\", "[\"a", "\"\\\""] {
            assert!(unpacked_json(broken) >= broken.len());
        }
        let bomb = format!("[{}]", vec![r#"{"":0}"#; 1000].join(","));
        assert!(unpacked_json(&bomb) > 80 * bomb.len());
        let text = format!("[\"{}\"]", "a".repeat(1000));
        assert!(unpacked_json(&text) < text.len() + 100);
    }
}
