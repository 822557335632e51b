//! Compiled code: where it is kept, and the one place where bytes become code that runs.
//!
//! wasmtime cannot tell whether code is what its compiler made, so loading some is `unsafe`, and this is the only file of the
//! hub that may be. What it loads comes from the compiler's process, over a pipe that nobody else has, or out of a folder
//! that only the hub's user can read and write, where the hub has put what came over that pipe. There it lies by the digest
//! of its component, under a digest of both: what is cut off, mixed up or left by a disk that lies is compiled again.

use std::{
    fmt,
    fs::{self, Permissions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use aws_lc_rs::digest::{self, Context, SHA256, SHA256_OUTPUT_LEN};
use data_encoding::HEXLOWER;
use rustix::process::geteuid;
use wasmtime::{Engine, component::Component};

use crate::store::{private_file, small_file};

/// What stands before code, in the pipe and on disk.
pub(super) const HEADING: &[u8] = b"bulkhead code 1\n";
/// The most that a component's code may be, in bytes. Python's, the largest known, is about 60 MB.
pub(super) const CODE_MAX: u64 = 512 * 1024 * 1024;
/// How much is kept in all, in bytes: what was used longest ago goes first.
const KEPT_MAX: u64 = 2 * CODE_MAX;
/// What a file has before the code: the heading, and a digest of the component's and the code.
const BEFORE: usize = HEADING.len() + SHA256_OUTPUT_LEN;

/// What a component is known by: the SHA-256 of its bytes.
#[derive(Clone, Copy)]
pub(super) struct ComponentId([u8; SHA256_OUTPUT_LEN]);

impl ComponentId {
    pub(super) fn of(component: &[u8]) -> Self {
        Self(sha256(&[component]))
    }
}

/// What the compiler's process has made of a component.
pub(super) struct Code {
    /// [`BEFORE`], which is empty until it is kept, and the code.
    bytes: Vec<u8>,
    at: usize,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} bytes)", self.code().len())
    }
}

impl Code {
    /// What came from the compiler's process; `None` if it is too large.
    pub(super) fn of_compiler(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() as u64 <= CODE_MAX).then_some(Self { bytes, at: 0 })
    }

    fn code(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// Makes it a component of this engine.
    ///
    /// # Errors
    /// When it is for an engine with other settings, of another version, or for another processor.
    #[expect(unsafe_code, reason = "wasmtime cannot check what its compiler made; where this comes from, see above")]
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: the bytes are what `Component::serialize` gave in the compiler's process: a `Code` is made of what came
        // over that process's pipe after it ended well, or of what `Shelf::find` has found unchanged in a folder and a file
        // that nobody but the hub's user can write. They are a copy in memory, which cannot change any more. Whether they
        // are for an engine like this one is what wasmtime does check.
        unsafe { Component::deserialize(engine, self.code()) }
    }
}

/// The folder in which code is kept.
pub(super) struct Shelf {
    folder: PathBuf,
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folder.display().fmt(f)
    }
}

impl Shelf {
    /// The one in a folder. It is made when something is put there.
    pub(super) fn new(within: &Path) -> Self {
        Self { folder: within.join("modules") }
    }

    /// The code of a component, if it is there and as it was left. Blocking.
    pub(super) fn find(&self, id: &ComponentId) -> Option<Code> {
        match self.read(id) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(folder = %self, %error, "compiled code that was kept is not used");
                None
            }
        }
    }

    fn read(&self, id: &ComponentId) -> io::Result<Option<Code>> {
        let file = match small_file::open(&self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        only_ours(&fs::metadata(&self.folder)?)?;
        let metadata = file.metadata()?;
        only_ours(&metadata)?;
        if metadata.len() > BEFORE as u64 + CODE_MAX {
            return Err(io::Error::other("it is not a file of the hub's"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        (&file).take(BEFORE as u64 + CODE_MAX).read_to_end(&mut bytes)?;
        let damaged = || io::Error::other("it is damaged");
        let (before, code) = bytes.split_at_checked(BEFORE).ok_or_else(damaged)?;
        if before != heading(id, code) {
            return Err(damaged());
        }
        // What is in use is not what goes first. If that cannot be noted, it may be compiled again one day.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(Code { bytes, at: BEFORE }))
    }

    /// Puts a component's code there in one step, and takes out what is too much. Blocking.
    pub(super) fn keep(&self, id: &ComponentId, code: &Code) -> io::Result<()> {
        self.prepare()?;
        let path = self.path(id);
        private_file::replace(&path, &[&heading(id, code.code()), code.code()].concat())?;
        self.prune(&path, KEPT_MAX)
    }

    /// Sees to it that the folder is there, for the hub's user alone.
    fn prepare(&self) -> io::Result<()> {
        private_file::create_folder(&self.folder)?;
        let metadata = fs::metadata(&self.folder)?;
        let others_write = metadata.mode() & 0o022 != 0;
        if !others_write {
            // Of an earlier version: others could read it, and put nothing there.
            fs::set_permissions(&self.folder, Permissions::from_mode(0o700))?;
        }
        only_ours(&fs::metadata(&self.folder)?)
    }

    /// Removes what was used longest ago until no more than `most` bytes are left, whatever they are; never `newest`.
    fn prune(&self, newest: &Path, most: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // One that another hub has just removed is gone, too.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                // Not ours: an earlier version kept its code so. What cannot be removed does no harm.
                let _ = fs::remove_dir_all(entry.path());
                continue;
            }
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        files.sort();
        let mut kept: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if kept <= most {
                break;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                kept -= bytes;
            }
        }
        Ok(())
    }

    fn path(&self, id: &ComponentId) -> PathBuf {
        self.folder.join(HEXLOWER.encode(&id.0))
    }
}

/// Refuses what others than the hub's user could have written or read.
fn only_ours(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
        return Err(io::Error::other(
            "others than the hub's user may use it: remove the folder, and the hub makes it anew",
        ));
    }
    Ok(())
}

/// What a file begins with.
fn heading(id: &ComponentId, code: &[u8]) -> Vec<u8> {
    [HEADING, &sha256(&[&id.0, code])].concat()
}

fn sha256(parts: &[&[u8]]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let digest: digest::Digest = context.finish();
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::{
        config::{SandboxLimits, StackKib},
        sandbox::{CompileError, Compiler, Sandbox, engine::ProviderEngine},
    };

    const COMPONENT: &[u8] = b"(component)";

    fn shelf() -> (Shelf, PathBuf) {
        let folder = std::env::temp_dir().join(format!("bulkhead-code-{}", Uuid::new_v4()));
        (Shelf::new(&folder), folder)
    }

    fn code(text: &str) -> Code {
        Code::of_compiler(text.as_bytes().to_vec()).expect("small")
    }

    #[test]
    fn what_was_kept_is_found_as_it_was_and_not_when_anything_of_it_is_another() {
        let (shelf, folder) = shelf();
        let (one, two) = (ComponentId::of(b"one"), ComponentId::of(b"two"));
        assert!(shelf.find(&one).is_none());
        shelf.keep(&one, &code("the code of one")).expect("kept");
        shelf.keep(&two, &code("the code of two")).expect("kept");
        assert_eq!(shelf.find(&one).expect("found").code(), b"the code of one");
        let whole = fs::read(shelf.path(&one)).expect("a file");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(shelf.path(&one), flipped).expect("written");
            assert!(shelf.find(&one).is_none(), "a bit of byte {at}");
            fs::write(shelf.path(&one), &whole[..at]).expect("written");
            assert!(shelf.find(&one).is_none(), "the first {at} bytes");
        }
        fs::write(shelf.path(&one), [&whole[..], b"x"].concat()).expect("written");
        assert!(shelf.find(&one).is_none(), "more than there was");
        fs::copy(shelf.path(&two), shelf.path(&one)).expect("copied");
        assert!(shelf.find(&one).is_none(), "the code of another component");
        shelf.keep(&one, &code("the code of one")).expect("kept again");
        assert!(shelf.find(&one).is_some());
        fs::remove_dir_all(folder).expect("cleaned");
    }

    #[test]
    fn what_others_could_have_left_is_not_loaded() {
        let (shelf, folder) = shelf();
        let id = ComponentId::of(b"one");
        shelf.keep(&id, &code("the code")).expect("kept");
        for path in [shelf.folder.clone(), shelf.path(&id)] {
            let before = fs::metadata(&path).expect("there").permissions();
            assert_eq!(before.mode() & 0o777 & !0o700, 0, "made for the hub's user alone");
            for mode in [0o720, 0o702, 0o722, 0o777] {
                fs::set_permissions(&path, Permissions::from_mode(mode)).expect("changed");
                assert!(shelf.find(&id).is_none(), "{} with {mode:o}", path.display());
                assert!(path != shelf.folder || shelf.keep(&id, &code("more")).is_err());
            }
            fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("changed");
            assert!(shelf.find(&id).is_none(), "{} that others can read", path.display());
            shelf.keep(&id, &code("the code")).expect("kept");
            assert_eq!(
                fs::metadata(&path).expect("there").permissions(),
                before,
                "what nobody else could change is mended"
            );
            assert!(shelf.find(&id).is_some());
        }
        fs::remove_dir_all(folder).expect("cleaned");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let (shelf, folder) = shelf();
        let id = ComponentId::of(b"one");
        shelf.keep(&id, &code("the code")).expect("kept");
        fs::remove_file(shelf.path(&id)).expect("removed");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, shelf.path(&id), mode).expect("a FIFO");
        let (shelf, (done, answer)) = (std::sync::Arc::new(shelf), std::sync::mpsc::channel());
        let reader = std::sync::Arc::clone(&shelf);
        // In a thread, so that a read that waits fails the test instead of holding it up.
        std::thread::spawn(move || done.send(reader.find(&id).is_none()));
        assert_eq!(answer.recv_timeout(Duration::from_secs(5)), Ok(true), "an answer at once");
        shelf.keep(&id, &code("the code")).expect("kept in its place");
        assert!(shelf.find(&id).is_some());
        fs::remove_dir_all(folder).expect("cleaned");
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let (shelf, folder) = shelf();
        let ids = ["a", "b", "c", "d"].map(|name| ComponentId::of(name.as_bytes()));
        for (age, id) in ids.iter().enumerate() {
            shelf.keep(id, &code("0123456789")).expect("kept");
            let file = fs::File::options().write(true).open(shelf.path(id)).expect("a file");
            let hours = 10 - u64::try_from(age).expect("small");
            file.set_modified(SystemTime::now() - Duration::from_hours(hours)).expect("aged");
        }
        let there = || ids.map(|id| shelf.path(&id).exists());
        assert!(shelf.find(&ids[0]).is_some(), "used just now");
        let size = (BEFORE + 10) as u64;
        shelf.prune(&shelf.path(&ids[1]), 2 * size).expect("pruned");
        assert_eq!(there(), [true, true, false, false], "neither what is in use nor what is new");
        fs::remove_dir_all(folder).expect("cleaned");
    }

    #[tokio::test]
    async fn the_hub_has_no_compiler_and_loads_only_what_the_process_made() {
        let (shelf, folder) = shelf();
        let bytes = wat::parse_str(std::str::from_utf8(COMPONENT).expect("text")).expect("WAT");
        let elsewhere = Compiler::Apart { program: "/nowhere".into(), within: Duration::from_secs(1) };
        let sandbox = std::sync::Arc::new(Sandbox::new(&folder, elsewhere).expect("a sandbox"));
        let hub = sandbox.engine(StackKib::default()).expect("an engine");
        let refused = hub.compile(&bytes).expect_err("no compiler").to_string();
        assert!(refused.contains("compiler"), "{refused}");

        let compiled = ProviderEngine::idle().expect("an engine").compile(&bytes).expect("compiled");
        let made = Code::of_compiler(compiled.serialize().expect("code")).expect("small");
        assert!(made.load(&hub.engine).is_ok(), "what another engine compiled runs in this one");
        let id = ComponentId::of(&bytes);
        shelf.keep(&id, &made).expect("kept");
        let found = sandbox.compile(bytes.clone(), SandboxLimits::default()).await;
        assert!(matches!(found, Err(CompileError::Contract(_))), "found, loaded, and held to the contract: {found:?}");
        fs::write(shelf.path(&id), b"damaged").expect("written");
        let missing = sandbox.compile(bytes, SandboxLimits::default()).await;
        assert!(matches!(missing, Err(CompileError::NotStarted(_))), "a process is asked, not the hub: {missing:?}");
        fs::remove_dir_all(folder).expect("cleaned");
    }
}
