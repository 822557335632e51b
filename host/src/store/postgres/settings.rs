//! `postgres://` URLs, and where the password is.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx_core::connection::ConnectOptions as _;
use sqlx_postgres::{PgConnectOptions, PgSslMode};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::PostgresError;
use crate::store::small_file;

/// The parameters of a URL that are understood. A password is to be nowhere in it where others can see it.
const PARAMETERS: [&str; 9] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "dbname", "user", "application_name"];
/// The longest file with a password, in bytes.
const PASSWORD_MAX: u64 = 4096;

/// Why a URL is refused. None of these shows any of it that could be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error(
        "the database's URL cannot be read: write postgres://USER@HOST:PORT/DATABASE, with `%40` for `@` in a name"
    )]
    Malformed,
    /// It has a parameter that means nothing here.
    #[error("the database's URL has a parameter that this hub does not know: use {}", PARAMETERS.join(", "))]
    Parameter,
    /// It has a password where everybody on the machine sees it.
    #[error(
        "a password on the command line is shown to every user of this machine: leave it out of --database-url, and name a file \
         with it by --database-password-file, put it into ~/.pgpass, or give the whole URL in BULKHEAD_DATABASE_URL"
    )]
    PasswordShown,
}

/// How a PostgreSQL database is reached.
#[derive(Clone)]
pub struct Settings {
    options: Box<PgConnectOptions>,
    password_file: Option<PathBuf>,
}

impl Settings {
    /// Reads a URL. Unless it has an `sslmode`, the connection is encrypted and the server's certificate verified (`verify-full`),
    /// but for a server on this machine.
    ///
    /// # Errors
    /// When it is none of PostgreSQL's, or has a parameter that means nothing here.
    pub fn new(url: &str, password_file: Option<&Path>) -> Result<Self, SettingsError> {
        let parsed = parsed(url)?;
        let named = |name: &str| parsed.query_pairs().any(|(key, _)| key == name);
        if parsed.query_pairs().any(|(key, _)| key != "password" && !PARAMETERS.contains(&&*key)) {
            return Err(SettingsError::Parameter);
        }
        let mut options = PgConnectOptions::from_str(url).map_err(|_| SettingsError::Malformed)?;
        if !named("sslmode") && !is_on_this_machine(&options) {
            options = options.ssl_mode(PgSslMode::VerifyFull);
        }
        if !named("application_name") {
            options = options.application_name("bulkhead");
        }
        // What is sent is not logged: it is what the trail holds.
        let options = Box::new(options.disable_statement_logging());
        Ok(Self { options, password_file: password_file.map(Path::to_owned) })
    }

    /// Whether a text is a URL of PostgreSQL's.
    #[must_use]
    pub fn is_meant(url: &str) -> bool {
        url.starts_with("postgres:") || url.starts_with("postgresql:")
    }

    /// Refuses a URL with a password in it.
    ///
    /// # Errors
    /// When there is one, or it cannot be read.
    pub fn without_password(url: &str) -> Result<(), SettingsError> {
        let parsed = parsed(url)?;
        let shown = parsed.password().is_some() || parsed.query_pairs().any(|(key, _)| key == "password");
        if shown { Err(SettingsError::PasswordShown) } else { Ok(()) }
    }

    /// What to connect with. The password is read anew each time: it may have been changed.
    pub(super) fn options(&self) -> Result<PgConnectOptions, PostgresError> {
        let Some(path) = &self.password_file else { return Ok((*self.options).clone()) };
        let unusable = |source| PostgresError::Password { path: path.clone(), source };
        let bytes = Zeroizing::new(small_file::read(path, PASSWORD_MAX).map_err(unusable)?);
        let text = std::str::from_utf8(&bytes).map_err(|error| unusable(std::io::Error::other(error)))?;
        Ok((*self.options).clone().password(text.trim_end_matches(['\r', '\n'])))
    }

    /// The user of the database.
    pub(super) fn user(&self) -> &str {
        self.options.get_username()
    }
}

fn parsed(url: &str) -> Result<Url, SettingsError> {
    let url: Url = url.parse().map_err(|_| SettingsError::Malformed)?;
    if matches!(url.scheme(), "postgres" | "postgresql") { Ok(url) } else { Err(SettingsError::Malformed) }
}

fn is_on_this_machine(options: &PgConnectOptions) -> bool {
    if options.get_socket().is_some() {
        return true;
    }
    match Host::parse(options.get_host()) {
        Ok(Host::Domain(name)) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        // A path: the folder of a socket.
        Err(_) => options.get_host().starts_with('/'),
    }
}

/// Without user and password.
impl fmt::Display for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.options.get_database().unwrap_or_else(|| self.user());
        write!(formatter, "postgres://{}:{}/{database}", self.options.get_host(), self.options.get_port())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> PgSslMode {
        Settings::new(url, None).expect(url).options.get_ssl_mode()
    }

    #[test]
    fn another_machine_is_spoken_to_in_secret_unless_somebody_says_otherwise() {
        for remote in ["postgres://hub@db.example/ops", "postgresql://10.0.0.1", "postgres://hub@[2001:db8::1]/ops"] {
            assert!(matches!(mode(remote), PgSslMode::VerifyFull), "{remote}");
        }
        for local in ["postgres://hub@127.0.0.1/ops", "postgres://localhost/ops", "postgres://[::1]/ops"] {
            assert!(matches!(mode(local), PgSslMode::Prefer), "{local}");
        }
        assert!(matches!(mode("postgres:///ops?host=/var/run/postgresql"), PgSslMode::Prefer));
        assert!(matches!(mode("postgres://db.example/ops?sslmode=require"), PgSslMode::Require));
    }

    #[test]
    fn a_password_is_seen_wherever_it_stands_and_shown_nowhere() {
        for url in ["postgres://hub:hunter2@db/ops", "postgres://hub@db/ops?password=hunter2"] {
            assert_eq!(Settings::without_password(url), Err(SettingsError::PasswordShown));
            let settings = Settings::new(url, None).expect(url);
            assert!(!format!("{settings} {settings:?}").contains("hunter2"));
        }
        assert_eq!(Settings::without_password("postgres://hub@db/ops"), Ok(()));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (url, error) in [
            ("postgres://hub@db/ops?sslmod=disable", SettingsError::Parameter),
            ("postgres://hub@db:port/ops", SettingsError::Malformed),
            ("mysql://hub@db/ops", SettingsError::Malformed),
            ("postgres://hub@db/ops?sslmode=perhaps", SettingsError::Malformed),
        ] {
            assert_eq!(Settings::new(url, None).map(|_| ()), Err(error), "{url}");
        }
    }

    #[test]
    fn the_password_is_read_anew_each_time_without_its_line_break() {
        let file = std::env::temp_dir().join(format!("bulkhead-test-{}", uuid::Uuid::new_v4()));
        let settings = Settings::new("postgres://hub@127.0.0.1/ops", Some(&file)).expect("settings");
        assert!(matches!(settings.options(), Err(PostgresError::Password { .. })));
        for password in ["one", "an other"] {
            std::fs::write(&file, format!("{password}\r\n")).expect("written");
            let url = settings.options().expect("read").to_url_lossy();
            assert_eq!(url.password(), Some(&*password.replace(' ', "%20")));
        }
        std::fs::remove_file(file).expect("removed");
    }
}
