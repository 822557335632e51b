//! Where a call's time goes: what hubs said of it when they ended.

/// What a hub said of one load: the stages' names and the mean of each, in nanoseconds.
pub(crate) struct Stages {
    pub(crate) load: String,
    /// What a call took as its client saw it, in microseconds, in the mean.
    pub(crate) call_us: f64,
    means: Vec<(String, f64)>,
}

impl Stages {
    /// `None` of a hub that says nothing of them, as an older one.
    pub(crate) fn read(load: String, call_us: f64, said: &str) -> Option<Self> {
        let means = said.strip_prefix("stages: ")?.split(", ").map(|stage| {
            let (name, mean) = stage.split_once('=')?;
            Some((name.to_owned(), mean.parse().ok()?))
        });
        Some(Self { load, call_us, means: means.collect::<Option<_>>()? })
    }
}

/// A table of microseconds in Markdown; the last rows are what is left of the time that clients see.
pub(crate) fn table(all: &[Stages]) -> String {
    let Some(first) = all.first() else { return String::new() };
    let row = |name: &str, cell: &dyn Fn(&Stages) -> f64| {
        let cells: Vec<_> = all.iter().map(|of| format!("{:.1}", cell(of))).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let within = |of: &Stages| of.means.iter().map(|(_, mean)| mean / 1000.0).sum::<f64>();
    let loads: Vec<_> = all.iter().map(|of| of.load.as_str()).collect();
    let mut table = format!("| µs | {} |\n|---|{}\n", loads.join(" | "), "--:|".repeat(all.len()));
    for (stage, (name, _)) in first.means.iter().enumerate() {
        table.push_str(&row(name, &|of| of.means[stage].1 / 1000.0));
    }
    table.push_str(&row("connection, system and client", &|of| of.call_us - within(of)));
    table.push_str(&row("whole", &|of| of.call_us));
    table
}
