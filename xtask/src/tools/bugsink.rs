//! Bugsink, which takes and shows errors as Sentry does, in an environment of its own. Afterwards its programs are in
//! `bugsink/bin`.

use std::path::Path;

use anyhow::Result;

use super::python;
use crate::versions::{BUGSINK, GUNICORN};
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    format!("bugsink {BUGSINK}, gunicorn {GUNICORN}")
}

/// Makes the environment and installs the server.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    python::environment(workspace, folder, "bugsink", &[format!("bugsink=={BUGSINK}"), format!("gunicorn=={GUNICORN}")])
}
