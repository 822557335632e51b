//! What `deploy/` ships is held against the rules of those who run it.

use std::{fs, path::PathBuf, process::Command};

use crate::support::{certificates::text, tools::test_tool};

fn shipped(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(shipped(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The most that systemd may find exposed, in hundredths of its ten: 2.5.
const EXPOSURE_MAX: &str = "25";

#[test]
fn systemd_finds_the_unit_hardly_exposed() {
    let judge = |unit: &str| {
        let mut command = Command::new(test_tool("systemd", "bin/systemd-analyze"));
        command.args(["security", "--no-pager", "--offline=true", "--threshold", EXPOSURE_MAX, unit]);
        command.output().expect("it runs")
    };
    let judged = judge(text(&shipped("systemd/bulkhead.service")));
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));

    let folder = crate::support::hub::Folder::new();
    let bare = folder.path().join("bare.service");
    fs::write(&bare, "[Service]\nExecStart=/usr/bin/bulkhead serve\n").expect("written");
    assert!(!judge(text(&bare)).status.success(), "a unit that hardens nothing is found so");
}

#[test]
fn the_unit_is_started_by_its_socket_and_says_why_code_may_be_made() {
    let (unit, socket) = (read("systemd/bulkhead.service"), read("systemd/bulkhead.socket"));
    for line in ["Type=notify", "NotifyAccess=main", "Requires=bulkhead.socket", "User=bulkhead"] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    assert!(unit.contains("# MemoryDenyWriteExecute stays off") && !unit.contains("\nMemoryDenyWriteExecute"));
    assert_eq!(socket.matches("\nListenStream=").count(), 1, "a hub listens at one address");
}

#[test]
fn manifests_are_what_kubernetes_takes() {
    let manifests = shipped("kubernetes/bulkhead.yaml");
    let validate = |path: &str| {
        let mut command = Command::new(test_tool("kubernetes", "bin/kubernetes-validate"));
        command.args(["--strict", path]).output().expect("it runs")
    };
    let judged = validate(text(&manifests));
    assert!(judged.status.success(), "{judged:?}");

    let folder = crate::support::hub::Folder::new();
    let wrong = folder.path().join("wrong.yaml");
    let text_of = fs::read_to_string(&manifests).expect("manifests");
    fs::write(&wrong, text_of.replace("readOnlyRootFilesystem:", "readOnlyRootFileSystem:")).expect("written");
    assert!(!validate(text(&wrong)).status.success(), "a word that Kubernetes does not know is found");
    for rule in
        ["runAsNonRoot: true", "allowPrivilegeEscalation: false", "drop: [ALL]", "path: /readyz", "path: /livez"]
    {
        assert!(text_of.contains(rule), "{rule}");
    }
}

/// What is wrong with a Dockerfile.
fn faults(dockerfile: &str) -> Vec<&'static str> {
    let lines: Vec<&str> = dockerfile.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let last = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap_or_default();
    let (stages, image) = (lines.iter().filter(|line| line.starts_with("FROM ")), &lines[last..]);
    let begins = |word: &str| image.iter().any(|line| line.starts_with(word));
    let user = image.iter().filter_map(|line| line.strip_prefix("USER ")).next_back();
    let is_root = user.is_none_or(|user| !user.starts_with(|first: char| ('1'..='9').contains(&first)));
    let untagged = |line: &&str| !line.contains(':') || line.contains(":latest");
    [
        (stages.clone().count() < 2, "the tools of the build are in the image"),
        (stages.clone().any(untagged), "an image without a version"),
        (is_root, "it runs as root, or as a name that nobody can check"),
        (!image[0].contains("distroless"), "there is a shell in the image"),
        (begins("RUN "), "something is run in the image, which takes a shell"),
        (image.iter().any(|line| line.starts_with("ADD ")), "something is fetched into the image"),
        (!image.iter().any(|line| line.starts_with("ENTRYPOINT [")), "the program is not started as such"),
        (image.iter().any(|line| line.starts_with("CMD ") && !line.starts_with("CMD [")), "it is started by a shell"),
        (!begins("VOLUME "), "the data folder would be in the image, which is read only"),
        (
            lines.iter().any(|line| line.contains("apt-get install") && !line.contains("--no-install-recommends")),
            "more than needed",
        ),
    ]
    .into_iter()
    .filter_map(|(is_so, fault)| is_so.then_some(fault))
    .collect()
}

#[test]
fn the_image_has_no_shell_no_root_and_nothing_of_its_build() {
    let dockerfile = read("container/Dockerfile");
    assert_eq!(faults(&dockerfile), Vec::<&str>::new());
    for (shipped, worse, fault) in [
        ("USER 65532:65532", "USER root", "it runs as root, or as a name that nobody can check"),
        ("gcr.io/distroless/cc-debian12:nonroot", "debian:12", "there is a shell in the image"),
        (":1.95-slim-bookworm", "", "an image without a version"),
        ("CMD [\"serve\"]", "CMD serve", "it is started by a shell"),
        ("EXPOSE 8080", "RUN true", "something is run in the image, which takes a shell"),
    ] {
        assert!(dockerfile.contains(shipped), "{shipped}");
        assert_eq!(faults(&dockerfile.replace(shipped, worse)), [fault], "{worse}");
    }
    let ignored = read("container/Dockerfile.dockerignore");
    assert!(ignored.lines().any(|line| line == "data"), "no data folder comes into an image");
}
