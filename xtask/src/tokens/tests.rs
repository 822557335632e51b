//! Every kind is found, look-alikes are not, and the repository holds none. What is to be found is put together here, so
//! that this file is clean as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Finding, files, kinds, scan};

const WORD: &[u8] = b"aB3dE5fG7hJ9kL1mN0pQ2rS4tU6vW8xYzZ";
const CAPITALS: &[u8] = b"A2B3C4D5E6F7GHIJKLMN";
const HEX: &[u8] = b"0f1e2d3c4b5a69788796";

/// Text that looks drawn, the same each time.
fn drawn(length: usize, letters: &[u8]) -> String {
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        letters[(*state >> 16) as usize % letters.len()]
    };
    let mut state = 7;
    (0..length).map(|_| char::from(next(&mut state))).collect()
}

/// A line, and the kind that is in it.
fn credentials() -> Vec<(String, &'static str)> {
    let word = |length| drawn(length, WORD);
    let prefixed = |begins: &str, length| format!("let key = \"{begins}{}\";", word(length));
    let jwt = format!("eyJ{}.eyJ{}.{}", word(30), word(80), word(43));
    let pem = |label: &str| format!("-----BEGIN {label}-----");
    vec![
        (prefixed("ghp_", 36), "GitHub token"),
        (prefixed("gho_", 36), "GitHub token"),
        (prefixed("ghu_", 36), "GitHub token"),
        (prefixed("ghs_", 36), "GitHub token"),
        (prefixed("ghr_", 36), "GitHub token"),
        (prefixed("github_pat_", 82), "GitHub token"),
        (prefixed("glpat-", 20), "GitLab token"),
        (prefixed("xoxb-", 40), "Slack token"),
        (prefixed("xoxp-", 40), "Slack token"),
        (prefixed("xapp-", 40), "Slack token"),
        (format!("url: https://hooks.slack.com/services/T{0}/B{0}/{0}", word(11)), "Slack webhook"),
        (format!("aws_access_key_id = AKIA{}", drawn(16, CAPITALS)), "AWS access key"),
        (format!("{{\"key\":\"ASIA{}\"}}", drawn(16, CAPITALS)), "AWS access key"),
        (prefixed("AIza", 35), "Google API key"),
        (prefixed("ya29.", 60), "Google OAuth token"),
        (prefixed("GOCSPX-", 28), "Google client secret"),
        (prefixed("sk_live_", 24), "Stripe key"),
        (prefixed("rk_live_", 24), "Stripe key"),
        (prefixed("whsec_", 32), "Stripe webhook secret"),
        (prefixed("npm_", 36), "npm token"),
        (prefixed("pypi-", 100), "PyPI token"),
        (prefixed("cio", 32), "crates.io token"),
        (prefixed("sntrys_", 100), "Sentry token"),
        (prefixed("sntryu_", 64), "Sentry token"),
        (prefixed("sktsec_", 50), "Socket token"),
        (prefixed("sk-ant-", 90), "Anthropic key"),
        (format!("BULKHEAD_TOKEN={jwt}"), "JSON Web Token"),
        (format!("curl -H 'Authorization: Bearer {jwt}'"), "JSON Web Token"),
        (pem("PRIVATE KEY"), "private key"),
        (pem("RSA PRIVATE KEY"), "private key"),
        (format!("key: \"{}\\n{}\\n\"", pem("EC PRIVATE KEY"), word(64)), "private key"),
        (format!("dsn: https://{}@o1.ingest.us.sentry.io/42", drawn(32, HEX)), "key in a URL"),
        (format!("DATABASE_URL=postgres://hub:{}@db.internal/ops", word(20)), "password in a URL"),
        (format!("-H \"Authorization: Bearer {}\"", word(32)), "authorization header"),
        (format!("authorization: basic {}==", word(38)), "authorization header"),
        (format!("let password = \"{}\";", word(20)), "literal credential"),
        (format!("const API_KEY: &str = \"{}\";", word(32)), "literal credential"),
        (format!("  \"clientSecret\": \"{}\",", word(32)), "literal credential"),
        (format!("netdata_token: {}", word(40)), "literal credential"),
        (format!("export SOCKET_API_KEY='{}'", drawn(40, HEX)), "literal credential"),
        (format!("secret => '{}'", word(24)), "literal credential"),
    ]
}

/// Lines that only look like one.
fn look_alikes() -> Vec<String> {
    let word = |length| drawn(length, WORD);
    vec![
        "Authorization: Bearer $TOKEN".to_owned(),
        "--header \"Authorization: Bearer <token>\"".to_owned(),
        "request.bearer_auth(token)".to_owned(),
        "vault_key: netdata_token".to_owned(),
        "let token = hub.token(ADMIN);".to_owned(),
        "let secret = fresh_secret();".to_owned(),
        "password: \"correct horse battery staple\"".to_owned(),
        "api_key: your-api-key-goes-here-1234".to_owned(),
        "token: ${{ secrets.GITHUB_TOKEN }}".to_owned(),
        "secrets set netdata_token".to_owned(),
        "https://0123456789abcdef0123456789abcdef@o1.ingest.us.sentry.io/42".to_owned(),
        "postgres://hub:password@localhost/ops".to_owned(),
        "https://allowed.com@evil.net/".to_owned(),
        "-----BEGIN CERTIFICATE-----".to_owned(),
        "\"-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n\"".to_owned(),
        "-----BEGIN PUBLIC KEY-----".to_owned(),
        "ghp_ tokens begin with ghp_, Slack's with xoxb-".to_owned(),
        "eyJhbGciOiJub25lIn0.e30.".to_owned(),
        format!("checksum = \"{}\"", drawn(64, HEX)),
        format!("\"integrity\": \"sha512-{}\"", word(86)),
        format!("commit {}", drawn(40, HEX)),
        format!("nothing{}", word(36).replace("ghp_", "")),
        format!("aws = AKIA{}", drawn(20, CAPITALS)),
        format!("logghp_{}", word(36)),
        format!("ghp_{}", "a".repeat(36)),
    ]
}

fn kinds_in(line: &str) -> Vec<&'static str> {
    kinds::find(line).into_iter().map(|hit| hit.kind).collect()
}

#[test]
fn every_kind_is_found() {
    for (line, kind) in credentials() {
        assert!(kinds_in(&line).contains(&kind), "{kind}: {line} -> {:?}", kinds_in(&line));
    }
}

#[test]
fn look_alikes_are_not() {
    for line in look_alikes() {
        assert_eq!(kinds_in(&line), Vec::<&str>::new(), "{line}");
    }
}

#[test]
fn a_sample_is_let_through_where_somebody_says_why() {
    let token = format!("ghp_{}", drawn(36, WORD));
    let count = |text: &str| scan(Path::new("a.rs"), text).len();
    assert_eq!(count(&token), 1);
    assert_eq!(count(&format!("{token} // token-rule: sample, of GitHub's own documentation")), 0);
    assert_eq!(count(&format!("// token-rule: sample, of GitHub's own documentation\n{token}")), 0);
    assert_eq!(count(&format!("// token-rule: sample, of GitHub's own documentation\n\n{token}")), 1, "too far away");
    assert_eq!(count(&format!("{token} // token-rule: sample")), 1, "no reason");
    assert_eq!(count(&format!("{token} // token-rule: sample, x")), 1, "no reason either");
}

#[test]
fn a_finding_names_its_place_and_never_shows_the_credential() {
    let secret = drawn(36, WORD);
    let found = scan(Path::new("src/key.rs"), &format!("// a key\n\nconst KEY: &str = \"ghp_{secret}\";\n"));
    let expected =
        Finding { file: PathBuf::from("src/key.rs"), line: 3, kind: "GitHub token", begins: "ghp_", length: 40 };
    assert_eq!(found, [expected]);
    assert_eq!(found[0].to_string(), "src/key.rs:3: GitHub token (ghp_…, 40 characters)");
    for (line, _) in credentials() {
        let told: Vec<_> = scan(Path::new("a"), &line).iter().map(ToString::to_string).collect();
        let shown = told.concat();
        let pieces = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|piece| piece.len() >= 16);
        assert!(!told.is_empty() && pieces.clone().all(|piece| !shown.contains(piece)), "{line}: {shown}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_repository_holds_none() {
    let started = Instant::now();
    let files = files::below(&root()).expect("files");
    assert!(
        files.len() > 200 && files.iter().any(|file| file.ends_with("xtask/src/tokens/tests.rs")),
        "{}",
        files.len()
    );
    let texts = files.iter().filter_map(|file| Some((file, files::text(file).expect("readable")?)));
    let found: Vec<_> = texts.flat_map(|(file, text)| scan(file, &text)).map(|finding| finding.to_string()).collect();
    println!("{} files in {:?}", files.len(), started.elapsed());
    assert_eq!(found, Vec::<String>::new());
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bulkhead-tokens-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("target")).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_with_a_token_is_rejected_in_and_outside_a_repository() {
    let workspace = crate::workspace::Workspace { root: root(), target: root().join("target") };
    let check = |path: &Path| super::check(&workspace, &[path.display().to_string()]);
    for git in [false, true] {
        let folder = Folder::new(if git { "git" } else { "plain" });
        fs::write(folder.0.join("clean.rs"), "let token = vault.reference(\"token\");\n").expect("written");
        if git {
            let init = std::process::Command::new("git").arg("init").arg("--quiet").arg(&folder.0).status();
            assert!(init.expect("git runs").success());
            fs::write(folder.0.join(".gitignore"), "/target\n").expect("written");
        }
        let token = format!("sntryu_{}", drawn(64, HEX));
        fs::write(folder.0.join("target/built.js"), format!("var token = '{token}'")).expect("written");
        assert!(check(&folder.0).is_ok(), "what was built is nobody's");

        fs::create_dir_all(folder.0.join("src")).expect("a folder");
        let planted = folder.0.join("src/planted.yaml");
        fs::write(&planted, format!("provider: sentry\nkey: {token}\n")).expect("written");
        for path in [&folder.0, &planted] {
            let error = check(path).expect_err("rejected").to_string();
            assert!(error.starts_with("1 credentials are in files") && !error.contains(&token), "{error}");
        }
    }
}
