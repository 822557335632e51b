//! The hub's own commands, as messages tell their readers to run them: with the flags that lead to the hub that says so.
//! Without them `bulkhead secrets set token` fills the vault of whatever folder its reader stands in.
//!
//! An answer carries no path of the machine: there a folder that was given by its whole path is named by what it is, in
//! angle brackets, so that a shell refuses the command as it stands. The log and the command line have the path itself.

use std::{
    borrow::Cow,
    path::{self, Component, Path, PathBuf},
    sync::OnceLock,
};

use url::Url;

/// Where `--data` leads unless it is given.
pub const DATA: &str = "data";
/// Where `--config` leads unless it is given.
pub const CONFIG: &str = "provider-config.yaml";

/// What stands for the database in answers.
const DATABASE: &str = "<database of the hub>";

/// How many commands of a text that is a provider's are completed, and how long each may be, in bytes.
const RETOLD_MAX: usize = 8;
const COMMAND_MAX: usize = 200;

/// Where this program was told that things are. Like its arguments, there is one for the process.
static OWN: OnceLock<Invocation> = OnceLock::new();

/// Where a hub's data, config and database are, as far as they are not where they are by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    flags: Vec<Flag>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Flag {
    name: &'static str,
    /// As it was given.
    value: String,
    /// The same from anywhere on the machine.
    whole: String,
    /// What stands for it in answers.
    stand_in: &'static str,
    /// The first words of the commands that take it.
    commands: &'static [&'static str],
}

impl Invocation {
    /// That of a program with these options.
    #[must_use]
    pub fn new(data: &Path, config: &Path, database_url: Option<&str>) -> Self {
        let mut flags = Vec::new();
        let file = |name, path: &Path, stand_in, commands| Flag {
            name,
            value: path.display().to_string(),
            whole: path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string(),
            stand_in,
            commands,
        };
        if data != Path::new(DATA) {
            flags.push(file("--data", data, "<data folder of the hub>", &["secrets", "token", "audit"]));
        }
        if config != Path::new(CONFIG) {
            flags.push(file("--config", config, "<config file of the hub>", &["config"]));
        }
        // Whose URL has a password got it from the environment, which the reader's commands have too.
        if let Some(url) = database_url.filter(|url| is_a_servers(url) && !has_password(url)) {
            let (value, whole) = (url.to_owned(), url.to_owned());
            flags.push(Flag { name: "--database-url", value, whole, stand_in: DATABASE, commands: &["audit"] });
        }
        if let Some(url) = database_url.filter(|url| !is_a_servers(url)) {
            let path = PathBuf::from(url.strip_prefix("sqlite:").unwrap_or(url).trim_start_matches("//"));
            let mut flag = file("--database-url", &path, DATABASE, &["audit"]);
            (flag.value, flag.whole) = (url.to_owned(), format!("sqlite:{}", flag.whole));
            flags.push(flag);
        }
        Self { flags }
    }

    /// Makes it this program's, for good. A second one changes nothing.
    pub fn remember(self) {
        let _ = OWN.set(self);
    }

    fn own() -> &'static Self {
        OWN.get_or_init(Self::default)
    }

    fn command(&self, words: &str) -> String {
        let first = words.split(' ').next().unwrap_or_default();
        let flags = self.flags.iter().filter(|flag| flag.commands.contains(&first));
        let flags = flags.map(|flag| {
            // Below the folder that the hub was started in. Anywhere else is the machine's own business.
            let path = Path::new(flag.value.trim_start_matches("sqlite:"));
            let is_told = !is_a_servers(&flag.value)
                && path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            let value = if is_told { quoted(&flag.value) } else { flag.stand_in.into() };
            format!(" {} {value}", flag.name)
        });
        format!("bulkhead {words}{}", flags.collect::<String>())
    }

    fn complete(&self, text: &mut String) {
        const START: &str = "`bulkhead ";
        let mut from = 0;
        for _ in 0..RETOLD_MAX {
            let Some(start) = text[from..].find(START).map(|at| from + at + START.len()) else { return };
            from = start;
            let Some(length) = text[start..].find('`') else { return };
            let words = &text[start..start + length];
            if length > COMMAND_MAX || words.contains(" --") || words.contains('\n') {
                continue;
            }
            let told = self.command(words);
            let told = told.trim_start_matches("bulkhead ");
            text.replace_range(start..start + length, told);
            from = start + told.len();
        }
    }

    fn with_paths<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.flags.iter().fold(Cow::Borrowed(text), |text, flag| {
            if text.contains(flag.stand_in) { text.replace(flag.stand_in, &quoted(&flag.whole)).into() } else { text }
        })
    }
}

/// Whether a database is on a server, and not a file.
fn is_a_servers(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

fn has_password(url: &str) -> bool {
    Url::parse(url)
        .map_or(true, |url| url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password"))
}

/// A command of this program, such as `secrets set token`, as an answer tells it.
#[must_use]
pub fn told(words: &str) -> String {
    Invocation::own().command(words)
}

/// Completes the commands that a provider tells (in backquotes), which knows nothing of flags.
pub fn complete(text: &mut String) {
    Invocation::own().complete(text);
}

/// A text of an answer for those who are on the machine: in the log, and on the command line.
#[must_use]
pub fn with_paths(text: &str) -> Cow<'_, str> {
    Invocation::own().with_paths(text)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &str, config: &str, database_url: Option<&str>) -> Invocation {
        Invocation::new(Path::new(data), Path::new(config), database_url)
    }

    #[test]
    fn a_command_leads_to_the_hub_that_tells_it() {
        for (invocation, words, told) in [
            (of("data", "provider-config.yaml", None), "secrets set a", "bulkhead secrets set a"),
            (of("other/data", CONFIG, None), "secrets set a", "bulkhead secrets set a --data other/data"),
            (of("my data", CONFIG, None), "token", "bulkhead token --data 'my data'"),
            (of("it's", CONFIG, None), "token", r"bulkhead token --data 'it'\''s'"),
            (of("d", "c.yaml", None), "config check", "bulkhead config check --config c.yaml"),
            (of("d", "c.yaml", None), "serve", "bulkhead serve"),
            (of(DATA, CONFIG, Some("sqlite:a.db")), "audit verify", "bulkhead audit verify --database-url sqlite:a.db"),
        ] {
            assert_eq!(invocation.command(words), told);
        }
    }

    #[test]
    fn an_answer_has_no_path_of_the_machine_and_the_log_has_it() {
        let invocation = of("/var/lib/hub", "/etc/hub.yaml", Some("sqlite:///var/lib/ops.db"));
        let told = invocation.command("secrets set a");
        assert_eq!(told, "bulkhead secrets set a --data <data folder of the hub>");
        assert_eq!(of("../alice/hub", CONFIG, None).command("secrets set a"), told);
        assert_eq!(invocation.with_paths(&told), "bulkhead secrets set a --data /var/lib/hub");
        let verify = invocation.command("audit verify");
        assert!(!verify.contains('/'), "{verify}");
        let whole = "bulkhead audit verify --data /var/lib/hub --database-url sqlite:/var/lib/ops.db";
        assert_eq!(invocation.with_paths(&verify), whole);
        assert_eq!(of("d", CONFIG, None).with_paths("no command"), "no command");
    }

    #[test]
    fn a_server_is_named_on_the_machine_alone_and_a_password_nowhere() {
        let invocation = of(DATA, CONFIG, Some("postgres://hub@db.example/ops"));
        let told = invocation.command("audit verify");
        assert_eq!(told, "bulkhead audit verify --database-url <database of the hub>");
        assert!(invocation.with_paths(&told).ends_with("postgres://hub@db.example/ops"), "{told}");
        for shown in
            ["postgres://hub:hunter2@db/ops", "postgres://hub@db/ops?password=hunter2", "postgres://hub:hunter2@[db"]
        {
            assert_eq!(of(DATA, CONFIG, Some(shown)).command("audit verify"), "bulkhead audit verify");
        }
    }

    #[test]
    fn a_providers_commands_are_completed_and_nothing_else_of_its_text() {
        let invocation = of("d", CONFIG, None);
        for (text, completed) in [
            ("set it with `bulkhead secrets set a`: x", "set it with `bulkhead secrets set a --data d`: x"),
            (
                "`bulkhead token`, `bulkhead secrets list`",
                "`bulkhead token --data d`, `bulkhead secrets list --data d`",
            ),
            ("`bulkhead secrets set a --data e`", "`bulkhead secrets set a --data e`"),
            ("`bulkhead secrets set a", "`bulkhead secrets set a"),
            ("bulkhead secrets set a; `bulkhead\n`", "bulkhead secrets set a; `bulkhead\n`"),
            ("`bulkhead fly`", "`bulkhead fly`"),
        ] {
            let mut text = text.to_owned();
            invocation.complete(&mut text);
            assert_eq!(text, completed);
        }
        let mut many = "`bulkhead token`".repeat(1000);
        invocation.complete(&mut many);
        assert_eq!(many.matches("--data").count(), RETOLD_MAX);
    }
}
