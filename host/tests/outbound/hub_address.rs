//! No provider reaches the hub itself, on whatever address it listens.

use serde_json::json;
use url::Url;

use super::doors::DOORS;
use super::{fetch, fetcher, ready, refusal};
use crate::support::dns::Dns;
use crate::support::health::error_of;
use crate::support::hello::HELLO;
use crate::support::hub::{ADMIN, Hub, eventually};

const SAID: &str = "the hub itself: providers do not call the hub or each other, agents compose them";

fn port(hub: &Hub) -> u16 {
    Url::parse(&hub.url).expect("a URL").port().expect("a port")
}

#[tokio::test]
async fn an_entry_that_is_the_hub_keeps_its_provider_from_loading() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let port = port(&hub);
    let own = [format!("http://127.0.0.1:{port}")];
    let bad = fetcher("selfish", "testbed", &own, 5000);
    hub.configure(&format!("{HELLO}{bad}"));
    let error = eventually("the reason is told", async || {
        let error = error_of(&hub.get("/health", Some(&token)).await.json(), "selfish");
        (!error.is_empty()).then_some(error)
    });
    let expected = format!("allowed_hosts: 'http://127.0.0.1:{port}' is {SAID}; remove the entry");
    let error = error.await;
    assert!(error.ends_with(&expected), "{error}");
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);

    // Another service on this machine is another matter.
    let others = [format!("http://127.0.0.1:{}", if port == 1 { 2 } else { 1 })];
    hub.configure(&format!("{HELLO}{}", fetcher("selfish", "testbed", &others, 5000)));
    ready(&hub, &token, "selfish").await;
}

#[tokio::test]
async fn a_hub_that_listens_everywhere_is_refused_at_every_address_of_this_machine() {
    for door in DOORS {
        let names = [("four.own.test", "127.0.0.1"), ("other.own.test", "127.8.9.10"), ("six.own.test", "::1")];
        let dns = Dns::start(names);
        let hub = Hub::start_with(HELLO, &["--listen", "0.0.0.0:0"]);
        let token = hub.token(ADMIN);
        let port = port(&hub);
        let hosts = [format!("http://*.own.test:{port}")];
        hub.configure(&format!("{}{}", fetcher("selfish", door.component, &hosts, 5000), dns.config()));
        ready(&hub, &token, "selfish").await;
        let hosts = ["four.own.test", "other.own.test", "six.own.test", "127.0.0.1", "127.8.9.10", "[::1]", "0.0.0.0"];
        for host in hosts {
            let reply = fetch(&hub, &token, "selfish", &format!("http://{host}:{port}/health")).await;
            let said = refusal(&reply);
            assert!(said.starts_with("denied-address"), "{host}: {reply:?}");
            assert!(!door.tells_why || said.ends_with(SAID), "{host}: {said}");
        }
        assert_eq!(hub.get("/livez", None).await.status, 200, "which is there for everybody else");
    }
}
