//! Of which chains this hub may say where they stand.

use super::{
    key::PublicKey,
    ledger::Untied,
    seal::{Head, is_signed},
    statement::Tie,
};

/// The chains whose newest batch one of these keys has signed. Of others nobody of ours says where they stand: to name such a head
/// would make it one that was there.
pub(super) fn vouched_for(keys: &[PublicKey], mut untied: Vec<Untied>) -> Vec<Untied> {
    untied.retain(|Untied { tie: Tie { head, seq, writer }, before, signature, .. }| {
        let (previous, head) = (Head { seq: *before, ..Head::NONE }, Head { seq: *seq, hash: *head });
        let is_ours = keys.iter().any(|key| is_signed(key, *writer, &previous, &head, signature));
        if !is_ours {
            tracing::error!(%writer, seq, "no key of this hub's has signed the end of this chain: run `bulkhead audit verify`");
        }
        is_ours
    });
    untied
}
