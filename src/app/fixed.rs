//! What stays as it is while the process runs, whatever a reload says.

use serde_json::Value;

/// The keys that can't change while the process runs, as JSON pointers into the configuration in effect.
const FIXED: [&str; 7] =
    ["/server/workers", "/server/state_dir", "/admin/bind", "/admin/tls", "/log/level", "/log/format", "/log/access"];

/// Puts values that can't change back to what they were, and warns of each.
pub(super) fn keep_fixed(before: &Value, after: &mut Value) {
    for at in FIXED {
        let (old, new) = (before.pointer(at).cloned(), after.pointer(at).cloned());
        // the access log may go elsewhere, but workers either collect what it says or don't
        let elsewhere = at == "/log/access" && [&old, &new].iter().all(|v| v.as_ref().is_some_and(|v| v != "off"));
        if old == new || elsewhere {
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
