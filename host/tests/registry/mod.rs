//! Which providers there are, what each says of itself, and what of that callers may rely on.

mod ownership;
mod reload;
mod schemas;
