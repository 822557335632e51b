//! The program that is to take the hub's place, looked at before it is started.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
    time::Duration,
};

use rustix::process::getuid;
use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};

use crate::store::schema;

/// How long a program may take to tell its version.
const TELLS_WITHIN: Duration = Duration::from_secs(10);
/// How much it may say, in bytes.
const SAID_MAX: u64 = 256;
/// Write bits of the group and of others.
const OTHERS_WRITE: u32 = 0o022;
/// In such a folder everybody makes files, and nobody replaces another's.
const STICKY: u32 = 0o1000;

/// What a program says of itself by `--version`, behind its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    number: semver::Version,
    /// Of the database's schema.
    schema: u32,
}

/// What this program says of itself: `0.1.0 (schema 3)`.
#[must_use]
pub fn version() -> &'static str {
    static TOLD: LazyLock<String> =
        LazyLock::new(|| format!("{} (schema {})", env!("CARGO_PKG_VERSION"), schema::VERSION));
    &TOLD
}

impl Version {
    /// Reads what `--version` prints: `bulkhead 0.1.0 (schema 3)`.
    fn read(said: &str) -> Option<Self> {
        let said = said.trim_end().strip_prefix(env!("CARGO_PKG_NAME"))?.strip_prefix(' ')?;
        let (number, schema) = said.strip_suffix(')')?.split_once(" (schema ")?;
        Some(Self { number: number.parse().ok()?, schema: schema.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)
    }
}

/// Why a program does not take the hub's place.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not there.
    #[error("{path} cannot be used: {error}", path = .path.display())]
    Unreadable {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is a folder or a device.
    #[error("{path} is not a program: name the file", path = .0.display())]
    NotAFile(PathBuf),
    /// Somebody else could put another in its place.
    #[error(
        "{path} can be changed by others than the hub's user and root: put the program where only they write, and run \
         `chmod go-w` on it", path = .0.display()
    )]
    OthersWrite(PathBuf),
    /// It does not tell its version.
    #[error("{path} does not answer `--version`: {error}", path = .path.display())]
    Silent {
        /// The program.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is another program.
    #[error("{path} is no Bulkhead that can take over: by `--version` it says `{said}`", path = .path.display())]
    Another {
        /// The program.
        path: PathBuf,
        /// What it says.
        said: String,
    },
    /// It is older than the hub that runs.
    #[error("{offered} is older than {running}, which runs: add `--force` if that is meant")]
    Older {
        /// Its version.
        offered: Version,
        /// That of the hub that runs.
        running: &'static str,
    },
    /// It would change the database under the hub that still serves from it.
    #[error(
        "its database schema is {offered} and that of this hub {}: the two cannot serve side by side; stop the hub, and start \
         the new program",
        schema::VERSION
    )]
    Schema {
        /// Its schema's version.
        offered: u32,
    },
}

/// A program that may take the hub's place.
#[derive(Debug)]
pub struct Program {
    /// Where it is, without symbolic links.
    pub(super) path: PathBuf,
    /// Its version.
    pub version: Version,
}

impl Program {
    /// Looks at the program at `path`: nobody but the hub's user and root can change it, it is a Bulkhead, not older than this
    /// one unless `older_too`, and makes the same database.
    ///
    /// # Errors
    /// When it is anything else.
    pub async fn at(path: &Path, older_too: bool) -> Result<Self, ProgramError> {
        let named = path.to_owned();
        let unreadable = |error| ProgramError::Unreadable { path: path.to_owned(), error };
        let looked = tokio::task::spawn_blocking(move || out_of_others_reach(&named)).await;
        let path = looked.map_err(|error| unreadable(io::Error::other(error)))??;
        let said = said_by(&path).await.map_err(|error| ProgramError::Silent { path: path.clone(), error })?;
        let Some(version) = Version::read(&said) else {
            let said = said.trim_end().chars().take(60).collect();
            return Err(ProgramError::Another { path, said });
        };
        let running = semver::Version::parse(env!("CARGO_PKG_VERSION")).ok();
        if !older_too && running.is_some_and(|running| version.number < running) {
            return Err(ProgramError::Older { offered: version, running: env!("CARGO_PKG_VERSION") });
        }
        if version.schema != schema::VERSION {
            return Err(ProgramError::Schema { offered: version.schema });
        }
        Ok(Self { path, version })
    }
}

/// Where the program is, if it and each folder on the way there are such that only the hub's user and root change them.
fn out_of_others_reach(path: &Path) -> Result<PathBuf, ProgramError> {
    let unreadable = |error| ProgramError::Unreadable { path: path.to_owned(), error };
    let real = path.canonicalize().map_err(unreadable)?;
    let own = [0, getuid().as_raw()];
    for (depth, place) in real.ancestors().enumerate() {
        let metadata = fs::metadata(place).map_err(unreadable)?;
        let is_program = depth == 0;
        if is_program && !metadata.is_file() {
            return Err(ProgramError::NotAFile(place.to_owned()));
        }
        let is_shared = metadata.mode() & OTHERS_WRITE != 0 && (is_program || metadata.mode() & STICKY == 0);
        if is_shared || !own.contains(&metadata.uid()) {
            return Err(ProgramError::OthersWrite(place.to_owned()));
        }
    }
    Ok(real)
}

/// What a program prints when it is asked for its version.
async fn said_by(path: &Path) -> io::Result<String> {
    let mut process = Command::new(path)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let output = process.stdout.take().ok_or_else(|| io::Error::other("it has no standard output"))?;
    let said = async {
        let mut said = Vec::new();
        output.take(SAID_MAX).read_to_end(&mut said).await?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    };
    timeout(TELLS_WITHIN, said).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_program_says_of_itself_can_be_read() {
        let own = Version::read(&format!("bulkhead {}\n", version())).expect("a version");
        assert_eq!((own.to_string().as_str(), own.schema), (env!("CARGO_PKG_VERSION"), schema::VERSION));
        for other in [
            "",
            "bulkhead",
            "bulkhead 0.1.0",
            "nginx 0.1.0 (schema 3)",
            "bulkhead 0.1 (schema 3)",
            "bulkhead 0.1.0 (schema x)",
        ] {
            assert_eq!(Version::read(other), None, "{other}");
        }
    }
}
