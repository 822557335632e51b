//! The trail as it is recorded, for somebody who stays: woken by this hub's commits, and looking now and then for those of
//! other hubs. Nothing waits in memory for a client that is slow: what it has not taken is still in the database.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    follow::{Follow, News},
    places::Place,
    reads::{Reads, TrailError},
    resume::ResumeToken,
    turns::Reader,
};

/// How often other hubs' commits are looked for.
const POLL: Duration = Duration::from_secs(1);
/// The shortest time between two looks: under load many commits are one look.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a look waits for its turn before the next is tried.
const PATIENCE: Duration = Duration::from_secs(2);

/// A stream under way.
#[derive(Debug)]
pub struct Streaming {
    reads: Reads,
    reader: Reader,
    follow: Follow,
    commits: watch::Receiver<()>,
    next_look: Instant,
    has_more: bool,
    place: Place,
}

impl Streaming {
    pub(super) fn new(
        reads: Reads,
        mut commits: watch::Receiver<()>,
        reader: Reader,
        follow: Follow,
        place: Place,
    ) -> Self {
        // Some may have come since `follow` began.
        commits.mark_changed();
        Self { reads, reader, follow, commits, next_look: Instant::now(), has_more: false, place }
    }

    /// Where one stands who has seen all until now.
    #[must_use]
    pub fn token(&self) -> ResumeToken {
        self.follow.token()
    }

    /// Waits until there may be something new, or until that time: then it gives false. Can be given up at any moment.
    pub async fn wait(&mut self, until: Instant) -> bool {
        if !self.has_more {
            let poll = self.next_look + POLL;
            tokio::select! {
                _ = self.commits.changed() => {}
                () = sleep_until(poll) => {}
                () = sleep_until(until) => return false,
            }
        }
        sleep_until(self.next_look).await;
        true
    }

    /// What is new, which may be nothing.
    ///
    /// # Errors
    /// When the trail cannot be read.
    pub async fn look(self) -> Result<(News, Self), TrailError> {
        let Self { reads, reader, mut follow, mut commits, place, .. } = self;
        let Some(turn) = reads.turn(reader, PATIENCE).await else {
            let (next_look, has_more) = (Instant::now() + PAUSE, true);
            return Ok((News::default(), Self { reads, reader, follow, commits, next_look, has_more, place }));
        };
        commits.mark_unchanged();
        let (news, follow) = reads.read_in(turn, move |sources| Ok((follow.news(sources.database())?, follow))).await?;
        let (next_look, has_more) = (Instant::now() + PAUSE, news.has_more);
        Ok((news, Self { reads, reader, follow, commits, next_look, has_more, place }))
    }
}
