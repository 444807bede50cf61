//! What stays as it is while the process runs, whatever a reload says.

use serde_json::Value;

/// The keys that can't change while the process runs, as JSON pointers into the configuration in effect.
const FIXED: [&str; 7] =
    ["/server/workers", "/server/state_dir", "/admin/bind", "/admin/tls", "/log/level", "/log/format", "/log/access"];

/// Whether a value that has changed holds from the next start on only; `at` is a JSON pointer into the configuration in effect.
pub fn needs_restart(at: &str, old: &Value, new: &Value) -> bool {
    let is_fixed =
        FIXED.iter().any(|fixed| at.strip_prefix(fixed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    is_fixed && !goes_elsewhere(at, old, new)
}

/// The access log may go elsewhere, but workers either collect what it says or don't.
fn goes_elsewhere(at: &str, old: &Value, new: &Value) -> bool {
    at == "/log/access" && [old, new].iter().all(|value| value.as_str().is_some_and(|place| place != "off"))
}

/// Puts values that can't change back to what they were, and warns of each.
pub(super) fn keep_fixed(before: &Value, after: &mut Value) {
    for at in FIXED {
        let (old, new) = (before.pointer(at).cloned(), after.pointer(at).cloned());
        let values = [&old, &new].map(|value| value.as_ref().unwrap_or(&Value::Null));
        if old == new || goes_elsewhere(at, values[0], values[1]) {
            continue;
        }
        let key = at.trim_start_matches('/').replace('/', ".");
        let (was, will) = (old.clone().unwrap_or_default(), new.unwrap_or_default());
        tracing::warn!(
            "{key} can't change while the process runs: it stays {was}, and becomes {will} with the next start"
        );
        if let Some((parent, key)) = at.rsplit_once('/')
            && let Some(Value::Object(parent)) = after.pointer_mut(parent)
        {
            match old {
                Some(old) => _ = parent.insert(key.to_owned(), old),
                None => _ = parent.remove(key),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_needs_a_restart_is_known() {
        let needs = |at: &str, old: &str, new: &str| needs_restart(at, &json!(old), &json!(new));
        assert!(needs("/server/workers", "1", "2") && needs("/admin/tls/cert", "a", "b"));
        assert!(!needs("/server/workers_of_another_kind", "1", "2") && !needs("/server/drain_timeout", "1s", "2s"));
        assert!(needs("/log/access", "off", "stdout") && !needs("/log/access", "a.log", "b.log"));
    }

    #[test]
    fn what_cannot_change_is_shown_as_it_stays() {
        let before = json!({ "server": { "workers": 2 }, "admin": { "bind": "a" }, "log": { "level": "info" } });
        let mut after = json!({ "server": { "workers": 4 }, "admin": { "bind": "a", "tls": {} }, "log": {}, "new": 1 });
        keep_fixed(&before, &mut after);
        assert_eq!(
            after,
            json!({ "server": { "workers": 2 }, "admin": { "bind": "a" }, "log": { "level": "info" }, "new": 1 })
        );
    }
}
