//! TLS at the hub's own port.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use reqwest::{Version, tls};
use serde_json::json;

use crate::support::{
    certificates::{Authority, Files, text},
    clients,
    events::EventSource,
    hello::HELLO,
    hub::{AUDITOR, Folder, Hub, OPERATOR, VIEWER, eventually},
    served::used_by_official_clients,
    socket::Socket,
};

/// A hub with TLS, the authority that its certificate is from, and where the files are.
struct Scene {
    hub: Hub,
    authority: Authority,
    files: Files,
    folder: Folder,
}

fn scene(arguments: &[&str]) -> Scene {
    let (folder, authority) = (Folder::new(), Authority::new());
    let files = authority.write(folder.path());
    let mut hub = Hub::start_with(HELLO, &[&files.flags()[..], arguments].concat());
    let url = hub.url.clone();
    hub.reach_by(&url, authority.trusting().build().expect("a client"));
    Scene { hub, authority, files, folder }
}

#[tokio::test]
async fn the_hub_speaks_tls_with_both_versions_of_http_and_says_that_it_always_will() {
    let Scene { hub, authority, .. } = scene(&[]);
    assert!(hub.url.starts_with("https://127.0.0.1:"), "{}", hub.url);
    let url = format!("{}/livez", hub.url);
    for (client, version) in [
        (authority.trusting(), Version::HTTP_2),
        (authority.trusting().http1_only(), Version::HTTP_11),
        (authority.trusting().tls_version_max(tls::Version::TLS_1_2), Version::HTTP_2),
    ] {
        let response = client.build().expect("a client").get(&url).send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.version()), (200, version));
        assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
    }
    let refused = hub.get("/providers", None).await;
    assert_eq!(refused.header("strict-transport-security"), "max-age=31536000", "{refused:?}");
    let described = hub.get("/openapi.json", Some(&hub.token(VIEWER))).await.json();
    assert_eq!(described["servers"][0]["url"], hub.url);

    let unknown = Authority::new().trusting().build().expect("a client");
    assert!(unknown.get(&url).send().await.is_err(), "nobody trusts a certificate from elsewhere");
    let plain = Hub::start(HELLO);
    assert_eq!(plain.get("/livez", None).await.header("strict-transport-security"), "", "without TLS it is not said");
}

#[tokio::test]
async fn official_clients_use_the_hub_by_tls() {
    let Scene { hub, files, folder: _kept, .. } = scene(&[]);
    used_by_official_clients(&hub, &files.authority);
    let (auditor, operator) = (hub.token(AUDITOR), hub.token(OPERATOR));
    let mut stream = EventSource::open(&hub, "operation=call_tool&tool=sum.v1", &auditor, None).await;
    let sum = hub.call(&operator, "hello-rs/sum.v1", &json!({ "numbers": [1, 2] })).await;
    assert_eq!(sum.json()["sum"], 3.0);
    assert_eq!(stream.members("tool", 1).await, ["sum.v1"], "it comes while the stream goes on");
}

#[tokio::test]
async fn a_certificate_that_changes_is_taken_and_one_that_is_broken_is_told() {
    let Scene { hub, authority, files, folder: kept } = scene(&[]);
    let folder = kept.path();
    let token = hub.token(VIEWER);
    let reaches = async |authority: &Authority| {
        let client = authority.trusting().build().expect("a client");
        let answer = client.get(format!("{}/livez", hub.url)).send().await;
        answer.is_ok()
    };
    // A client of its own, since a connection keeps what it began with.
    let health = async |authority: &Authority, token: Option<&str>| {
        let request = authority.trusting().build().expect("a client").get(format!("{}/health", hub.url));
        Hub::send(request, token).await
    };

    let second = Authority::new();
    second.write(folder);
    eventually("the new certificate is in use", async || reaches(&second).await.then_some(())).await;
    assert!(!reaches(&authority).await);

    fs::write(&files.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").expect("written");
    let told = eventually("it is told", async || {
        let seen = health(&second, Some(&token)).await.json();
        seen["certificate_error"].as_str().map(str::to_owned)
    });
    let told = told.await;
    assert!(told.contains("--tls-key") && !told.contains(text(folder)), "{told}");
    let open = health(&second, None).await;
    assert_eq!((open.status, &open.json()["status"]), (503, &json!("degraded")));
    assert_eq!(open.json()["certificate_error"], "ask with a token to see why");
    assert!(hub.log().contains("the certificate from before stays in use"), "{}", hub.log());
    assert!(reaches(&second).await, "what served goes on");

    // One of another pair is no better.
    let third = Authority::new();
    third.write(folder);
    fs::write(&files.certificate, second.pem()).expect("written");
    eventually("the key is of another pair", async || {
        let seen = health(&second, Some(&token)).await.json();
        seen["certificate_error"].as_str().filter(|told| told.contains("belongs together")).map(|_| ())
    })
    .await;

    third.write(folder);
    eventually("it is mended", async || reaches(&third).await.then_some(())).await;
    eventually("and nothing is wrong any more", async || {
        health(&third, Some(&token)).await.json().get("certificate_error").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_needs_its_certificate_beside_its_token() {
    let (folder, clients) = (Folder::new(), Authority::new());
    let trusted = clients.write(folder.path()).authority;
    let Scene { hub, authority, .. } = scene(&["--tls-client-ca", text(&trusted)]);
    let token = hub.token(VIEWER);
    let ask = async |client: reqwest::ClientBuilder, token: Option<&str>| {
        let request = client.build().expect("a client").get(format!("{}/openapi.json", hub.url));
        let request = token.map_or(request.try_clone().expect("a request"), |token| request.bearer_auth(token));
        request.send().await.map(|answer| answer.status().as_u16())
    };
    let known = || authority.trusting().identity(clients.identity());
    assert_eq!(ask(known(), Some(&token)).await.expect("an answer"), 200);
    assert_eq!(ask(known(), None).await.expect("an answer"), 401, "a certificate stands for no token");
    let stranger = authority.trusting().identity(Authority::new().identity());
    for (what, client) in [("no certificate", authority.trusting()), ("one from elsewhere", stranger)] {
        assert!(ask(client, Some(&token)).await.is_err(), "{what}: a token stands for no certificate");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_ends_and_keeps_nobody_out() {
    let Scene { hub, authority, .. } = scene(&["--max-connections", "4"]);
    let open = async || Socket::open(&hub).await;
    let mut silent = vec![open().await, open().await, open().await, open().await, open().await];
    let first = silent[0].closes(Duration::from_secs(8)).await;
    assert!(first < Duration::from_secs(8), "it was evicted for the fifth, long before its time: {first:?}");
    let client = authority.trusting().build().expect("a client");
    let reply = client.get(format!("{}/livez", hub.url)).send().await.expect("an answer");
    assert_eq!(reply.status().as_u16(), 200, "and so is another for who speaks");
    // Half a hello is no hello.
    let mut last = silent.pop().expect("a socket");
    assert!(last.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await);
    last.closes(Duration::from_secs(60)).await;
}

#[test]
fn files_that_are_of_no_use_keep_the_hub_from_starting_and_say_what_to_do() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let files = authority.write(folder.path());
    let hub = Hub::start(HELLO);
    let said = |flags: &[&str]| {
        let output = clients::finish(hub.program().args(["serve", "--listen", "127.0.0.1:0"]).args(flags));
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    assert!(said(&files.flags()[..2]).contains("--tls-key"), "a certificate needs a key");
    assert!(said(&["--tls-client-ca", text(&files.authority)]).contains("--tls-cert"));
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(&files.key, open).expect("set");
    let told = said(&files.flags());
    assert!(told.contains("`--tls-key`") && told.contains("chmod 600"), "{told}");
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).expect("set");
    fs::write(&files.certificate, "not PEM").expect("written");
    let told = said(&files.flags());
    assert!(told.contains("`--tls-cert`") && told.contains("BEGIN CERTIFICATE"), "{told}");
    fs::remove_file(&files.certificate).expect("removed");
    assert!(said(&files.flags()).contains("`--tls-cert` cannot be read"));
}
