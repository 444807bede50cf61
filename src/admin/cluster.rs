//! `GET /api/v1/cluster`: which of several instances this is, and which one leads.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer};
use crate::clock::{rfc3339, since_boot};
use crate::operator::Command;
use crate::share::book::Entry;
use crate::share::hint::Instance;
use crate::share::word::{Saying, Topic};
use crate::share::{Outcome, Said};

/// `GET /api/v1/cluster`
pub(super) async fn show(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    let mut cluster = cluster(&shared);
    if let Some((words, instances)) = details(&shared) {
        cluster["words"] = json!(words);
        cluster["instances"] = json!(instances);
    }
    answer::json(&cluster)
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
        "shared": shared.sharing.view().map(|view| json!({
            "synced": view.is_synced,
            "error": view.trouble,
            "words": view.words.len(),
            "waiting": view.waiting,
        })),
    })
}

/// Each word that is shared, and what the other instances say of themselves.
fn details(shared: &Shared) -> Option<(Vec<Value>, Vec<Value>)> {
    let view = shared.sharing.view()?;
    let snapshot = shared.store.load();
    let is_here = |topic: &Topic| {
        if let Some(listener) = topic.listener() {
            return snapshot.listeners.iter().any(|known| known.name == *listener);
        }
        let service = snapshot.services.iter().find(|service| Some(&service.name) == topic.service());
        let has = |backend: &Arc<str>| {
            service.is_some_and(|service| service.endpoints.iter().any(|endpoint| endpoint.id == *backend))
        };
        topic.backend().map_or(service.is_some(), has)
    };
    let word = |(topic, entry): &(Topic, Entry)| {
        let Entry { word, revision, is_pending } = entry;
        let weight = if let Saying::Holds(Command::Weight(weight)) = word.saying { weight } else { None };
        json!({
            "about": topic.kind(),
            "service": topic.service().map(|service| &**service),
            "listener": topic.listener().map(|listener| &**listener),
            "backend": topic.backend().map(|backend| &**backend),
            "command": word.saying.name(),
            "weight": weight,
            "who": word.note.who,
            "instance": word.instance,
            "reason": word.note.reason,
            "until": word.note.until.map(rfc3339),
            "at": (word.at > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(word.at)).map(rfc3339),
            "shared": !is_pending,
            "revision": revision,
            "known": is_here(topic),
        })
    };
    let instance = |(name, instance): (&String, &Instance)| {
        let mut shown = serde_json::to_value(instance).unwrap_or_default();
        shown["name"] = json!(name);
        shown
    };
    Some((view.words.iter().map(word).collect(), view.others.iter().map(instance).collect()))
}

/// Waits until it is known whether what was said is shared, and adds that to the answer; `shared` is null where nothing is.
pub(super) async fn add_outcome(shared: &Shared, said: Option<Said>, answer: &mut Value) {
    let Some(said) = said else { return };
    let outcome = shared.sharing.outcome(said).await;
    answer["shared"] = json!(outcome == Outcome::Shared);
    match outcome {
        Outcome::Shared => {}
        Outcome::Superseded(by) => {
            answer["not_shared"] = json!(format!("{by} has said otherwise later, and that holds"))
        }
        Outcome::Local(why) => answer["not_shared"] = json!(format!("it holds at this instance only, so far: {why}")),
    }
}
