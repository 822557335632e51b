//! What a hostile component says of itself, byte by byte: strings need not be text.

use super::Data;

/// A tool's description.
#[derive(Debug, Clone)]
pub struct Tool {
    pub name: Vec<u8>,
    pub title: Vec<u8>,
    pub description: Vec<u8>,
    pub input_schema: Vec<u8>,
    pub output_schema: Vec<u8>,
    pub schema_version: Vec<u8>,
    /// 0 read, 1 scan, 2 write, and what is no class.
    pub class: u8,
    pub annotations: [u8; 4],
}

impl Tool {
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            title: name.into(),
            description: b"hostile".to_vec(),
            input_schema: br#"{"type":"object"}"#.to_vec(),
            output_schema: br#"{"type":"object"}"#.to_vec(),
            schema_version: b"1.0".to_vec(),
            class: 0,
            annotations: [1, 0, 1, 0],
        }
    }

    /// Six strings, then the class, then the flags: 56 bytes.
    fn record(&self, data: &mut Data) -> Vec<u8> {
        let strings =
            [&self.name, &self.title, &self.description, &self.input_schema, &self.output_schema, &self.schema_version];
        let mut record: Vec<u8> = strings.into_iter().flat_map(|bytes| data.text(bytes)).collect();
        record.push(self.class);
        record.extend(self.annotations);
        record.resize(56, 0);
        record
    }
}

/// A resource's description.
#[derive(Debug, Clone)]
pub struct Resource {
    pub uri: Vec<u8>,
    pub template: u8,
    pub name: Vec<u8>,
}

impl Resource {
    /// A string, a flag, three strings: 36 bytes.
    fn record(&self, data: &mut Data) -> Vec<u8> {
        let mut record = data.text(&self.uri).to_vec();
        record.extend([self.template, 0, 0, 0]);
        for bytes in [&self.name[..], b"hostile", b"text/plain"] {
            record.extend(data.text(bytes));
        }
        record
    }
}

impl Resource {
    pub fn at(uri: &str) -> Self {
        Self { uri: uri.into(), template: 0, name: b"hostile".to_vec() }
    }
}

/// A prompt's description.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub name: Vec<u8>,
    pub description: Vec<u8>,
    /// Their names.
    pub arguments: Vec<Vec<u8>>,
}

impl Prompt {
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), description: b"hostile".to_vec(), arguments: Vec::new() }
    }

    /// Two strings and a list: 24 bytes.
    fn record(&self, data: &mut Data) -> Vec<u8> {
        let mut record = data.text(&self.name).to_vec();
        record.extend(data.text(&self.description));
        // An argument is two strings and a flag: 20 bytes.
        let arguments = self.arguments.iter().map(|name| [&data.text(name)[..], &data.text(b"")[..], &[0; 4]].concat());
        let arguments: Vec<_> = arguments.collect();
        record.extend(data.list(&arguments));
        record
    }
}

/// A component's description.
#[derive(Debug, Clone)]
pub struct Description {
    pub summary: Vec<u8>,
    pub version: Vec<u8>,
    pub tools: Vec<Tool>,
    pub resources: Vec<Resource>,
    pub prompts: Vec<Prompt>,
}

impl Default for Description {
    fn default() -> Self {
        Self {
            summary: b"hostile".to_vec(),
            version: b"1.0.0".to_vec(),
            tools: Vec::new(),
            resources: Vec::new(),
            prompts: Vec::new(),
        }
    }
}

impl Description {
    /// Puts it into a component's memory and gives its address.
    pub fn lay_out(&self, data: &mut Data) -> u32 {
        let tools: Vec<_> = self.tools.iter().map(|tool| tool.record(data)).collect();
        let resources: Vec<_> = self.resources.iter().map(|resource| resource.record(data)).collect();
        let prompts: Vec<_> = self.prompts.iter().map(|prompt| prompt.record(data)).collect();
        let mut record = Vec::new();
        record.extend(data.text(&self.summary));
        record.extend(data.text(&self.version));
        for list in [tools, resources, prompts] {
            record.extend(data.list(&list));
        }
        data.put(&record)
    }
}
