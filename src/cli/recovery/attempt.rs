//! An attempt to repair something, as the command line shows it.

use serde_json::Value;

/// The width of a terminal, and of the names before the texts.
const WIDTH: usize = 80;
const NAME: usize = 9;

/// One line about an attempt.
pub(super) fn line(attempt: &Value) -> String {
    short(attempt) + "\n"
}

/// Which attempt it is, and how far.
pub(in crate::cli) fn short(attempt: &Value) -> String {
    format!("attempt {}: {}, {}", attempt["id"], what(attempt), came_to(attempt))
}

/// What was done, to whom, and against what.
pub(super) fn what(attempt: &Value) -> String {
    let (service, fault) = (plain(&attempt["service"]), plain(&attempt["fault"]).replace('_', " "));
    let backend = attempt["backend"].as_str().map(|backend| format!("/{backend}")).unwrap_or_default();
    format!("{} of {service}{backend} against {fault}", plain(&attempt["strategy"]))
}

/// How far it is, or what it came to.
pub(super) fn came_to(attempt: &Value) -> String {
    let is_dry = attempt["dry_run"] == true;
    let outcome = match attempt["outcome"].as_str() {
        None if is_dry => "watched".to_owned(),
        None if attempt["phase"] == "proposed" => "waits to be approved".to_owned(),
        Some("not_healed") if is_dry => "did not pass by itself".to_owned(),
        Some("healed") if is_dry => match attempt["recovery_s"].as_f64() {
            Some(seconds) => format!("passed by itself in {seconds:.1} s"),
            None => "passed by itself".to_owned(),
        },
        None => plain(&attempt["phase"]).to_owned(),
        Some("healed") => match attempt["recovery_s"].as_f64() {
            Some(seconds) => format!("healed in {seconds:.1} s"),
            None => "healed".to_owned(),
        },
        Some(outcome) => outcome.replace('_', " "),
    };
    let in_force = if attempt["in_force"] == true { ", in force" } else { "" };
    let dry = if is_dry { " (dry run)" } else { "" };
    format!("{outcome}{in_force}{dry}")
}

/// A time to the second, in UTC: `2026-11-03 14:07:09`.
pub(super) fn moment(time: &Value) -> String {
    let text = time.as_str().unwrap_or("?");
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text.to_owned(),
    }
}

/// A time to the millisecond, in UTC: `2026-11-03 14:07:09.250 UTC`.
fn exact(time: &Value) -> String {
    let text = time.as_str().unwrap_or("?");
    format!("{} UTC", text.strip_suffix('Z').unwrap_or(text).replacen('T', " ", 1))
}

/// All of an attempt.
pub(super) fn whole(attempt: &Value) -> String {
    let mut out = line(attempt);
    let sure = attempt["confidence"].as_f64().filter(|confidence| *confidence > 0.0);
    let sure = sure.map(|confidence| format!(", confidence {confidence:.2}")).unwrap_or_default();
    out += &field("found", &format!("{}{sure}", exact(&attempt["raised"])));
    out += &said(&attempt["votes"]);
    out += &field("begun", &exact(&attempt["start"]));
    out += &field("why", plain(&attempt["why"]));
    out += &brakes(&attempt["brakes"]);
    if attempt["acted"].is_string() && attempt["dry_run"] != true {
        out += &field("acted", &exact(&attempt["acted"]));
    }
    out += &act(doing(attempt), &attempt["act"]);
    out += &act("undid", &attempt["undo"]);
    if let (Value::String(_), Some(after)) = (&attempt["end"], attempt["duration_s"].as_f64()) {
        out += &field("over", &format!("{}, after {after:.1} s", exact(&attempt["end"])));
    }
    if attempt["outcome"] == "healed" && attempt["dry_run"] != true {
        let credit = if attempt["credited"] == true { "to the strategy's credit" } else { "not to its credit" };
        out += &field("counted", credit);
    }
    // what was broken off or only watched teaches nothing of the strategy
    let teaches = matches!(attempt["outcome"].as_str(), Some("healed" | "not_healed" | "worse" | "failed"));
    let name = if teaches && attempt["dry_run"] != true { "learned" } else { "because" };
    out += &field(name, attempt["lesson"].as_str().unwrap_or_default());
    out + &field("by", attempt["who"].as_str().unwrap_or_default())
}

/// What stands before the act: whether it is done, is to be, or would be.
fn doing(attempt: &Value) -> &'static str {
    match (attempt["acted"].is_string(), attempt["end"].is_string()) {
        _ if attempt["dry_run"] == true => "would do",
        (true, true) => "did",
        (true, false) if attempt["act"]["ok"].is_null() => "does",
        (true, false) => "did",
        (false, true) => "not done",
        (false, false) => "to do",
    }
}

/// What a command or a webhook came to, with what it printed.
fn act(name: &str, act: &Value) -> String {
    if !act.is_object() {
        return String::new();
    }
    let what = plain(&act["what"]);
    if act["ok"].is_null() {
        return field(name, what);
    }
    // a webhook is what has a status
    let word = if what.starts_with("POST ") { "status" } else { "exit code" };
    let how = match (act["code"].as_i64(), act["ok"] == true) {
        (Some(code), _) => format!("{word} {code}"),
        (None, true) => "done".to_owned(),
        (None, false) => "failed".to_owned(),
    };
    let took = act["took_s"].as_f64().unwrap_or_default();
    let mut out = field(name, &format!("{what} ({how} after {took:.1} s)"));
    out += &field("error", act["error"].as_str().unwrap_or_default());
    if let Some(bytes) = act["left_out"].as_u64().filter(|bytes| *bytes > 0) {
        out += &field("", &format!("({bytes} bytes of output are left out before this)"));
    }
    for line in act["output"].as_str().unwrap_or_default().lines() {
        // what a command printed must not move the cursor of whoever looks at it
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        out += &format!("{:NAME$}| {line}\n", "");
    }
    out
}

/// How many brakes were looked at. An attempt begins when none of them holds it; what each has said is in the JSON.
fn brakes(all: &Value) -> String {
    match all.as_array().map(Vec::len) {
        None | Some(0) => String::new(),
        Some(number) => field("brakes", &format!("{number} looked at, none held")),
    }
}

/// A line for each of those who said something.
fn said(all: &Value) -> String {
    let line = |said: &Value| field("", &format!("{}: {}", plain(&said["by"]), plain(&said["text"])));
    all.as_array().into_iter().flatten().map(line).collect()
}

/// A name and a text, broken at words; nothing where there is no text.
fn field(name: &str, text: &str) -> String {
    let mut out = String::new();
    let mut line = format!("{name:NAME$}");
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out += &line;
            out.push('\n');
            line = format!("{:NAME$}", "");
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    if is_empty { String::new() } else { format!("{out}{line}\n") }
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_attempt_is_told_from_its_fault_to_what_was_learned_within_80_columns() {
        let attempt = json!({
            "id": 12, "service": "api", "backend": "a", "fault": "high_error_rate", "strategy": "restart", "phase": "ended",
            "confidence": 0.9, "raised": "2026-11-27T10:00:00.600Z", "start": "2026-11-27T10:00:01.000Z",
            "acted": "2026-11-27T10:00:01.200Z", "end": "2026-11-27T10:00:05.000Z", "duration_s": 4.0,
            "votes": [{ "by": "performance", "text": "43 % of the requests fail" }, { "by": "peers", "text": "its peers fail 0.1 %" }],
            "why": "it has helped 3 times of 4 against this fault, and the only other strategy, failover, has helped once of 5",
            "brakes": [{ "by": "max_at_once", "text": "0 of 1" }], "outcome": "healed", "recovery_s": 3.2, "credited": true,
            "lesson": "its effectiveness rose to 0.78", "who": "token ops", "in_force": false, "dry_run": false,
            "act": { "what": "systemctl restart api@a", "ok": true, "code": 0, "error": "", "took_s": 1.2,
                     "output": "one\n\u{1b}[2Jtwo\n", "left_out": 7 },
            "undo": null,
        });
        let expected = "\
attempt 12: restart of api/a against high error rate, healed in 3.2 s
found    2026-11-27 10:00:00.600 UTC, confidence 0.90
         performance: 43 % of the requests fail
         peers: its peers fail 0.1 %
begun    2026-11-27 10:00:01.000 UTC
why      it has helped 3 times of 4 against this fault, and the only other
         strategy, failover, has helped once of 5
brakes   1 looked at, none held
acted    2026-11-27 10:00:01.200 UTC
did      systemctl restart api@a (exit code 0 after 1.2 s)
         (7 bytes of output are left out before this)
         | one
         | [2Jtwo
over     2026-11-27 10:00:05.000 UTC, after 4.0 s
counted  to the strategy's credit
learned  its effectiveness rose to 0.78
by       token ops
";
        assert_eq!(whole(&attempt), expected);
        assert!(expected.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn one_that_is_under_way_says_how_far_it_is() {
        let attempt = |phase: &str| json!({ "id": 3, "service": "api", "backend": null, "fault": "high_latency", "strategy": "scale_up", "phase": phase });
        assert_eq!(line(&attempt("acting")), "attempt 3: scale_up of api against high latency, acting\n");
        assert!(line(&attempt("proposed")).ends_with("waits to be approved\n"));
        let failover = json!({ "outcome": "not_healed", "in_force": true, "dry_run": true });
        assert_eq!(came_to(&failover), "did not pass by itself, in force (dry run)");
        let mut restart = attempt("proposed");
        restart["act"] = json!({ "what": "systemctl restart api@a", "ok": null });
        assert!(whole(&restart).contains("\nto do    systemctl restart api@a\n"));
        restart["acted"] = json!("2026-11-27T10:00:01.200Z");
        assert!(whole(&restart).contains("\ndoes     systemctl restart api@a\n"));
        restart["dry_run"] = json!(true);
        assert!(whole(&restart).contains("\nwould do systemctl restart api@a\n"));
        let refused = json!({ "outcome": "refused", "lesson": "ops refused it", "votes": [], "brakes": [] });
        assert!(whole(&refused).ends_with("because  ops refused it\n"));
    }
}
