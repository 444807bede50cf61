//! What comes back from outside of a turn.

use std::sync::Arc;

use crate::recover::attempt::ActReport;
use crate::recover::order::Run;

/// Something that was waited for has come.
#[derive(Debug)]
pub(super) struct Done {
    /// For which service.
    pub service: Arc<str>,
    /// What.
    pub what: DoneWhat,
}

/// What was waited for.
#[derive(Debug)]
pub(super) enum DoneWhat {
    /// A command or a call has ended.
    Ran(Run, ActReport),
    /// The record of an attempt is on the disk, or is not.
    Entered {
        /// The number of the attempt.
        attempt: i64,
        /// Whether it is.
        kept: bool,
    },
}
