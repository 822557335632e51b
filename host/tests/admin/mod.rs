//! What admins see of the hub and do to it, and what is on record of it.

mod reloads;
