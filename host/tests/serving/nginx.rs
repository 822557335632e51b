//! The site of `deploy/nginx/` in a real nginx: TLS ends there, and whatever goes on comes through as it comes.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::support::{
    certificates::{Authority, Files, text},
    events::EventSource,
    hello::HELLO,
    hub::{AUDITOR, Folder, Hub, OPERATOR, eventually},
    served::used_by_official_clients,
    socket::host,
    tools::test_tool,
};

/// The server in front of a hub. Ends with the test.
struct Nginx {
    child: Child,
    port: u16,
    plain: u16,
    folder: Folder,
}

/// What a test's server has around the site.
const AROUND: &str = "
daemon off;
worker_processes 1;
error_log stderr;
pid @FOLDER@/pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path @FOLDER@/body;
    proxy_temp_path @FOLDER@/proxy;
    fastcgi_temp_path @FOLDER@/fastcgi;
    uwsgi_temp_path @FOLDER@/uwsgi;
    scgi_temp_path @FOLDER@/scgi;
    include @FOLDER@/site.conf;
}
";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

impl Nginx {
    /// Starts it with the site as it is shipped, but for names, ports and places.
    fn start(hub: &Hub, files: &Files) -> Self {
        let (folder, port, plain) = (Folder::new(), free_port(), free_port());
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx/bulkhead.conf");
        let mut site = fs::read_to_string(shipped).expect("the site");
        for (shipped, here) in [
            ("127.0.0.1:8080", host(hub)),
            ("listen 443", &format!("listen 127.0.0.1:{port}")),
            ("listen 80", &format!("listen 127.0.0.1:{plain}")),
            ("https://hub.example.org", &format!("https://127.0.0.1:{port}")),
            ("hub.example.org", "127.0.0.1"),
            ("/etc/ssl/bulkhead/fullchain.pem", text(&files.certificate)),
            ("/etc/ssl/bulkhead/privkey.pem", text(&files.key)),
        ] {
            assert!(site.contains(shipped), "the site has no `{shipped}` any more");
            site = site.replace(shipped, here);
        }
        fs::write(folder.path().join("site.conf"), site).expect("written");
        let around = folder.path().join("nginx.conf");
        fs::write(&around, AROUND.replace("@FOLDER@", text(folder.path()))).expect("written");
        let mut command = Command::new(test_tool("nginx", "bin/nginx"));
        command.args(["-e", "stderr", "-p", text(folder.path()), "-c", text(&around)]);
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let child = command.stdin(Stdio::null()).stderr(log).spawn().expect("nginx starts");
        Self { child, port, plain, folder }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The first process ends its workers, which a kill of it alone would leave behind.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn official_clients_use_the_hub_behind_nginx_and_answers_that_go_on_are_not_held_up() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let files = authority.write(folder.path());
    let mut hub = Hub::start_with(HELLO, &["--public-url", "https://127.0.0.1"]);
    let nginx = Nginx::start(&hub, &files);
    let client = authority.trusting().build().expect("a client");
    hub.reach_by(&format!("https://127.0.0.1:{}", nginx.port), client);
    let first = eventually("nginx serves", async || {
        assert!(!nginx.log().contains("[emerg]"), "{}", nginx.log());
        hub.client().get(format!("{}/livez", hub.url)).send().await.ok()
    });
    let first = first.await;
    assert_eq!((first.status().as_u16(), first.version()), (200, reqwest::Version::HTTP_2));
    for (name, value) in [
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(first.headers()[name], value, "{name}");
    }

    used_by_official_clients(&hub, &files.authority);
    let (auditor, operator) = (hub.token(AUDITOR), hub.token(OPERATOR));
    let mut stream = EventSource::open(&hub, "operation=call_tool&tool=sum.v1", &auditor, None).await;
    for _ in 0..3 {
        let sum = hub.call(&operator, "hello-rs/sum.v1", &json!({ "numbers": [1, 2] })).await;
        assert_eq!((sum.status, sum.json()["sum"].as_f64()), (200, Some(3.0)), "{sum:?}");
        assert_eq!(stream.members("tool", 1).await, ["sum.v1"], "it comes while the stream goes on");
    }
    assert_eq!(hub.get("/metrics", Some(&operator)).await.status, 404, "what is not for callers does not come through");

    let plain = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("it");
    let sent_on = plain.get(format!("http://127.0.0.1:{}/livez?x", nginx.plain)).send().await.expect("an answer");
    assert_eq!(sent_on.status().as_u16(), 308);
    assert_eq!(sent_on.headers()["location"], format!("{}/livez?x", hub.url));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_in_the_hubs_words() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let files = authority.write(folder.path());
    let mut hub = Hub::start_with(HELLO, &["--public-url", "https://127.0.0.1"]);
    let nginx = Nginx::start(&hub, &files);
    hub.reach_by(&format!("https://127.0.0.1:{}", nginx.port), authority.trusting().build().expect("a client"));
    let url = format!("{}/livez", hub.url);
    eventually("nginx serves", async || hub.client().get(&url).send().await.ok()).await;
    let token = hub.token(OPERATOR);
    let body = format!(r#"{{"message":"{}"}}"#, "x".repeat(10 << 20));
    let reply = hub.post("/providers/hello-rs/echo.v1", Some(&token), body).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (413, Some("input_too_large")), "{reply:?}");
}
