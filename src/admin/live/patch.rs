//! Merge patches (RFC 7396): the difference between two JSON documents, as a document. They say what has changed of objects; whatever else has
//! changed, a list too, is in them as a whole.

use serde_json::{Map, Value};

/// What makes `after` of `before`; `None` = they are the same. No object in `after` has a member that is null: in a patch that means that the
/// member goes away.
pub(super) fn between(before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => between_objects(before, after),
        _ => (before != after).then(|| after.clone()),
    }
}

fn between_objects(before: &Map<String, Value>, after: &Map<String, Value>) -> Option<Value> {
    let changed = after.iter().filter_map(|(name, value)| {
        let change = match before.get(name) {
            Some(before) => between(before, value)?,
            None => value.clone(),
        };
        Some((name.clone(), change))
    });
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let patch: Map<String, Value> = changed.chain(gone).collect();
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The algorithm of RFC 7396, section 2.
    fn merge_patch(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut target = match target {
            Value::Object(target) => target,
            _ => Map::new(),
        };
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                let before = target.remove(name).unwrap_or_default();
                target.insert(name.clone(), merge_patch(before, value));
            }
        }
        Value::Object(target)
    }

    /// Any document without null as a member, of few names, so that two of them have much in common.
    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3).prop_map(Value::from),
            "[a-b]".prop_map(Value::from)
        ];
        let value = leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(prop_oneof![inner.clone(), Just(Value::Null)], 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|members| members.into_iter().collect()),
            ]
        });
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_new_document_of_the_old_one(before in document(), after in document()) {
            match between(&before, &after) {
                Some(patch) => prop_assert_eq!(merge_patch(before, &patch), after),
                None => prop_assert_eq!(before, after),
            }
        }
    }

    #[test]
    fn a_patch_has_only_what_has_changed() {
        let before = json!({ "services": { "a": { "rate": 1, "p50_ms": 2 }, "b": { "rate": 1 } }, "list": [1, 2] });
        let after = json!({ "services": { "a": { "rate": 3 }, "b": { "rate": 1 }, "c": {} }, "list": [1, 3] });
        let patch = json!({ "services": { "a": { "rate": 3, "p50_ms": null }, "c": {} }, "list": [1, 3] });
        assert_eq!(between(&before, &after), Some(patch));
        assert_eq!(between(&after, &after), None);
    }
}
