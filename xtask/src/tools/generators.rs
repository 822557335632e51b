//! What others make clients of an OpenAPI document with: two generators for TypeScript and its compiler in
//! `generators/node_modules/.bin`, one for Python in an environment of its own, `generators/python`.

use std::path::Path;

use anyhow::Result;

use super::{node, python};
use crate::versions::{HEY_API, OPENAPI_PYTHON_CLIENT, OPENAPI_TYPESCRIPT, TYPESCRIPT};
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    format!(
        "openapi-typescript {OPENAPI_TYPESCRIPT}, hey-api {HEY_API}, typescript {TYPESCRIPT}, \
         openapi-python-client {OPENAPI_PYTHON_CLIENT}"
    )
}

/// Installs all of them. The Node that they run on is that of the tool `node`.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let packages = [
        format!("openapi-typescript@{OPENAPI_TYPESCRIPT}"),
        format!("@hey-api/openapi-ts@{HEY_API}"),
        format!("typescript@{TYPESCRIPT}"),
    ];
    node::packages(workspace, folder, "npm-generators", &packages)?;
    let client = [format!("openapi-python-client=={OPENAPI_PYTHON_CLIENT}")];
    python::environment(workspace, &folder.join("python"), "generators", &client)
}
