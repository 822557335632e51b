//! Which failed call another one issues again, as its caller says it.

use std::str::FromStr;

use uuid::Uuid;

/// Which call is issued again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// The failed call.
    pub of: Uuid,
    /// Also if it may have taken effect: a scan or a write.
    pub again: bool,
}

/// A text that names no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is the id of a failed call, and behind that `; again` if it was a scan or write that is to run once more")]
pub struct NoReplay;

impl FromStr for Replay {
    type Err = NoReplay;

    fn from_str(text: &str) -> Result<Self, NoReplay> {
        let (id, again) = match text.split_once(';') {
            None => (text, false),
            Some((id, again)) if again.trim() == "again" => (id, true),
            Some(_) => return Err(NoReplay),
        };
        Ok(Self { of: id.trim().parse().map_err(|_| NoReplay)?, again })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_names_a_call_and_perhaps_says_again() {
        let id = Uuid::now_v7();
        assert_eq!(id.to_string().parse(), Ok(Replay { of: id, again: false }));
        assert_eq!(format!(" {id} ;again ").parse(), Ok(Replay { of: id, again: true }));
        for wrong in ["", "again", &format!("{id};"), &format!("{id}; twice"), &format!("{id}; again; again")] {
            assert_eq!(wrong.parse::<Replay>(), Err(NoReplay), "{wrong}");
        }
    }
}
