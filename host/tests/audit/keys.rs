//! Keys that follow each other: the trail is one, although another key has signed its beginning.

use serde_json::json;

use super::reaching;
use crate::support::{
    hub::{ADMIN, Hub, eventually},
    upstream::Upstream,
};

fn verified(hub: &Hub, arguments: &[&str]) -> (bool, String) {
    let output = hub.program().args(["audit", "verify"]).args(arguments).output().expect("it runs");
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
}

#[tokio::test]
async fn a_new_key_is_trusted_by_whoever_trusts_the_old_one_and_not_the_other_way_round() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream, 30_000));
    let token = hub.token(ADMIN);
    let note = json!({ "text": "a" });
    assert_eq!(hub.call(&token, "testbed/write.note", &note).await.status, 200);
    let old = hub.command(&["audit", "key"]);
    let new = hub.command(&["audit", "key", "--new"]);
    assert_ne!(old, new);
    assert_eq!(hub.command(&["audit", "key"]), new);
    // A hub that runs goes on with the key that it has; and what it leaves behind is answered for by one with the new key.
    assert_eq!(hub.call(&token, "testbed/write.note", &note).await.status, 200);
    let (ok, told) = verified(&hub, &[]);
    assert!(ok, "{told}");
    let scan = hub.client().post(format!("{}/providers/testbed/scan.slow", hub.url)).bearer_auth(&token);
    let scan = tokio::spawn(scan.body(json!({ "url": upstream.url("/wait") }).to_string()).send());
    eventually("the scan runs", async || (!upstream.seen().is_empty()).then_some(())).await;
    hub.kill();
    assert!(scan.await.expect("a task").is_err(), "no answer");
    hub.run();
    assert_eq!(hub.call(&token, "testbed/write.note", &note).await.status, 200);
    let interrupted = hub.events().iter().filter(|event| event["outcome"] == "interrupted").count();
    assert_eq!(interrupted, 1);

    for (trusted, is_fine) in [(vec![], true), (vec![&old], true), (vec![&old, &new], true), (vec![&new], false)] {
        let arguments: Vec<&str> = trusted.iter().flat_map(|key| ["--key", key.as_str()]).collect();
        let (ok, told) = verified(&hub, &arguments);
        assert_eq!(ok, is_fine, "{arguments:?}: {told}");
        assert_eq!(told.contains(&format!("not trusted here, {old}")), !is_fine, "{told}");
    }
    // Who has only the database and the old key finds the certificate in the trail.
    std::fs::remove_file(hub.data().join("audit.keys")).expect("removed");
    let (ok, told) = verified(&hub, &["--key", &old]);
    assert!(ok, "{told}");
}
