//! A hub goes on elsewhere from a backup that was made while it ran, and its trail says so.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use age::secrecy::ExposeSecret as _;
use bulkhead::backup::{FILES, Identity};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::support::{
    hello::HELLO,
    hub::{ADMIN, Folder, Hub, VIEWER},
    postgres::Postgres,
    testbed::testbed,
};

fn with_checkpoints() -> String {
    format!("{HELLO}{}audit: {{ checkpoints: [{{ file: checkpoints.jsonl }}] }}\n", testbed(&[]))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// A key for backups, made by the program.
fn new_identity(hub: &Hub) -> (PathBuf, String) {
    let file = hub.folder().join("identity.txt");
    let public = hub.command(&["backup", "--new-identity", text(&file)]);
    assert!(public.starts_with("age1"), "{public}");
    assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o600);
    (file, public)
}

fn back_up(hub: &Hub, recipient: &str, name: &str) -> PathBuf {
    let to = hub.folder().join(name);
    let told = hub.command(&["backup", "--to", text(&to), "--recipient", recipient]);
    assert!(told.contains("all that was recorded until"), "{told}");
    to
}

/// `bulkhead restore` with that data folder and nothing else of a hub's.
fn restore(data: &Path, backup: &Path, identity: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    command.arg("--data").arg(data).arg("restore").arg(backup).arg("--identity").arg(identity);
    command.output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn verified(hub: &Hub, arguments: &[&str]) -> (bool, String) {
    let output = hub.program().args(["audit", "verify"]).args(arguments).output().expect("it runs");
    (output.status.success(), said(&output))
}

#[tokio::test]
async fn a_hub_goes_on_from_a_backup_and_its_trail_says_what_is_not_in_it() {
    let mut hub = Hub::start_with_secrets(&with_checkpoints(), &[("kept", "a value that is not lost")]);
    let (viewer, note) = (hub.token(VIEWER), json!({ "message": "before" }));
    let call = async |hub: &Hub| {
        let reply = hub.call(&viewer, "hello-rs/echo.v1", &note).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.header("x-call-id").to_owned()
    };
    let before = call(&hub).await;
    let (identity, public) = new_identity(&hub);
    // While the hub writes.
    let (folder, data) = (hub.folder().to_owned(), hub.data());
    let backing_up = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        let to = folder.join("backup.age");
        command.arg("--data").arg(data).args(["backup", "--to", text(&to), "--recipient", &public]);
        (command.output().expect("it runs"), to, public)
    });
    while !backing_up.is_finished() {
        call(&hub).await;
    }
    let (output, backup, public) = backing_up.await.expect("a thread");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(fs::metadata(&backup).expect("there").mode() & 0o777, 0o600);
    let again =
        hub.program().args(["backup", "--to", text(&backup), "--recipient", &public]).output().expect("it runs");
    assert!(!again.status.success() && said(&again).contains("is there already"), "{}", said(&again));
    let lost = call(&hub).await;
    assert_eq!(hub.stop(), Some(0));
    // Each file of the folder is in the backup, or the hub makes it again.
    let again = [
        "archive",
        "archive.lock",
        "compiled",
        "components",
        "control",
        "ops.db",
        "ops.db-shm",
        "ops.db-wal",
        "vault.lock",
        "writers",
    ];
    for file in fs::read_dir(hub.data()).expect("a folder") {
        let name = file.expect("a file").file_name().into_string().expect("text");
        assert!(FILES.contains(&&*name) || again.contains(&&*name), "is {name} to be in a backup?");
    }
    let checkpoints = hub.folder().join("checkpoints.jsonl");
    fs::remove_dir_all(hub.data()).expect("removed");

    let restored = restore(&hub.data(), &backup, &identity);
    assert!(restored.status.success() && said(&restored).contains("is signed with"), "{}", said(&restored));
    let (is_sound, told) = verified(&hub, &[]);
    assert!(is_sound && told.contains("the trail was restored from the backup of"), "{told}");
    // Whether that is well only a person knows.
    let output = hub.program().args(["audit", "verify", "--checkpoint", text(&checkpoints)]).output().expect("it runs");
    let told = said(&output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("is not there, as a restore declares") && told.contains("was that you?"), "{told}");

    hub.run();
    call(&hub).await;
    let shown = async |id: &str| hub.get(&format!("/audit/events/{id}"), Some(&viewer)).await.status;
    assert_eq!((shown(&before).await, shown(&lost).await), (200, 404));
    assert_eq!(hub.command(&["secrets", "list"]), "kept");
    let row: String = hub
        .database()
        .query_row("SELECT payload FROM run_events WHERE operation = 'restore'", [], |row| row.get(0))
        .expect("a row");
    assert!(row.contains("backup.age") && row.contains("uid"), "{row}");
    hub.stop();

    // Nothing that is there is overwritten.
    let refused = restore(&hub.data(), &backup, &identity);
    assert!(!refused.status.success() && said(&refused).contains("into an empty data folder"), "{}", said(&refused));
}

#[tokio::test]
async fn what_is_removed_from_before_a_backup_is_found_in_spite_of_a_restore() {
    let mut hub = Hub::start(&with_checkpoints());
    let admin = hub.token(ADMIN);
    let note = json!({ "text": "a" });
    assert_eq!(hub.call(&admin, "testbed/write.note", &note).await.status, 200);
    hub.stop();
    let (identity, public) = new_identity(&hub);
    let checkpoints = hub.folder().join("checkpoints.jsonl");
    let before = fs::read_to_string(&checkpoints).expect("checkpoints");
    // Somebody removes something, and only then a backup is made.
    let database = rusqlite::Connection::open(hub.data().join("ops.db")).expect("a database");
    database
        .execute_batch(
            "DROP TRIGGER run_events_no_delete; DELETE FROM run_events WHERE operation = 'call_tool'; \
             CREATE TRIGGER run_events_no_delete BEFORE DELETE ON run_events \
             BEGIN SELECT RAISE(ABORT, 'ops.run_events is append-only'); END",
        )
        .expect("cut");
    drop(database);
    let backup = back_up(&hub, &public, "backup.age");
    fs::remove_dir_all(hub.data()).expect("removed");
    let restored = restore(&hub.data(), &backup, &identity);
    assert!(restored.status.success(), "{}", said(&restored));
    fs::write(&checkpoints, before).expect("as it was");
    let (is_sound, told) = verified(&hub, &["--checkpoint", text(&checkpoints)]);
    assert!(!is_sound && told.contains("is missing"), "{told}");
}

/// A file that is made as a backup is, with this in it.
fn forged(identity: &Identity, to: &Path, files: &[(&str, &[u8])]) {
    let recipient = identity.to_public();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).expect("an encryptor");
    let output = encryptor.wrap_output(fs::File::create(to).expect("a file")).expect("begun");
    let mut tar = tar::Builder::new(GzEncoder::new(output, Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_old();
        // The library refuses some names that an attacker would write.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o777);
        header.set_entry_type(if name.ends_with(".link") { tar::EntryType::Symlink } else { tar::EntryType::Regular });
        header.set_cksum();
        tar.append(&header, *content).expect("appended");
    }
    tar.into_inner().expect("a tar").finish().expect("compressed").finish().expect("encrypted");
}

#[test]
fn what_is_no_backup_is_refused_in_a_sentence_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let place = |name: &str| folder.path().join(name);
    let (identity, other) = (Identity::generate(), Identity::generate());
    for (name, identity) in [("mine", &identity), ("another", &other)] {
        let mut file = fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
        let mut file = file.create(true).write(true).open(place(name)).expect("a file");
        writeln!(file, "# a comment\n{}", identity.to_string().expose_secret()).expect("written");
    }
    fs::write(place("none"), "no key\n").expect("written");
    let _ = std::process::Command::new("chmod").arg("600").arg(place("none")).status();
    let manifest = br#"{"format":1,"hub":"0","made_at":"2026-01-01T00:00:00Z","has_database":false,"archives":[]}"#;
    let newer = br#"{"format":9}"#;
    let with_database = String::from_utf8_lossy(manifest).replace("false", "true");
    let large = vec![0; 5 << 20];
    let whole = ("manifest.json", &manifest[..]);
    for (name, files) in [
        ("whole", vec![whole, ("audit.key", &[7; 32][..])]),
        ("empty", vec![]),
        ("headless", vec![("audit.key", &b"x"[..])]),
        ("newer", vec![("manifest.json", &newer[..])]),
        ("outside", vec![whole, ("../../escaped", &b"x"[..])]),
        ("absolute", vec![whole, ("/tmp/escaped", &b"x"[..])]),
        ("unknown", vec![whole, ("compiled", &b"x"[..])]),
        ("linked", vec![whole, ("audit.link", &b""[..])]),
        ("twice", vec![whole, ("audit.key", &b"x"[..]), ("audit.key", &b"y"[..])]),
        ("large", vec![whole, ("vault.json", &large[..])]),
        ("lacking", vec![("manifest.json", with_database.as_bytes())]),
        ("keyless", vec![("manifest.json", with_database.as_bytes()), ("ops.db", &b"x"[..])]),
        (
            "damaged",
            vec![("manifest.json", with_database.as_bytes()), ("audit.key", &[7; 32][..]), ("ops.db", &b"x"[..])],
        ),
        ("short", vec![whole, ("audit.key", &b"x"[..])]),
        ("identity", vec![whole, ("identity.key", &b"junk"[..])]),
        ("vault", vec![whole, ("vault.json", &b"[[["[..])]),
    ] {
        forged(&identity, &place(name), &files);
    }
    let bytes = fs::read(place("whole")).expect("a file");
    fs::write(place("cut"), &bytes[..bytes.len() - 20]).expect("written");
    let mut changed = bytes.clone();
    *changed.last_mut().expect("a byte") ^= 1;
    fs::write(place("changed"), changed).expect("written");
    fs::write(place("text"), "version: 1").expect("written");
    for (backup, identity, told) in [
        ("whole", "another", "is --identity one that it was made for?"),
        ("whole", "none", "holds no identity"),
        ("whole", "nowhere", "there is no such file"),
        ("nothing", "mine", "No such file"),
        ("text", "mine", "cannot be decrypted"),
        ("cut", "mine", "cannot be read to its end"),
        ("changed", "mine", "cannot be read to its end"),
        ("empty", "mine", "it is empty"),
        ("headless", "mine", "does not begin with `manifest.json`"),
        ("newer", "mine", "is of format 9"),
        ("outside", "mine", "no file of a hub's"),
        ("absolute", "mine", "no file of a hub's"),
        ("unknown", "mine", "no file of a hub's"),
        ("linked", "mine", "no file of a hub's"),
        ("twice", "mine", "is in it twice"),
        ("large", "mine", "is larger than the hub's ever is"),
        ("lacking", "mine", "does not hold what its manifest says"),
        ("keyless", "mine", "it lacks `audit.key`"),
        ("damaged", "mine", "`ops.db` in it cannot be used"),
        ("short", "mine", "`audit.key` in it cannot be used"),
        ("identity", "mine", "`identity.key` in it cannot be used"),
        ("vault", "mine", "`vault.json` in it cannot be used"),
    ] {
        let data = place("data");
        let refused = restore(&data, &place(backup), &place(identity));
        let text = said(&refused);
        assert!(!refused.status.success() && text.contains(told) && text.lines().count() == 1, "{backup}: {text}");
        assert_eq!(text.matches(told).count(), 1, "{backup}: {text}");
        assert_eq!(fs::read_dir(&data).expect("a folder").count(), 0, "{backup}");
    }
    assert!(!Path::new("/tmp/escaped").exists() && !place("escaped").exists());
    let restored = restore(&place("data"), &place("whole"), &place("mine"));
    assert!(
        restored.status.success() && said(&restored).contains("the database was on a server"),
        "{}",
        said(&restored)
    );
}

#[tokio::test]
async fn a_server_has_its_own_backup_and_the_trail_in_it_says_that_it_was_restored() {
    let server = Postgres::start().await;
    let mut hub = Hub::start_with(HELLO, &["--database-url", &server.url("hub")]);
    let viewer = hub.token(VIEWER);
    assert_eq!(hub.call(&viewer, "hello-rs/echo.v1", &json!({ "message": "x" })).await.status, 200);
    let (identity, public) = new_identity(&hub);
    let to = hub.folder().join("backup.age");
    let told = hub.command(&["backup", "--to", text(&to), "--recipient", &public]);
    assert!(told.contains("pg_dump"), "{told}");
    hub.stop();
    fs::remove_dir_all(hub.data()).expect("removed");
    let told = hub.command(&["restore", text(&to), "--identity", text(&identity)]);
    assert!(told.contains("restored from"), "{told}");
    let (is_sound, told) = verified(&hub, &[]);
    assert!(is_sound && told.contains("the trail was restored"), "{told}");
    hub.run();
    assert_eq!(
        hub.call(&viewer, "hello-rs/echo.v1", &json!({ "message": "x" })).await.status,
        200,
        "with the token of before"
    );
}
