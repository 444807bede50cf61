//! What one thread of a test waits for until another says so.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::PATIENCE;

/// Each cue that is given ends one wait, be it for one that waits already or for one to come. Clones are the same cue.
#[derive(Clone, Default)]
pub struct Cue(Arc<(Mutex<usize>, Condvar)>);

impl Cue {
    /// Lets one wait end.
    pub fn give(&self) {
        let (given, changed) = &*self.0;
        *given.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        changed.notify_one();
    }

    /// Waits for a cue; `false` when none is given for [`PATIENCE`].
    pub fn wait(&self) -> bool {
        let (given, changed) = &*self.0;
        let given = given.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(given, PATIENCE, |given| *given == 0);
        let (mut given, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let came = *given > 0;
        *given = given.saturating_sub(1);
        came
    }
}
