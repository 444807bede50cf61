//! What is told of what is shared.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::book::Entry;
use super::hint::Instance;
use super::word::Topic;

/// A word that is on its way.
#[derive(Debug)]
pub struct Said {
    pub(super) topic: Topic,
    pub(super) outcome: oneshot::Receiver<Outcome>,
}

/// What came of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in etcd: all instances follow it.
    Shared,
    /// Another one was said later, and holds; by whom, and where.
    Superseded(String),
    /// It holds here only, so far; why.
    Local(String),
}

/// How things stand.
#[derive(Debug, Clone)]
pub struct View {
    /// Whether all that etcd has is known.
    pub is_synced: bool,
    /// Why etcd does not answer; `None` = it does.
    pub trouble: Option<String>,
    /// How many words wait to be put.
    pub waiting: usize,
    /// The last word on each topic.
    pub words: Vec<(Topic, Entry)>,
    /// What the others say of themselves.
    pub others: BTreeMap<String, Instance>,
}
