//! Resources within answers, labelled with whatever URI is asked for.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::{Answer, Messages, PromptRole, ResourceBody, ResourceContent};

use crate::{DONE, Done};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Embed {
    /// The URI that the resource says it has.
    uri: String,
}

fn embedded(uri: &str) -> Content {
    Content::Resource(ResourceContent {
        uri: uri.to_owned(),
        mime_type: "text/plain".to_owned(),
        body: ResourceBody::Text("embedded".to_owned()),
    })
}

pub(crate) fn tool(_cx: &Context, input: Embed) -> Result<Answer<Done>, CallError> {
    Ok(Answer::new(DONE).content(embedded(&input.uri)))
}

pub(crate) fn prompt(_cx: &Context, arguments: &Arguments) -> Result<Messages, CallError> {
    Ok(Messages::new().user("See:").push(PromptRole::User, embedded(arguments.require("uri")?)))
}
