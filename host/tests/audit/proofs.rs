//! Somebody who has an export, the public key and `docs/audit-format.md` needs nothing of ours to tell whether it is genuine:
//! `verifier.py` was written so.

use std::{fs, path::Path, process::Command};

use futures::future::join_all;
use serde_json::{Value, json};

use super::reaching;
use crate::support::{
    hub::{ADMIN, Folder, Hub, VIEWER},
    tools::test_tool,
    upstream::Upstream,
};

/// Has the verifier look at each file, in one process, and gives the names of those that it accepts.
const LOOK: &str = "import os, sys, verifier
for name in sorted(os.listdir(sys.argv[1])):
    try:
        verifier.main(os.path.join(sys.argv[1], name), *sys.argv[2:])
        print('accepted', name)
    except SystemExit as refused:
        print('refused', name, refused, file=sys.stderr)
";

fn accepted(folder: &Path, key: &str) -> Vec<String> {
    let output = Command::new(test_tool("python", "bin/python"))
        .args(["-B", "-c", LOOK])
        .arg(folder)
        .arg(key)
        .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit"))
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    told.lines().filter_map(|line| line.strip_prefix("accepted ")).map(str::to_owned).collect()
}

/// Each way in which one value of a line can be another, or not there.
fn changed(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| {
                let without = || members.iter().filter(|(other, _)| *other != name);
                let removed = without().map(|(name, member)| (name.clone(), member.clone())).collect();
                let removed = Some(Value::Object(removed));
                let others = changed(member).into_iter().map(|other| {
                    let mut members = members.clone();
                    members.insert(name.clone(), other);
                    Value::Object(members)
                });
                removed.into_iter().chain(others).collect::<Vec<_>>()
            })
            .collect(),
        Value::Array(items) => {
            let mut fewer = items.clone();
            fewer.pop();
            let first = items.first().map(changed).unwrap_or_default();
            let first = first.into_iter().map(|other| [&[other], &items[1..]].concat());
            std::iter::once(fewer).chain(first).map(Value::Array).collect()
        }
        Value::String(text) => {
            let mut other = text.clone();
            let last = other.pop();
            other.push(if last == Some('0') { '1' } else { '0' });
            vec![json!(other), json!(format!("{text} ")), json!(7), Value::Null]
        }
        Value::Number(number) => vec![json!(number.as_i64().expect("whole") + 1), json!(number.to_string())],
        Value::Bool(_) | Value::Null => vec![json!(0)],
    }
}

#[tokio::test]
async fn the_independent_verifier_accepts_an_export_and_rejects_each_tampered_one() {
    let upstream = Upstream::start();
    let hub = Hub::start(&reaching(&upstream, 5000));
    let (admin, viewer) = (hub.token(ADMIN), hub.token(VIEWER));
    for text in ["plain", "ü \u{10348} \u{2028} \u{202e} \u{0}", "\"\\/\u{1}"] {
        assert_eq!(hub.call(&admin, "testbed/write.note", &json!({ "text": text })).await.status, 200);
    }
    let numbers =
        json!({ "url": upstream.url("/echo"), "n": [1.50, -0.0, 1e-7, 1e21, 12_345_678_901_234_567_890_u64] });
    hub.call(&admin, "testbed/scan.slow", &numbers).await;
    let nothing = json!({});
    join_all((0..30).map(|_| hub.call(&viewer, "testbed/no.such", &nothing))).await;

    let purged = hub.call(&admin, "testbed/write.note", &json!({ "text": "to be removed" })).await;
    let also = hub.call(&admin, "testbed/write.note", &json!({ "text": "to be removed too" })).await;
    for reply in [&purged, &also] {
        hub.command(&["audit", "purge", reply.header("x-call-id")]);
    }

    let export = hub.command(&["audit", "export"]);
    assert_eq!(export.lines().filter(|line| line.starts_with("{\"purge\"")).count(), 2, "each says it of one call");
    let lines: Vec<&str> = export.lines().collect();
    assert!(lines.len() > 20, "{export}");
    let (key, folder) = (hub.command(&["audit", "key"]), Folder::new());
    let mut number = 0;
    let mut write = |lines: &[String]| {
        number += 1;
        fs::write(folder.path().join(format!("{number:05}")), lines.join("\n") + "\n").expect("written");
    };
    let genuine: Vec<String> = lines.iter().map(ToString::to_string).collect();
    write(&genuine);
    for index in 0..lines.len() {
        // What is said of the export itself, but for its version and its number of events, is not proved.
        let others = if index == 0 {
            vec![json!({ "export": 2 })]
        } else {
            changed(&serde_json::from_str(lines[index]).expect("JSON"))
        };
        for other in others {
            let mut tampered = genuine.clone();
            tampered[index] = other.to_string();
            write(&tampered);
        }
        let mut without = genuine.clone();
        without.remove(index);
        write(&without);
        let mut twice = genuine.clone();
        twice.insert(index, genuine[index].clone());
        // A batch that is said twice proves the same twice.
        if !genuine[index].starts_with("{\"batch\"") {
            write(&twice);
        }
        if index > 0 && !genuine[index].starts_with("{\"batch\"") {
            let mut swapped = genuine.clone();
            swapped.swap(index, index - 1);
            write(&swapped);
        }
    }
    assert!(number > 300, "{number}");
    assert_eq!(accepted(folder.path(), &key), ["00001"], "of {number}");
    let other = "00".repeat(32);
    assert_eq!(accepted(folder.path(), &other), Vec::<String>::new(), "another key is trusted");
}
