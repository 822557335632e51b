//! Reading JSON with errors that name the field.

use serde::de::DeserializeOwned;

/// Where and why a JSON document does not fit the type.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    /// Valid or not, the document is wrong at `path`.
    #[error("at `{path}`: {why}")]
    At {
        /// Dotted, with indices, such as `items[2].name`.
        path: String,
        /// serde's own words.
        why: String,
    },
    /// The document as a whole is wrong.
    #[error("{0}")]
    Whole(String),
}

pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let why = error.into_inner().to_string();
        if path == "." { JsonError::Whole(why) } else { JsonError::At { path, why } }
    })?;
    deserializer.end().map_err(|error| JsonError::Whole(error.to_string()))?;
    Ok(value)
}
