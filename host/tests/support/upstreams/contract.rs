//! Holds what our providers asked against the vendor's OpenAPI, with Prism as the judge. `extract.py` made the contracts.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::Asked;
use crate::support::tools::test_tool;

/// Prism, serving one vendor's contract. Ends when dropped.
pub struct Contract {
    prism: Child,
    url: String,
    document: Value,
}

impl Contract {
    /// Starts Prism on `contracts/{vendor}.json` and waits until it listens.
    pub fn of(vendor: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/support/upstreams/contracts")
            .join(format!("{vendor}.json"));
        let text = std::fs::read_to_string(&file).expect("a contract");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let bin = test_tool("node", "node_modules/.bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([bin.clone()].into_iter().chain(std::env::split_paths(&path))).expect("a PATH");
        let mut prism = Command::new(bin.join("prism"))
            .args(["mock", "--errors", "--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(&file)
            .env("PATH", path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("prism starts");
        let mut lines = BufReader::new(prism.stdout.take().expect("piped")).lines();
        let mut said = String::new();
        let listening = lines.by_ref().map_while(Result::ok).any(|line| {
            said.push_str(&line);
            said.push('\n');
            line.contains("is listening")
        });
        assert!(listening, "prism ended before it listened: {said}");
        // Keep reading, or Prism stops when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { prism, url: format!("http://127.0.0.1:{port}"), document: serde_json::from_str(&text).expect("JSON") }
    }

    /// Asserts that each request is one that the vendor's document allows. `prefix` is the part of the paths that the
    /// document leaves to its server's address.
    pub async fn judge(&self, asked: &[Asked], prefix: &str) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        assert!(!asked.is_empty(), "nothing was asked");
        for one in asked {
            let path = one.path.strip_prefix(prefix).unwrap_or_else(|| panic!("{} is not below {prefix}", one.path));
            let method: reqwest::Method = one.method.parse().expect("a method");
            let mut request = client.request(method, format!("{}{path}", self.url)).body(one.body.clone());
            for (name, value) in
                one.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length"))
            {
                request = request.header(name, value);
            }
            let reply = request.send().await.expect("prism answers");
            let (status, text) = (reply.status().as_u16(), reply.text().await.expect("a body"));
            assert!(status < 400, "not a legal request: {one:?}\n{status} {text}");
            self.judge_query(&one.method, path);
        }
    }

    /// Prism lets unknown query parameters pass; a misspelt filter would silently filter nothing.
    fn judge_query(&self, method: &str, path: &str) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let fits = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            template.len() == path.len() && template.iter().zip(&path).all(|(t, p)| t.starts_with('{') || t == p)
        };
        let paths = self.document["paths"].as_object().expect("paths");
        let item = paths.iter().find(|(template, item)| fits(template) && item.get(method.to_lowercase()).is_some());
        let (_, item) = item.unwrap_or_else(|| panic!("{method} {path} is not in the contract"));
        let operation = &item[method.to_lowercase()];
        let lists = [&item["parameters"], &operation["parameters"]];
        let parameters: Vec<&Value> = lists.iter().filter_map(|list| list.as_array()).flatten().collect();
        let known = |name: &str| {
            parameters.iter().any(|parameter| {
                let parameter = match parameter["$ref"].as_str() {
                    Some(pointer) => self.document.pointer(pointer.trim_start_matches('#')).expect("a parameter"),
                    None => parameter,
                };
                parameter["in"] == "query" && parameter["name"] == name
            })
        };
        for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
            assert!(known(&name), "{method} {path} has no query parameter `{name}`");
        }
    }
}

impl Drop for Contract {
    fn drop(&mut self) {
        let _ = self.prism.kill();
        let _ = self.prism.wait();
    }
}
