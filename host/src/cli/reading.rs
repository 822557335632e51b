//! `bulkhead audit list`, `show`, `export` and `tail`: the trail of a data folder, for people and for programs.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use super::{
    filters::{ExportOptions, ListOptions, ShowOptions, TailOptions},
    options::Options,
    remote::RemoteHub,
    remote_reading, table,
};
use crate::{
    audit::{Export, Follow, PageRequest, TOTAL_MAX, TrailFile},
    store::location::Location,
    text::plain,
};

/// How often `tail` looks.
const TAIL: Duration = Duration::from_millis(500);

pub(super) fn open(options: &Options) -> anyhow::Result<TrailFile> {
    let database = options.database()?;
    if let Location::File(file) = &database
        && !file.exists()
    {
        bail!(
            "there is no audit trail at {} (is this the hub's --data and --database-url?)",
            plain::text(&file.to_string_lossy(), usize::MAX)
        );
    }
    Ok(TrailFile::open(&database)?)
}

pub(super) fn list(options: &Options, list: &ListOptions) -> anyhow::Result<ExitCode> {
    if let Some(hub) = RemoteHub::of(&list.hub)? {
        return remote_reading::list(&hub, list);
    }
    let request =
        PageRequest { query: list.filter.query()?, after: list.cursor, limit: list.limit, wants_total: list.total };
    let page = open(options)?.page(&request)?;
    table::events(&page.events, list.json)?;
    match page.total {
        Some(total) if total > TOTAL_MAX => eprintln!("more than {TOTAL_MAX} in all"),
        Some(total) => eprintln!("{total} in all"),
        None => {}
    }
    if let Some(next) = page.next {
        eprintln!("there are more: --cursor {next}");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn show(options: &Options, show: &ShowOptions) -> anyhow::Result<ExitCode> {
    if let Some(hub) = RemoteHub::of(&show.hub)? {
        return remote_reading::show(&hub, show);
    }
    let shown = open(options)?.show(show.id)?.with_context(|| format!("there is no row {}", show.id))?;
    table::call(&shown.document, show.json)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn export(options: &Options, asked: &ExportOptions) -> anyhow::Result<ExitCode> {
    if let Some(hub) = RemoteHub::of(&asked.hub)? {
        return remote_reading::export(&hub, asked);
    }
    let (trail, mut export) = (open(options)?, Export::new(asked.filter.query()?, asked.format));
    let mut out = io::stdout().lock();
    while let Some(chunk) = trail.chunk(&mut export)? {
        out.write_all(chunk.as_bytes())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Goes on until it is ended.
pub(super) fn tail(options: &Options, tail: &TailOptions) -> anyhow::Result<ExitCode> {
    if let Some(hub) = RemoteHub::of(&tail.hub)? {
        return remote_reading::tail(&hub, tail);
    }
    let trail = open(options)?;
    let mut follow = trail.follow(tail.filter.query_of_news()?)?;
    loop {
        let events = news(&trail, &mut follow)?;
        table::lines(&events, tail.json)?;
        thread::sleep(TAIL);
    }
}

fn news(trail: &TrailFile, follow: &mut Follow) -> anyhow::Result<Vec<Map<String, Value>>> {
    let news = trail.news(follow)?;
    if news.dropped > 0 {
        eprintln!("{} entries were passed over: `bulkhead audit list` shows them", news.dropped);
    }
    Ok(news.events.into_iter().map(|news| news.event).collect())
}
