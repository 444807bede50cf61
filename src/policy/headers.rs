//! What the configuration changes in the fields of a message.

use std::sync::Arc;

use http::header::HeaderName;

use super::template::FieldValue;

/// A field that the configuration writes.
pub type Field = (HeaderName, FieldValue);

/// `request_headers`, `response_headers`: removed first, then set, then added; last comes what is only there when nobody else has said it.
#[derive(Debug, Clone, Default)]
pub struct HeaderChanges {
    /// Replaced, or added when missing.
    pub set: Vec<Field>,
    /// Added beside what is there.
    pub add: Vec<Field>,
    /// Added when missing.
    pub default: Vec<Field>,
    /// Removed.
    pub remove: Vec<HeaderName>,
    /// The names of all changed and guarded fields. A body keeps them alone, so that it does not keep the whole route.
    names: Arc<[HeaderName]>,
}

impl HeaderChanges {
    /// These changes.
    pub fn new(set: Vec<Field>, add: Vec<Field>, default: Vec<Field>, remove: Vec<HeaderName>) -> Self {
        let written = set.iter().chain(&add).chain(&default);
        let names = written.map(|(name, _)| name).chain(&remove).cloned().collect();
        Self { set, add, default, remove, names }
    }

    /// These changes, and the defaults of a preset for what they don't mention.
    #[must_use]
    pub fn with_defaults(mut self, preset: Vec<Field>) -> Self {
        let more: Vec<Field> = preset.into_iter().filter(|(name, _)| !self.names.contains(name)).collect();
        self.default.extend(more);
        Self::new(self.set, self.add, self.default, self.remove)
    }

    /// These changes, where fields of these names are written by somebody else: no other spelling of them is passed on either, nor in trailers.
    #[must_use]
    pub fn guarding(mut self, names: &[HeaderName]) -> Self {
        if !names.is_empty() {
            self.names = self.names.iter().chain(names).cloned().collect();
        }
        self
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.default.is_empty() && self.remove.is_empty()
    }

    /// The names of what is changed, or guarded.
    pub fn names(&self) -> &Arc<[HeaderName]> {
        &self.names
    }

    /// Whether a value has variables.
    pub fn has_variables(&self) -> bool {
        self.set.iter().chain(&self.add).chain(&self.default).any(|(_, value)| value.is_template())
    }
}
