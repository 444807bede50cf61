//! temp
use std::sync::atomic::{AtomicU32, Ordering};
/// t
#[derive(Debug, Default)]
pub struct Passive {
    consecutive: AtomicU32,
}
impl Passive {
    /// t
    pub fn record(&self, failed: bool) -> u32 {
        match failed {
            true => self.consecutive.fetch_add(1, Ordering::Relaxed) + 1,
            false => {
                if self.consecutive.load(Ordering::Relaxed) != 0 {
                    self.consecutive.store(0, Ordering::Relaxed);
                }
                0
            }
        }
    }
}
