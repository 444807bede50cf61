//! The answer as text: sentences first, and then what they rest on, in tables.

use std::fmt::Write as _;

use serde_json::Value;

/// The most events that are shown; the admin address gives more.
const EVENTS: usize = 20;

/// The answer for people.
pub(super) fn text(answer: &Value, has_colours: bool) -> String {
    let paint = Paint(has_colours);
    let mut out = String::new();
    for (at, sentence) in list(&answer["text"]).iter().enumerate() {
        let sentence = word(sentence);
        // writing to a String can't fail
        let _ = match at {
            0 => writeln!(out, "{}", paint.with(tone(word(&answer["state"])), sentence)),
            _ => writeln!(out, "{sentence}"),
        };
    }
    out += &table("backends", ["backend", "state", "", "why"], &answer["backends"], paint, |it| {
        Some([
            word(&it["backend"]).to_owned(),
            word(&it["state"]).to_owned(),
            String::new(),
            word(&it["text"]).to_owned(),
        ])
    });
    if let Some(more @ 1..) = answer["more"].as_u64() {
        let _ = writeln!(out, "  and {more} more, which can all be used or are like these");
    }
    out += &table("rules", ["rule", "figure", "threshold", "would"], &answer["rules"], paint, |it| {
        let (would, holds) = (words(&it["would"]), it["holds"] == true);
        // the mark makes the row stand out, and is not shown
        let would = if holds { format!("{would}!") } else { format!("not {would}") };
        let why = it["text"].as_str().filter(|text| !text.is_empty()).map_or(String::new(), |text| format!(": {text}"));
        Some([words(&it["rule"]), word(&it["figure"]).to_owned(), word(&it["threshold"]).to_owned(), would + &why])
    });
    out += &table("votes", ["detector", "fault", "sure", "why"], &answer["votes"], paint, |it| {
        Some([words(&it["detector"]), words(&it["fault"]), percent(&it["confidence"]), word(&it["text"]).to_owned()])
    });
    out += &table("brakes", ["brake", "now", "", "why"], &answer["brakes"], paint, |it| {
        let holds = if it["holds"] == true { "holds!" } else { "free" };
        Some([words(&it["brake"]), holds.to_owned(), String::new(), word(&it["text"]).to_owned()])
    });
    out += &table(
        "algorithms: the share of the next picks",
        ["algorithm", "share", "", "why"],
        &answer["algorithms"],
        paint,
        |it| {
            let own = if it["own"] == true { "in use" } else { "" };
            let share = if it["share"].is_null() { "by key".to_owned() } else { percent(&it["share"]) };
            Some([words(&it["algorithm"]), share, own.to_owned(), word(&it["text"]).to_owned()])
        },
    );
    out + &events(&answer["timeline"], answer["backend"].is_string(), paint)
}

/// `is_of_one`: all of them are about the same backend, which is not named again.
fn events(all: &Value, is_of_one: bool, paint: Paint) -> String {
    let all = list(all);
    if all.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", paint.with(Tone::Strong, "events, the newest first (UTC)"));
    for event in all.iter().take(EVENTS) {
        let time = word(&event["time"]).replace('T', " ");
        let time = time.get(..19).unwrap_or(&time);
        let level = word(&event["level"]);
        let tone = match level {
            "error" => Tone::Bad,
            "warn" => Tone::Warn,
            _ => Tone::Plain,
        };
        let about = event["backend"].as_str().filter(|_| !is_of_one).map_or(String::new(), |id| format!("{id}: "));
        let level = paint.with(tone, &format!("{level:5}"));
        let _ = writeln!(out, "  {time}  {level}  {about}{}", word(&event["text"]));
    }
    if all.len() > EVENTS {
        let _ = writeln!(out, "  and {} more: --json has them", all.len() - EVENTS);
    }
    out
}

/// A table with a heading; nothing where there are no rows. The last column is as wide as it likes.
fn table(
    heading: &str,
    heads: [&str; 4],
    rows: &Value,
    paint: Paint,
    row: impl Fn(&Value) -> Option<[String; 4]>,
) -> String {
    let rows: Vec<[String; 4]> = list(rows).iter().filter_map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let heads = heads.map(str::to_owned);
    let width = |at: usize| rows.iter().chain([&heads]).map(|row| row[at].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths).filter(|(_, width)| *width > 0) {
            let _ = write!(line, "  {cell:width$}");
        }
        let _ = write!(line, "  {}", row[3]);
        line.trim_end().to_owned()
    };
    let mut out = format!("\n{}\n{}\n", paint.with(Tone::Strong, heading), paint.with(Tone::Soft, &line(&heads)));
    for row in &rows {
        let acts = row.iter().any(|cell| cell.contains('!'));
        let _ =
            writeln!(out, "{}", paint.with(if acts { Tone::Warn } else { Tone::Plain }, &line(row).replace('!', "")));
    }
    out
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// A name with spaces in the place of underscores.
fn words(value: &Value) -> String {
    word(value).replace('_', " ")
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "?".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// How something is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Strong,
    Soft,
    Good,
    Warn,
    Bad,
}

fn tone(state: &str) -> Tone {
    match state {
        "up" => Tone::Good,
        "down" | "ejected" | "broken" | "unavailable" | "panic" => Tone::Bad,
        _ => Tone::Warn,
    }
}

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
struct Paint(bool);

impl Paint {
    /// The text in a terminal's colours.
    fn with(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            _ if !self.0 => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Soft => "2",
            Tone::Good => "1;32",
            Tone::Warn => "33",
            Tone::Bad => "1;31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Value {
        json!({
            "state": "ejected",
            "text": ["api/a is ejected.", "It comes back."],
            "rules": [
                { "rule": "failures_in_a_row", "figure": "7", "threshold": "5", "would": "eject", "holds": true, "text": "" },
                { "rule": "checks", "figure": "passed", "threshold": "3 failed", "would": "mark_down", "holds": false, "text": "" },
            ],
            "votes": [],
            "brakes": [{ "brake": "max_ejected", "holds": false, "text": "1 of 3" }],
            "algorithms": [
                { "algorithm": "round_robin", "own": true, "share": 0.334, "text": "in turn" },
                { "algorithm": "consistent_hash", "own": false, "share": null, "text": "depends" },
            ],
            "timeline": [{ "time": "2026-11-27T14:02:11.123Z", "level": "warn", "text": "ejected" }],
        })
    }

    #[test]
    fn the_sentences_come_first_and_then_tables_whose_columns_stand_under_each_other() {
        assert_eq!(
            text(&answer(), false),
            "api/a is ejected.\nIt comes back.\n\n\
             rules\n  rule               figure  threshold  would\n  \
             failures in a row  7       5          eject\n  \
             checks             passed  3 failed   not mark down\n\n\
             brakes\n  brake        now   why\n  max ejected  free  1 of 3\n\n\
             algorithms: the share of the next picks\n  algorithm        share           why\n  \
             round robin      33 %    in use  in turn\n  consistent hash  by key          depends\n\n\
             events, the newest first (UTC)\n  2026-11-27 14:02:11  warn   ejected\n"
        );
    }

    #[test]
    fn colours_are_only_for_terminals() {
        assert!(!text(&answer(), false).contains('\u{1b}'));
        let coloured = text(&answer(), true);
        assert!(coloured.starts_with("\u{1b}[1;31mapi/a is ejected.\u{1b}[0m\n"), "{coloured:?}");
        assert!(coloured.contains("\u{1b}[33m  failures in a row"), "{coloured:?}");
    }

    #[test]
    fn a_service_has_a_line_for_each_backend() {
        let service = json!({
            "state": "degraded", "text": ["api is degraded."],
            "backends": [{ "backend": "a", "state": "up", "text": "it is well" }, { "backend": "b", "state": "down", "text": "refused" }],
        });
        assert_eq!(
            text(&service, false),
            "api is degraded.\n\nbackends\n  backend  state  why\n  a        up     it is well\n  b        down   refused\n"
        );
    }
}
