//! What comes back from outside of a turn.

use std::sync::Arc;

use crate::recover::Role;
use crate::recover::attempt::ActReport;

/// Something that was waited for has come.
#[derive(Debug)]
pub(super) struct Done {
    /// For which service.
    pub service: Arc<str>,
    /// For which attempt.
    pub attempt: i64,
    /// What.
    pub what: DoneWhat,
}

/// What was waited for.
#[derive(Debug)]
pub(super) enum DoneWhat {
    /// A command or a call has ended.
    Ran(Role, ActReport),
    /// The record of the attempt is on the disk, or is not.
    Entered(bool),
}
