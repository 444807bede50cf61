//! What is refused while what was in force before stays so: the last reload, and files of TLS.

use serde_json::{Value, json};

use super::Shared;

/// Why the last reload was refused; null where it was not, or there was none.
pub(super) fn reload(shared: &Shared) -> Value {
    let refused = shared.refused_reload.load();
    refused.as_ref().map_or(Value::Null, |refused| json!({ "at": refused.at.to_string(), "reason": refused.why }))
}

/// The files of TLS that can't be used, in the order in which that was found.
pub(super) fn files(shared: &Shared) -> Vec<Value> {
    let files = shared.refused_files.load();
    let shown = files.iter().map(|file| {
        json!({
            "listener": file.listener,
            "service": file.service,
            "path": file.path,
            "reason": file.reason,
            "since": file.since.to_string(),
        })
    });
    shown.collect()
}
