//! An attempt in one line, and as JSON, as events have it.

use serde_json::{Value, json};

use super::{RecoveryChange, seconds, words};
use crate::recover::attempt::ActReport;
use crate::recover::{Attempt, Outcome};

/// What a lesson says of what the attempt came to. The line about the attempt has said so before.
const SAID_BEFORE: [&str; 3] = ["the act itself failed", "it got worse", "the service was not seen well in time"];

/// The line about what has happened to an attempt.
pub(super) fn line(change: &RecoveryChange, attempt: &Attempt) -> String {
    let Attempt { id, strategy, who, .. } = attempt;
    let fault = words(&attempt.fault);
    if attempt.dry_run {
        return format!("attempt {id} (dry run): {}", in_a_dry_run(change, attempt));
    }
    let by = who.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
    let text = match change {
        RecoveryChange::Proposed(_) => {
            let (what, why) = (what(attempt), why(attempt));
            format!("{strategy}{what} is proposed against {fault}; {why}; `evenkeel recovery approve {id}` has it done")
        }
        RecoveryChange::Began(_) => {
            let approved = who.as_ref().map(|who| format!(", approved by {who}")).unwrap_or_default();
            format!("{strategy} against {fault} has begun{approved}; {}", why(attempt))
        }
        RecoveryChange::Acted(_) => {
            format!("{strategy} is done{}; waiting until the service is seen well", after(&attempt.act))
        }
        RecoveryChange::Succeeded(_) => {
            let after = attempt.recovery_ms.map(|ms| format!(", {:.1} s after the fault", seconds(ms)));
            format!("{strategy} has healed {fault}{}{}", after.unwrap_or_default(), behind(&attempt.lesson))
        }
        RecoveryChange::Failed(_) => format!("{strategy} against {fault} {}", failed(attempt)),
        RecoveryChange::Ended(_) => format!("{strategy} against {fault} {}", ended(attempt, &by)),
        RecoveryChange::Undone(_) => {
            let how = match &attempt.undo {
                Some(undo) if !undo.ok => format!("could not be taken back{}", error(undo)),
                undo => format!("was taken back{by}{}", after(undo)),
            };
            format!("{strategy} against {fault} {how}")
        }
        _ => format!("{strategy} is not needed any more and was ended"),
    };
    format!("attempt {id}: {text}")
}

/// What would be done, and whether the fault has passed without.
fn in_a_dry_run(change: &RecoveryChange, attempt: &Attempt) -> String {
    let fault = words(&attempt.fault);
    if !matches!(change, RecoveryChange::Ended(_)) {
        return format!("would {}{} against {fault}; {}", would(attempt), what(attempt), why(attempt));
    }
    match attempt.outcome {
        Some(Outcome::Healed | Outcome::Passed) => {
            let after = attempt.recovery_ms.map(|ms| format!(", {:.1} s after it was found", seconds(ms)));
            format!("{fault} has passed by itself{}", after.unwrap_or_default())
        }
        Some(Outcome::NotHealed) => {
            let watched = attempt.end.map(|end| format!(" within {:.0} s", seconds(end - attempt.start)));
            format!("{fault} has not passed by itself{}", watched.unwrap_or_default())
        }
        Some(Outcome::Worse) => format!("{fault} has become worse by itself{}", behind(&attempt.lesson)),
        _ => format!("has ended without a result{}", behind(&attempt.lesson)),
    }
}

/// What a strategy does, after "would".
fn would(attempt: &Attempt) -> String {
    let Attempt { kind, strategy, backend, .. } = attempt;
    let whom = backend.as_deref().unwrap_or("the service");
    let verb = match kind.as_str() {
        "restart" => format!("restart {whom}"),
        "failover" => "fail over".to_owned(),
        "scale_up" => "start a further backend".to_owned(),
        "circuit_break" => format!("break the circuit of {whom}"),
        _ => return format!("do {strategy} for {whom}"),
    };
    if kind == strategy { verb } else { format!("{verb} by the strategy {strategy}") }
}

/// What keeps an attempt from being a success. A lesson begins with the error of the act where there is one.
fn failed(attempt: &Attempt) -> String {
    let lesson = attempt.lesson.as_str();
    let reason = attempt.act.as_ref().map(|act| act.error.as_str()).unwrap_or_default();
    match attempt.outcome {
        Some(Outcome::Worse) => format!("has made it worse{}", behind(lesson)),
        Some(Outcome::Failed) => {
            let act = attempt.act.as_ref().map(error).unwrap_or_default();
            format!("could not be done{act}{}", behind(lesson.strip_prefix(reason).unwrap_or(lesson)))
        }
        Some(Outcome::NotHealed) => format!("has not helped in time{}", behind(lesson)),
        _ if lesson.is_empty() => "was cut off by the end of the process: whether it was done is not known".to_owned(),
        _ => format!("was cut off: {lesson}"),
    }
}

/// Why an attempt is over that shows nothing.
fn ended(attempt: &Attempt, by: &str) -> String {
    let lesson = &attempt.lesson;
    let reason = if lesson.is_empty() { String::new() } else { format!(": {lesson}") };
    match attempt.outcome {
        Some(Outcome::Passed) => "was not needed: the fault passed before anything was done".to_owned(),
        Some(Outcome::Refused) if attempt.who.is_none() => "was approved by nobody in time".to_owned(),
        Some(Outcome::Refused) if lesson.is_empty() => format!("was refused{by}"),
        Some(Outcome::Refused) => format!("was refused{reason}"),
        Some(Outcome::Gone) => format!("is over, as what it was for is not there any more{reason}"),
        _ => {
            let how = if lesson.is_empty() { by } else { &reason };
            let left = if is_cut_off(attempt) {
                "; what it ran was ended half-way, so look at what that has left behind"
            } else {
                ""
            };
            format!("was stopped{how}{left}")
        }
    }
}

/// Whether an attempt was stopped while its command or call was under way: it has begun, and did not come to anything.
pub(super) fn is_cut_off(attempt: &Attempt) -> bool {
    let runs = matches!(attempt.kind.as_str(), "restart" | "scale_up" | "custom");
    let is_running = attempt.acted.is_some() && attempt.act.is_none();
    attempt.outcome == Some(Outcome::Stopped) && !attempt.dry_run && runs && is_running
}

/// What its act runs or calls, where it does.
fn what(attempt: &Attempt) -> String {
    attempt.what.as_ref().map(|what| format!(" (`{what}`)")).unwrap_or_default()
}

/// Why the strategy was chosen, without the strategy's name before it, which the line has already.
fn why(attempt: &Attempt) -> &str {
    let why = attempt.why.strip_prefix(attempt.strategy.as_str()).and_then(|why| why.strip_prefix(": "));
    why.unwrap_or(&attempt.why)
}

/// The code of an act, and how long it took.
fn after(act: &Option<ActReport>) -> String {
    let Some(act) = act else { return String::new() };
    // a webhook is what has a status
    let word = if act.what.starts_with("POST ") { "status" } else { "exit code" };
    let code = act.code.map(|code| format!(", {word} {code}")).unwrap_or_default();
    format!("{code} after {:.1} s", act.took_ms as f64 / 1e3)
}

/// What went wrong with an act, with the last line that it printed.
fn error(act: &ActReport) -> String {
    let last = act.output.lines().rev().map(str::trim).find(|line| !line.is_empty());
    // what a command printed must not move the cursor of whoever looks at it
    let last = last.map(|line| line.chars().filter(|c| !c.is_control()).take(200).collect::<String>());
    match (act.error.is_empty(), last) {
        (true, None) => String::new(),
        (false, None) => format!(" ({})", act.error),
        (true, Some(last)) => format!(" (it printed \"{last}\")"),
        (false, Some(last)) => format!(" ({}; it printed \"{last}\")", act.error),
    }
}

/// What was learned, without what the line says before it.
fn behind(lesson: &str) -> String {
    let parts = lesson.split("; ").filter(|part| !part.is_empty() && !SAID_BEFORE.contains(part));
    parts.map(|part| format!("; {part}")).collect()
}

/// An attempt as the events show it; the API has all of it.
pub(super) fn json(attempt: &Attempt) -> Value {
    let brakes: Value = attempt.brakes.iter().map(|said| json!({ "by": said.by, "text": said.text })).collect();
    json!({
        "attempt": attempt.id,
        "strategy": attempt.strategy,
        "action": attempt.kind,
        "fault": attempt.fault,
        "backend": attempt.backend,
        "confidence": attempt.confidence,
        "number": attempt.number,
        "why": attempt.why,
        "what": attempt.what,
        "dry_run": attempt.dry_run,
        "outcome": attempt.outcome.map(Outcome::as_str),
        "exit_code": attempt.act.as_ref().and_then(|act| act.code),
        "error": attempt.act.as_ref().map(|act| act.error.as_str()).filter(|error| !error.is_empty()),
        "duration_s": attempt.end.map(|end| seconds(end - attempt.start)),
        "recovery_s": attempt.recovery_ms.map(seconds),
        "credited": attempt.credited,
        "lesson": attempt.lesson,
        "who": attempt.who,
        "in_force": attempt.in_force,
        "brakes": brakes,
    })
}
