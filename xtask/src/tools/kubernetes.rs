//! What holds manifests against the schema of Kubernetes, in an environment of its own. Afterwards
//! `kubernetes/bin/kubernetes-validate` starts it.

use std::path::Path;

use anyhow::Result;

use super::python;
use crate::versions::KUBERNETES_VALIDATE;
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    format!("kubernetes-validate {KUBERNETES_VALIDATE}")
}

/// Makes the environment and installs it, schemas included.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    python::environment(workspace, folder, "kubernetes", &[format!("kubernetes-validate=={KUBERNETES_VALIDATE}")])
}
