//! What becomes of a panic on the data plane.

use std::sync::Arc;

use crate::metrics::Registry;

/// A panic ends the task that it happens in, which is one connection or one stream, because tokio contains it. It is a
/// defect, so it is counted, and logged with the place where it happened.
pub(super) fn count_panics(registry: &Arc<Registry>) {
    let registry = Arc::clone(registry);
    std::panic::set_hook(Box::new(move |panic| {
        registry.count_panic();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, message, "a defect: one connection was given up; please report this");
    }));
}
