//! Where a call's time goes, for `cargo xtask bench`: measured with the feature `bench`, and without it nothing at all.
//!
//! Each call of a tool passes the end of each stage once. Summed up over all calls, the moments at which they did tell what
//! a stage took in all, by the difference to the stage before: so nothing has to travel with a call.

/// The stages of a call of a tool, in the order in which it passes them. Each begins where the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The request's head has been read. No stage, but where the first begins.
    Arrive,
    /// Find the route, look at the head.
    Route,
    /// Verify the token.
    Authenticate,
    /// Read the body, and in it the message.
    Read,
    /// Find provider and tool.
    LookUp,
    /// Role, state of the provider, quota.
    Limit,
    /// Check the input, and write it down for the record and the provider.
    ValidateInput,
    /// Open the gates, take a place, make the instance.
    Instantiate,
    /// The guest's own time.
    Run,
    /// Take the instance down.
    Leave,
    /// Take secrets out of the output, parse and check it.
    ValidateOutput,
    /// Have it recorded, which waits for the disk.
    Record,
    /// Make the response.
    Answer,
}

/// Notes that a call has come to the end of a stage.
#[cfg(not(feature = "bench"))]
#[inline(always)]
pub(crate) fn ends(_: Stage) {}

#[cfg(feature = "bench")]
pub(crate) use measured::{ends, told};

#[cfg(feature = "bench")]
mod measured {
    use std::{
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering::Relaxed},
        },
        time::Instant,
    };

    use super::Stage;

    const ALL: [(Stage, &str); 13] = [
        (Stage::Arrive, "arrive"),
        (Stage::Route, "route"),
        (Stage::Authenticate, "authenticate"),
        (Stage::Read, "read"),
        (Stage::LookUp, "look up"),
        (Stage::Limit, "limit"),
        (Stage::ValidateInput, "validate input"),
        (Stage::Instantiate, "instantiate"),
        (Stage::Run, "run"),
        (Stage::Leave, "leave"),
        (Stage::ValidateOutput, "validate output"),
        (Stage::Record, "record"),
        (Stage::Answer, "answer"),
    ];

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    /// Of each stage the moments in nanoseconds, summed up modulo 2^64: only differences mean something.
    static MOMENTS: [AtomicU64; ALL.len()] = [const { AtomicU64::new(0) }; ALL.len()];
    static CALLS: [AtomicU64; ALL.len()] = [const { AtomicU64::new(0) }; ALL.len()];

    pub(crate) fn ends(stage: Stage) {
        // It fits for centuries.
        let now = u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX);
        MOMENTS[stage as usize].fetch_add(now, Relaxed);
        CALLS[stage as usize].fetch_add(1, Relaxed);
    }

    /// A line with each stage's mean in nanoseconds; of no use unless every request was a call that came to its end.
    pub(crate) fn told() -> String {
        let calls = CALLS[0].load(Relaxed);
        if calls == 0 || CALLS.iter().any(|passed| passed.load(Relaxed) != calls) {
            return "stages: not every request was a call that came to its end".to_owned();
        }
        let moment = |stage: Stage| MOMENTS[stage as usize].load(Relaxed);
        let means = ALL.windows(2).map(|pair| {
            let took = moment(pair[1].0).wrapping_sub(moment(pair[0].0));
            format!("{}={}", pair[1].1, took / calls)
        });
        format!("stages: {}", means.collect::<Vec<_>>().join(", "))
    }
}
