//! Who looks names up: the DNS servers of the config, as soon as the config says so.

use serde_json::json;

use super::canary::Canary;
use super::{fetch, fetcher, ready, refusal};
use crate::support::dns::Dns;
use crate::support::hub::{ADMIN, Hub, Reply, eventually};

fn reached(reply: &Reply) -> bool {
    reply.status == 200
}

#[tokio::test]
async fn dns_servers_change_by_reload_and_a_broken_list_changes_nothing() {
    let canary = Canary::start();
    let (one, other) = (Dns::start([("a.named.test", "127.0.0.1")]), Dns::start([("a.named.test", "10.0.0.1")]));
    let hosts = [format!("http://127.0.0.1:{}", canary.port), format!("http://a.named.test:{}", canary.port)];
    let provider = fetcher("named", "testbed", &hosts, 10_000);
    let hub = Hub::start(&format!("{provider}{}", one.config()));
    let token = hub.token(ADMIN);
    let url = format!("http://a.named.test:{}/", canary.port);
    assert!(reached(&fetch(&hub, &token, "named", &url).await));
    assert_eq!((one.times_asked("a.named.test"), other.asked().len()), (1, 0));

    hub.configure(&format!("{provider}{}", other.config()));
    let denied =
        async || refusal(&fetch(&hub, &token, "named", &url).await).starts_with("denied-address").then_some(());
    eventually("the other server is asked", denied).await;
    let before = one.asked().len();

    hub.configure(&format!("{provider}outbound: {{ dns_servers: [dns.example.com] }}\n"));
    let mistake = "outbound.dns_servers[0]: 'dns.example.com' is not a DNS server";
    let told = async || {
        let health = hub.get("/health", Some(&token)).await.json();
        health["config_error"].as_str().filter(|error| error.contains(mistake)).map(|_| ())
    };
    eventually("the mistake is told", told).await;
    assert!(refusal(&fetch(&hub, &token, "named", &url).await).starts_with("denied-address"));
    assert_eq!(one.asked().len(), before);

    // One that is not there is passed over; what it would have said does not matter.
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    hub.configure(&format!("{provider}outbound: {{ dns_servers: ['{gone}', '{}'] }}\n", one.address));
    eventually("the second is asked", async || reached(&fetch(&hub, &token, "named", &url).await).then_some(())).await;
}

#[tokio::test]
async fn without_dns_servers_the_machine_is_asked() {
    let canary = Canary::start();
    let hosts = [format!("http://127.0.0.1:{}", canary.port), format!("http://localhost:{}", canary.port)];
    let hub = Hub::start(&fetcher(
        "named",
        "testbed",
        &[&hosts[..], &[format!("http://[::1]:{}", canary.port)]].concat(),
        10_000,
    ));
    let token = hub.token(ADMIN);
    ready(&hub, &token, "named").await;
    let reply = fetch(&hub, &token, "named", &format!("http://localhost:{}/", canary.port)).await;
    assert!(reached(&reply), "{reply:?}");
    let row = hub.last_event();
    assert_eq!(row["hostname"], json!(format!("localhost:{}", canary.port)), "{row}");
}
