//! An attempt to repair something, as the API and the report give it.

use serde_json::{Value, json};

use super::super::attempts::{self, Counts};
use super::seconds;
use crate::clock::Stamp;
use crate::recover::attempt::{ActReport, Said};
use crate::recover::{Attempt, Outcome};

/// All of an attempt. What its act runs is known before it has ended, or begun: `act.ok` is `null` until then. `success` is `null` while it is not over, and where it shows nothing.
pub fn attempt(of: &Attempt) -> Value {
    let time = |millis: i64| Stamp::from_millis(millis).to_string();
    json!({
        "id": of.id,
        "service": of.service,
        "backend": of.backend,
        "fault": of.fault,
        "confidence": of.confidence,
        "votes": said(&of.votes),
        "strategy": of.strategy,
        "kind": of.kind,
        "why": of.why,
        "number": of.number,
        "brakes": said(&of.brakes),
        "dry_run": of.dry_run,
        "phase": of.phase.as_str(),
        "raised": time(of.raised),
        "start": time(of.start),
        "acted": of.acted.map(time),
        "end": of.end.map(time),
        "outcome": of.outcome.map(Outcome::as_str),
        "success": attempts::success(of),
        "duration_s": of.end.map(|end| seconds(end - of.start)),
        "recovery_s": of.recovery_ms.map(seconds),
        "credited": of.credited,
        "lesson": of.lesson,
        "act": of.act.as_ref().map(act).or_else(|| of.what.as_deref().map(to_come)),
        "undo": of.undo.as_ref().map(act),
        "who": of.who,
        "in_force": of.in_force,
    })
}

/// How many attempts there were, and what they came to.
pub(super) fn counts(of: &[Attempt]) -> Value {
    let Counts { all, healed, not_healed, mean_ms } = Counts::of(of);
    json!({ "attempts": all, "healed": healed, "not_healed": not_healed, "mean_recovery_s": mean_ms.map(seconds) })
}

fn said(all: &[Said]) -> Value {
    all.iter().map(|said| json!({ "by": said.by, "text": said.text })).collect()
}

/// An act of which nothing is known but what it runs or calls.
fn to_come(what: &str) -> Value {
    json!({ "what": what, "ok": null, "code": null, "error": "", "took_s": null, "output": "", "left_out": 0 })
}

fn act(act: &ActReport) -> Value {
    json!({
        "what": act.what,
        "ok": act.ok,
        "code": act.code,
        "error": act.error,
        "took_s": act.took_ms as f64 / 1e3,
        "output": act.output,
        "left_out": act.left_out,
    })
}
