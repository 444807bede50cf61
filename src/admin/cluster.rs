//! `GET /api/v1/cluster`: which of several instances this is, and which one leads.

use std::sync::Arc;

use axum::extract;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer};
use crate::clock::since_boot;

/// `GET /api/v1/cluster`
pub(super) async fn show(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    answer::json(&cluster(&shared))
}

/// The same within the status; without a section `[cluster]` this instance leads.
pub(super) fn cluster(shared: &Shared) -> Value {
    let (standing, now) = (shared.leadership.standing(), since_boot());
    let member = standing.member.as_ref();
    // rounded down, so that nobody relies on more than there is
    let left = standing.term_at(now).map(|term| term.until.saturating_sub(now).as_millis() as u64);
    let leads = standing.leads_at(now);
    json!({
        "name": member.map(|member| &member.name),
        "zone": member.and_then(|member| member.zone.as_ref()),
        "elected": standing.is_elected,
        "leader": leads,
        "leader_name": if standing.is_elected { standing.leader.as_ref() } else { member.map(|member| &member.name) },
        "token": standing.token,
        "until_ms": left,
        "etcd": standing.is_elected.then(|| json!({ "endpoint": standing.endpoint, "error": standing.trouble })),
        "why_not": (!leads).then(|| standing.why_not()),
    })
}
