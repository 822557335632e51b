//! The database's files and its schema under a running hub and at its start.

use std::{
    fs::{self, Permissions},
    io::Write as _,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::json;

use super::{assert_not_recorded, recovered, rows_of, tamper, verified};
use crate::support::{
    hub::{ADMIN, Folder, Hub},
    testbed::testbed,
};

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for name in ["ops.db", "ops.db-wal", "ops.db-shm"] {
        fs::copy(from.join(name), to.join(name)).expect("copied");
    }
}

#[tokio::test]
async fn a_database_that_is_moved_removed_or_replaced_is_noticed_before_anything_is_answered() {
    let hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    let mut answered = vec![recovered(&hub, &token).await];
    let (data, away, older) = (hub.data(), hub.folder().join("away"), hub.folder().join("older"));
    copy_all(&data, &older);
    let (here, there) = (data.join("ops.db"), away.join("ops.db"));
    fs::create_dir(&away).expect("made");
    let file_back = || fs::rename(&there, &here).expect("moved back");
    let folder_back = || {
        if data.exists() {
            fs::remove_dir_all(&data).expect("removed");
        }
        fs::rename(away.join("data"), &data).expect("moved back");
    };
    let nothing = || {};
    type Act<'a> = (&'a str, &'a dyn Fn(), &'a dyn Fn());
    let cases: [Act; 8] = [
        ("moved", &|| fs::rename(&here, &there).expect("moved"), &file_back),
        (
            "replaced by a copy",
            &|| {
                fs::rename(&here, &there).expect("moved");
                fs::copy(&there, &here).expect("copied");
            },
            &file_back,
        ),
        (
            "replaced by an older copy",
            &|| {
                fs::rename(&here, &there).expect("moved");
                fs::rename(older.join("ops.db"), &here).expect("replaced");
            },
            &file_back,
        ),
        (
            "a link in its place",
            &|| {
                fs::rename(&here, &there).expect("moved");
                symlink(&there, &here).expect("linked");
            },
            &file_back,
        ),
        ("the folder moved", &|| fs::rename(&data, away.join("data")).expect("moved"), &folder_back),
        (
            "the folder replaced by a copy",
            &|| {
                fs::rename(&data, away.join("data")).expect("moved");
                copy_all(&away.join("data"), &data);
            },
            &folder_back,
        ),
        ("the log removed", &|| fs::remove_file(data.join("ops.db-wal")).expect("removed"), &nothing),
        ("the index removed", &|| fs::remove_file(data.join("ops.db-shm")).expect("removed"), &nothing),
    ];
    for (what, act, undo) in cases {
        act();
        let reply = hub.call(&token, "testbed/calls.count", &json!({})).await;
        println!("{what}: {} {}", reply.status, reply.text);
        assert_not_recorded(&reply);
        undo();
        answered.push(recovered(&hub, &token).await);
    }
    for reply in &answered {
        assert_eq!(rows_of(&hub, reply.header("x-call-id")).len(), 1, "{:?}", hub.events());
    }
    verified(&hub);
}

#[tokio::test]
async fn a_hub_whose_database_is_gone_for_good_says_what_to_do() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    recovered(&hub, &token).await;
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(hub.data().join(format!("ops.db{suffix}"))).expect("removed");
    }
    assert_not_recorded(&hub.call(&token, "testbed/calls.count", &json!({})).await);
    let told = "put the right one back, or start the hub again";
    let health = hub.get("/health", Some(&token)).await;
    assert!(health.json()["audit_error"].as_str().expect("told").contains(told), "{health:?}");
    assert!(!health.text.contains(hub.data().to_str().expect("text")), "no path: {health:?}");
    assert!(hub.log().contains(told));
    assert_eq!(hub.stop(), Some(0));
    hub.run();
    recovered(&hub, &token).await;
}

/// What would swallow, change or remove rows, or hide them, and how that is undone.
const CHANGES: [(&str, &str); 6] = [
    ("CREATE TRIGGER odd BEFORE INSERT ON run_events BEGIN SELECT RAISE(IGNORE); END", "DROP TRIGGER odd"),
    (
        "CREATE TRIGGER odd AFTER INSERT ON run_events BEGIN UPDATE provider_quotas SET remaining = 0; END",
        "DROP TRIGGER odd",
    ),
    ("CREATE TRIGGER odd BEFORE INSERT ON run_intents BEGIN SELECT RAISE(IGNORE); END", "DROP TRIGGER odd"),
    ("CREATE VIEW odd AS SELECT * FROM run_events WHERE outcome <> 'denied'", "DROP VIEW odd"),
    (
        "ALTER TABLE provider_quotas RENAME TO odd; CREATE VIEW provider_quotas AS SELECT * FROM odd",
        "DROP VIEW provider_quotas; ALTER TABLE odd RENAME TO provider_quotas",
    ),
    ("CREATE UNIQUE INDEX odd ON run_events (correlation_id, id)", "DROP INDEX odd"),
];

#[tokio::test]
async fn what_the_hub_did_not_put_into_the_schema_stops_it_and_keeps_it_from_starting() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    recovered(&hub, &token).await;
    for (change, undo) in CHANGES {
        tamper(&hub).execute_batch(change).expect(change);
        assert_not_recorded(&hub.call(&token, "testbed/calls.count", &json!({})).await);
        let output = hub.program().args(["audit", "verify"]).output().expect("it runs");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success() && report.contains("schema of the database"), "{change}: {report}");
        tamper(&hub).execute_batch(undo).expect(undo);
        recovered(&hub, &token).await;
    }
    let quotas = "SELECT sql FROM sqlite_schema WHERE name = 'run_events_no_delete'";
    let trigger: String = hub.database().query_row(quotas, [], |row| row.get(0)).expect("a trigger");
    tamper(&hub).execute_batch("DROP TRIGGER run_events_no_delete").expect("dropped");
    assert_not_recorded(&hub.call(&token, "testbed/calls.count", &json!({})).await);
    assert_eq!(hub.stop(), Some(0));
    let output = hub.program().args(["serve", "--listen", "127.0.0.1:0"]).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("trigger `run_events_no_delete` is missing"), "{told}");
    // What helps SQLite to plan is no harm.
    tamper(&hub).execute_batch(&format!("{trigger}; ANALYZE")).expect("made again");
    hub.run();
    recovered(&hub, &token).await;
    verified(&hub);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

#[tokio::test]
async fn whatever_the_data_folder_was_its_owner_alone_can_read_it_after_a_start() {
    let mut hub = Hub::start(&testbed(&[]));
    hub.kill();
    let data = hub.data();
    let files = ["ops.db", "ops.db-wal", "ops.db-shm"].map(|name| data.join(name));
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
        fs::set_permissions(file, Permissions::from_mode(0o666)).expect("changed");
    }
    for folder in [data.join("writers"), data.clone()] {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("changed");
    }
    hub.run();
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert_eq!((mode(&data), mode(&data.join("writers"))), (0o700, 0o700));
    assert!(hub.log().contains("other users could read this: now its owner alone can"), "{}", hub.log());
    hub.stop();
    // A key that others could read is not trusted any more: a person has to look.
    for key in ["audit.key", "identity.key", "vault.key"] {
        fs::set_permissions(data.join(key), Permissions::from_mode(0o644)).expect("changed");
        let output = hub.program().args(["serve", "--listen", "127.0.0.1:0"]).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("chmod 600"), "{key}: {told}");
        fs::set_permissions(data.join(key), Permissions::from_mode(0o600)).expect("changed");
    }
}

fn set_secret(hub: &Hub, name: &str) -> std::process::Child {
    let mut command = hub.program();
    let mut child =
        command.args(["secrets", "set", name]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
    child.stdin.take().expect("piped").write_all(b"correct horse battery").expect("written");
    child
}

#[tokio::test]
async fn forty_secrets_that_are_set_at_once_are_forty_secrets() {
    let hub = Hub::start(&testbed(&[]));
    let names: Vec<_> = (0..40).map(|number| format!("secret_{number:02}")).collect();
    let setting: Vec<_> = names.iter().map(|name| set_secret(&hub, name)).collect();
    for mut child in setting {
        assert!(child.wait().expect("it ends").success());
    }
    assert_eq!(hub.command(&["secrets", "list"]), names.join("\n"));
    let removing: Vec<_> =
        names[..20].iter().map(|name| hub.program().args(["secrets", "remove", name]).spawn()).collect();
    let setting = set_secret(&hub, "one_more");
    for child in removing.into_iter().map(|child| child.expect("it runs")).chain([setting]) {
        assert!(child.wait_with_output().expect("it ends").status.success());
    }
    assert_eq!(hub.command(&["secrets", "list"]), format!("one_more\n{}", names[20..].join("\n")));
}

fn verify_in(data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    command.arg("--data").arg(data).args(["audit", "verify"]).output().expect("it runs")
}

#[test]
fn verifying_makes_nothing() {
    let folder = Folder::new();
    for data in [folder.path().to_owned(), folder.path().join("missing")] {
        let output = verify_in(&data);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("ops.db is missing"), "{told}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 0);
    // A database without its key: no new key makes it verify, or seem changed.
    let hub = Hub::start(&testbed(&[]));
    fs::copy(hub.data().join("ops.db"), folder.path().join("ops.db")).expect("copied");
    let output = verify_in(folder.path());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("audit.key is missing"), "{told}");
    assert!(!folder.path().join("audit.key").exists());
}
