//! A real PostgreSQL for one test: a cluster of its own on 127.0.0.1, gone when dropped.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::chown, process::CommandExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, getuid, kill_process};
use sqlx_core::{connection::ConnectOptions as _, raw_sql::raw_sql};
use sqlx_postgres::{PgConnectOptions, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{hub::Folder, tools::test_tool};

/// How long the server may take to start or to end on a busy machine.
const SOON: Duration = Duration::from_secs(30);
/// Root may not run the server: then it is run by `nobody`.
const NOBODY: u32 = 65_534;

/// Stand-ins, with rights as Supabase grants them.
const SUPABASE: &str = "
CREATE ROLE anon NOLOGIN; CREATE ROLE authenticated NOLOGIN; CREATE ROLE service_role NOLOGIN BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT; GRANT anon, authenticated, service_role TO authenticator;
CREATE ROLE supabase_auth_admin NOLOGIN; ALTER ROLE owner BYPASSRLS;
CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email text);
ALTER TABLE auth.users OWNER TO supabase_auth_admin;
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA auth TO owner, anon, authenticated, service_role;
GRANT ALL ON auth.users TO owner;
CREATE SCHEMA vault;
CREATE TABLE vault.secrets (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE, secret text NOT NULL);
CREATE FUNCTION vault._crypto_aead_det_decrypt(text) RETURNS text LANGUAGE sql AS 'SELECT reverse($1)';
CREATE VIEW vault.decrypted_secrets AS
    SELECT id, name, secret, vault._crypto_aead_det_decrypt(secret) AS decrypted_secret FROM vault.secrets;
REVOKE ALL ON FUNCTION vault._crypto_aead_det_decrypt(text) FROM PUBLIC;
GRANT USAGE ON SCHEMA vault TO owner WITH GRANT OPTION;
GRANT SELECT ON vault.secrets, vault.decrypted_secrets TO owner WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION vault._crypto_aead_det_decrypt(text) TO owner WITH GRANT OPTION;
";

/// A running server with a database `ops`, a user `owner` who owns it, and a user `hub`, who is what hubs connect as.
pub struct Postgres {
    folder: Folder,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Starts a server whose database has the hub's schema.
    pub async fn start() -> Self {
        let server = Self::start_empty().await;
        let output = server.bulkhead("owner").arg("migrate").output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        server.admin("CREATE ROLE hub LOGIN IN ROLE bulkhead_hub").await;
        server
    }

    /// Starts a server whose database has Supabase's schemas, and the hub's.
    pub async fn start_as_supabase() -> Self {
        let server = Self::start_empty().await;
        server.becomes_supabase().await;
        let output = server.bulkhead("owner").arg("migrate").output().expect("it runs");
        let told = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
        assert!(output.status.success() && told.contains("this is Supabase"), "{told}");
        server.admin("CREATE ROLE hub LOGIN IN ROLE bulkhead_hub").await;
        server
    }

    /// Starts a server with an empty database.
    pub async fn start_empty() -> Self {
        let folder = Folder::new();
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port").port();
        let mut server = Self { folder, port, server: None };
        if getuid().is_root() {
            chown(server.folder.path(), Some(NOBODY), Some(NOBODY)).expect("the server's own folder");
        }
        let mut initdb = server.unprivileged("initdb");
        initdb
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(server.data());
        let made = initdb.output().expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.run().await;
        server.admin("CREATE ROLE owner LOGIN CREATEROLE").await;
        let mut postgres = server.connect("postgres", "postgres").await;
        raw_sql("CREATE DATABASE ops OWNER owner").execute(&mut postgres).await.expect("a database");
        server
    }

    /// Makes what a Supabase project has beside it: users of its own, the roles of its API, and a vault. The owner of the trail may
    /// do what `postgres` may there.
    pub async fn becomes_supabase(&self) {
        self.admin(SUPABASE).await;
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn unprivileged(&self, program: &str) -> Command {
        let mut command = Command::new(test_tool("postgres", &format!("bin/{program}")));
        if getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts the server again where it was.
    pub async fn run(&mut self) {
        let log = self.folder.path().join("log");
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            "unix_socket_directories=".to_owned(),
            "shared_buffers=16MB".to_owned(),
            "max_connections=50".to_owned(),
        ];
        let mut command = self.unprivileged("postgres");
        command.arg("-D").arg(self.data()).args(settings.iter().flat_map(|setting| ["-c", setting]));
        let output = File::options().create(true).append(true).open(&log).expect("a log");
        self.server = Some(command.stdout(Stdio::null()).stderr(output).spawn().expect("the server starts"));
        let started = Instant::now();
        while self.options("postgres", "postgres").connect().await.is_err() {
            assert!(started.elapsed() < SOON, "the server does not start: {:?}", fs::read_to_string(&log));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the server at once and cuts all connections, as a crash does.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let id = Pid::from_child(&server);
        // Its own word for that, so that none of its processes stays.
        kill_process(id, Signal::QUIT).expect("it runs");
        let started = Instant::now();
        while server.try_wait().expect("a child").is_none() {
            if started.elapsed() > SOON {
                let _ = server.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// From now on users but the superuser need a password.
    pub async fn ask_for_passwords(&mut self) {
        let rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(self.data().join("pg_hba.conf"), rules).expect("written");
        self.admin("SELECT pg_reload_conf()").await;
        // The server reads it when it comes to it.
        while self.options("hub", "ops").connect().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn url(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/ops", self.port)
    }

    /// The same by way of somebody who loses each tenth commit: in turns before the answer is back, and before the server has it.
    pub async fn url_that_loses_commits(&self, user: &str) -> String {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let (port, server) = (listener.local_addr().expect("an address").port(), self.port);
        tokio::spawn(async move {
            let commits = Arc::new(AtomicUsize::new(1));
            while let Ok((client, _)) = listener.accept().await {
                let commits = Arc::clone(&commits);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await {
                        lose_commits(client, server, &commits).await;
                    }
                });
            }
        });
        format!("postgres://{user}@127.0.0.1:{port}/ops")
    }

    /// The program, on this database.
    pub fn bulkhead(&self, user: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.arg("--database-url").arg(self.url(user));
        command
    }

    fn options(&self, user: &str, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        options.username(user).database(database)
    }

    pub async fn connect(&self, user: &str, database: &str) -> PgConnection {
        self.options(user, database).connect().await.expect("a connection")
    }

    /// As the server's superuser, who may do anything.
    pub async fn admin(&self, sql: &'static str) {
        let database =
            if sql.starts_with("CREATE ROLE hub") || sql.starts_with("CREATE ROLE owner") { "postgres" } else { "ops" };
        let mut connection = self.connect("postgres", database).await;
        raw_sql(sql).execute(&mut connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Hands everything on until a commit is to be lost.
async fn lose_commits(mut client: TcpStream, mut server: TcpStream, commits: &AtomicUsize) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let is_commit = asked[..length].windows(6).any(|word| word == b"COMMIT");
                let number = if is_commit { commits.fetch_add(1, Ordering::Relaxed) } else { 1 };
                if number % 20 == 0 {
                    return;
                }
                if server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
                if number % 20 == 10 {
                    // The server is done, and nobody hears of it.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}
