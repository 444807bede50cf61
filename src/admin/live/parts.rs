//! A document of the live view in its two parts, and the texts of streams that tell how one differs from another.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::patch;

/// A document: what all views have, and more of the service that is looked at.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) overview: Arc<Value>,
    /// `None` = no service is looked at, or it is gone.
    pub(super) service: Option<Arc<Value>>,
}

impl Document {
    /// The document as it is sent.
    pub(super) fn to_json(&self) -> Value {
        let mut document = Value::clone(&self.overview);
        if let Some(service) = &self.service {
            document["service"] = Value::clone(service);
        }
        document
    }

    /// Whether both are one document, not only equal ones.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let is_same_service = match (&self.service, &other.service) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        is_same_service && Arc::ptr_eq(&self.overview, &other.overview)
    }

    /// The text in a stream that tells how `after` differs from this one; `None` = it does not.
    pub(super) fn patch_text_to(&self, after: &Self) -> Option<Bytes> {
        let overview = patch::between(&self.overview, &after.overview);
        text(overview.as_ref(), self.service_patch_to(after).as_ref())
    }

    fn service_patch_to(&self, after: &Self) -> Option<Value> {
        match (&self.service, &after.service) {
            (Some(before), Some(after)) => patch::between(before, after),
            (None, Some(after)) => Some(Value::clone(after)),
            (Some(_), None) => Some(Value::Null),
            (None, None) => None,
        }
    }
}

/// The newest part that all views have, and how it differs from the one before: it is compared once, however many views there are.
#[derive(Debug, Default)]
pub(super) struct Overviews {
    newest: Arc<Value>,
    /// The one before, and the patch that makes the newest of it.
    change: Option<(Arc<Value>, Value)>,
}

impl Overviews {
    /// Sets the newest one. Where it is equal to the one there is, that one stays.
    pub(super) fn renew(&mut self, overview: Value) {
        if let Some(patch) = patch::between(&self.newest, &overview) {
            let before = std::mem::replace(&mut self.newest, Arc::new(overview));
            self.change = Some((before, patch));
        }
    }

    /// The newest one.
    pub(super) fn newest(&self) -> &Arc<Value> {
        &self.newest
    }

    /// The text in a stream that tells how `after`, whose overview is the newest, differs from `before`; `None` = it does not.
    pub(super) fn patch_text(&self, before: &Document, after: &Document) -> Option<Bytes> {
        match &self.change {
            Some((from, patch)) if Arc::ptr_eq(from, &before.overview) => {
                text(Some(patch), before.service_patch_to(after).as_ref())
            }
            _ => before.patch_text_to(after),
        }
    }
}

/// A patch of both parts as the text of a stream.
fn text(overview: Option<&Value>, service: Option<&Value>) -> Option<Bytes> {
    /// One object with the members of both.
    #[derive(Serialize)]
    struct Patch<'a> {
        #[serde(flatten)]
        overview: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<&'a Value>,
    }

    if overview.is_none() && service.is_none() {
        return None;
    }
    // a value always becomes text: its keys are strings, and it has no number that is not finite
    let patch = serde_json::to_string(&Patch { overview, service }).ok()?;
    Some(format!("event: patch\ndata: {patch}\n\n").into())
}
