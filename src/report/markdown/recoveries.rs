//! What was done about faults, in Markdown: a table, and each attempt told in a paragraph.

use super::syntax::{header, row, text};
use crate::clock::Stamp;
use crate::recover::attempt::{ActReport, Said};
use crate::recover::{Attempt, Outcome};
use crate::report::{attempts, phrase};

/// The columns of the table, beside the service.
const COLUMNS: [&str; 8] = ["No.", "Service", "Began", "Backend", "Fault", "Strategy", "Came to", "Recovery time"];

/// A report on these attempts, in their order.
pub fn write(all: &[Attempt], made: Stamp) -> String {
    let mut out = format!("# Recoveries\n\nMade at {} UTC. All times are UTC.\n\n", phrase::moment(made));
    if all.is_empty() {
        return out + "Nothing was done.\n";
    }
    out += &header(&COLUMNS);
    for attempt in all {
        let [id, rest @ ..] = attempts::cells(attempt);
        let cells = [id, attempt.service.clone()].into_iter().chain(rest);
        out += &row(cells.map(|cell| text(&cell)));
    }
    for attempt in all {
        out += &told(attempt);
    }
    out
}

/// One attempt: what was wrong, why this was done, what it came to.
pub fn told(attempt: &Attempt) -> String {
    let Attempt { id, service, strategy, .. } = attempt;
    let whole = attempt.backend.as_ref().map_or_else(|| service.clone(), |backend| format!("{service}/{backend}"));
    let fault = attempts::fault(attempt);
    let sentences: Vec<_> =
        [found(attempt), chosen(attempt), acted(attempt), ended(attempt)].into_iter().flatten().collect();
    let mut out = format!(
        "\n## Attempt {id}: {} against {} of {}\n\n{}\n",
        text(strategy),
        text(&fault),
        text(&whole),
        text(&sentences.join(" "))
    );
    for (name, report) in [("It printed", &attempt.act), ("Taking it back printed", &attempt.undo)] {
        if let Some(report) = report.as_ref().filter(|report| !report.output.trim().is_empty()) {
            out += &printed(name, report);
        }
    }
    out
}

fn found(attempt: &Attempt) -> Option<String> {
    let sure =
        if attempt.confidence > 0.0 { format!(" (confidence {:.2})", attempt.confidence) } else { String::new() };
    let votes = if attempt.votes.is_empty() { String::new() } else { format!(": {}", said(&attempt.votes)) };
    Some(format!("Found at {}{sure}{votes}.", phrase::moment(Stamp::from_millis(attempt.raised))))
}

fn chosen(attempt: &Attempt) -> Option<String> {
    let number = if attempt.number > 1 { format!(", its attempt number {}", attempt.number) } else { String::new() };
    // the heading has the strategy
    let why = attempt.why.strip_prefix(&format!("{}: ", attempt.strategy)).unwrap_or(&attempt.why);
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    // an attempt begins when no brake holds it, and what each of them said is for programs
    let brakes = match attempt.brakes.len() {
        0 => String::new(),
        some => format!(" {} looked at, none held.", phrase::many(some, "brake")),
    };
    let began = phrase::moment(Stamp::from_millis(attempt.start));
    Some(format!("Chosen at {began}{number}{why}.{brakes}"))
}

fn acted(attempt: &Attempt) -> Option<String> {
    if attempt.dry_run {
        let what =
            attempt.what.as_ref().map(|what| format!(" {what} is what would have been done.")).unwrap_or_default();
        return Some(format!("Nothing was done: it was a dry run.{what}"));
    }
    let after = attempt.acted.map(|acted| format!(" {} later", phrase::span(acted - attempt.start)));
    let act = match (&attempt.act, &after) {
        (Some(act), _) => format!("It was done{}: {}.", after.unwrap_or_default(), came_to(act)),
        (None, Some(after)) => {
            let what = attempt.what.as_ref().map(|what| format!(": {what}")).unwrap_or_default();
            format!("It was done{after}{what}.")
        }
        (None, None) if attempt.end.is_none() => {
            return attempt.what.as_ref().map(|what| format!("To be done: {what}."));
        }
        (None, None) => return None,
    };
    let undo = attempt.undo.as_ref().map(|undo| format!(" It was taken back: {}.", came_to(undo)));
    Some(act + &undo.unwrap_or_default())
}

fn ended(attempt: &Attempt) -> Option<String> {
    let who = attempt.who.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
    let outcome = match attempt.outcome {
        None => format!("It is not over: {}.", attempts::came_to(attempt)),
        Some(Outcome::Healed) if attempt.dry_run => {
            let after = attempt.recovery_ms.map(|ms| format!(", {} after it was found", phrase::span(ms)));
            format!("The fault has passed by itself{}.", after.unwrap_or_default())
        }
        Some(Outcome::NotHealed) if attempt.dry_run => "The fault has not passed by itself.".to_owned(),
        Some(Outcome::Healed) => {
            let after = attempt.recovery_ms.map(|ms| format!(", {} after the fault", phrase::span(ms)));
            let credit = if attempt.credited { "credited to it" } else { "not credited to it" };
            format!("The service was seen well{}: {credit}.", after.unwrap_or_default())
        }
        Some(Outcome::NotHealed) => "The service was not seen well in time.".to_owned(),
        Some(Outcome::Worse) => "It made things worse.".to_owned(),
        Some(Outcome::Failed) => "It could not be done.".to_owned(),
        Some(Outcome::Passed) => "The fault passed before anything was done.".to_owned(),
        Some(Outcome::Refused) if attempt.who.is_none() => "Nobody approved it in time.".to_owned(),
        Some(Outcome::Refused) => format!("It was refused{who}."),
        Some(Outcome::Stopped) => format!("It was stopped{who}."),
        Some(Outcome::Gone) => "What it was for is not configured any more.".to_owned(),
        Some(Outcome::Unknown) => "The process ended in the middle: what came of it is not known.".to_owned(),
    };
    let in_force = if attempt.in_force { " What it did is in force." } else { "" };
    let lesson = if attempt.lesson.is_empty() { String::new() } else { format!(" Noted: {}.", attempt.lesson) };
    Some(format!("{outcome}{in_force}{lesson}"))
}

fn said(all: &[Said]) -> String {
    all.iter().map(|said| format!("{}: {}", said.by, said.text)).collect::<Vec<_>>().join("; ")
}

fn came_to(act: &ActReport) -> String {
    let how = match (act.ok, act.code) {
        (_, Some(code)) => format!("ended with code {code}"),
        (true, None) => "ended well".to_owned(),
        (false, None) => "failed".to_owned(),
    };
    let took = phrase::span(i64::try_from(act.took_ms).unwrap_or(i64::MAX));
    let error = if act.error.is_empty() { String::new() } else { format!(" ({})", act.error) };
    let what = if act.what.is_empty() { "it" } else { &act.what };
    format!("{what} {how} after {took}{error}")
}

/// What a command printed, line by line. Four spaces before each line make it a block that no text can end.
fn printed(name: &str, report: &ActReport) -> String {
    let left_out = match report.left_out {
        0 => String::new(),
        bytes => {
            format!(" ({} bytes before that are left out)", phrase::count(i64::try_from(bytes).unwrap_or(i64::MAX)))
        }
    };
    let line = |line: &str| format!("    {}\n", phrase::printable(line).collect::<String>().trim_end());
    let lines: String = report.output.lines().map(line).collect();
    format!("\n{name}{left_out}:\n\n{lines}")
}
