//! Package URLs, by which packages are named in every output.

use bulkhead_sdk::http::percent_encode;
use bulkhead_sdk::prelude::*;

/// The parts of a package's name, as Socket gives them.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Package {
    #[serde(rename = "type")]
    ecosystem: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    version: Option<String>,
}

impl Package {
    /// From its parts.
    pub fn new(
        ecosystem: Option<String>,
        namespace: Option<String>,
        name: Option<String>,
        version: Option<String>,
    ) -> Self {
        Self { ecosystem, namespace, name, version }
    }

    /// As a package URL, such as `pkg:npm/%40babel/core@7.0.0`. `None` without an ecosystem and a name.
    pub fn url(&self) -> Option<String> {
        let mut url = format!("pkg:{}", self.ecosystem.as_deref()?);
        let name = self.name.as_deref().filter(|name| !name.is_empty())?;
        let path = self.namespace.iter().flat_map(|namespace| namespace.split('/')).chain([name]);
        for segment in path.filter(|segment| !segment.is_empty()) {
            url.push('/');
            url.push_str(&percent_encode(segment));
        }
        if let Some(version) = self.version.as_deref().filter(|version| !version.is_empty()) {
            url.push('@');
            url.push_str(&percent_encode(version));
        }
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::Package;

    #[test]
    fn names_become_package_urls() {
        let url = |parts: [&str; 4]| {
            let [ecosystem, namespace, name, version] =
                parts.map(|part| Some(part.to_owned()).filter(|part| !part.is_empty()));
            Package::new(ecosystem, namespace, name, version).url()
        };
        for (parts, expected) in [
            (["npm", "@babel", "core", "7.0.0"], Some("pkg:npm/%40babel/core@7.0.0")),
            (["npm", "", "lodash", ""], Some("pkg:npm/lodash")),
            (["golang", "github.com/gorilla", "mux", "v1.8.0"], Some("pkg:golang/github.com/gorilla/mux@v1.8.0")),
            (["pypi", "", "django", "5.0+local"], Some("pkg:pypi/django@5.0%2Blocal")),
            (["npm", "", "", "1"], None),
            (["", "", "lodash", "1"], None),
        ] {
            assert_eq!(url(parts).as_deref(), expected);
        }
    }
}
