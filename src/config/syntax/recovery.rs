//! The languages of recovery: faults, destinations, and what is run or called.

use std::sync::Arc;

use super::{Problem, Result, nearest};
use crate::config::model::PLACEHOLDERS;
use crate::detect::fault::Fault;
use crate::recover::plan::Destination;

/// The longest name of a unit (systemd.unit(5)).
const LONGEST_UNIT: usize = 255;

/// The kinds of units (systemd.unit(5)).
const UNITS: [&str; 11] =
    ["automount", "device", "mount", "path", "scope", "service", "slice", "socket", "swap", "target", "timer"];

/// A fault, by its name in the API.
pub(in crate::config) fn fault(text: &str) -> Result<Fault> {
    let found = Fault::ALL.into_iter().find(|fault| fault.as_str() == text);
    found.ok_or_else(|| {
        let known = Fault::ALL.map(Fault::as_str);
        Problem::new(format!("`{text}` is not a fault"), format!("one of {}", known.join(", ")))
            .suggest(meant(text).or_else(|| nearest(text, known)).map(str::to_owned))
    })
}

/// The fault for which people have another word.
fn meant(text: &str) -> Option<&'static str> {
    Some(match text {
        "down" | "dead" | "unhealthy" | "unreachable" | "hung" | "killed" | "crash" | "failed" => "unresponsive",
        "slow" | "latency" => "high_latency",
        "errors" | "error" | "5xx" | "error_rate" => "high_error_rate",
        "overload" | "overloaded" | "memory" | "cpu" => "resource_exhaustion",
        _ => return None,
    })
}

/// Where a failover sends the work.
pub(in crate::config) fn destination(text: &str) -> Result<Destination> {
    let bad = |near: Option<String>| {
        let expected = "\"backups\", \"service:NAME\" or \"zone:NAME\"";
        Err(Problem::new(format!("`{text}` is nothing that the work can be sent to"), expected).suggest(near))
    };
    match text.split_once(':') {
        None if text == "backups" => Ok(Destination::Backups),
        None => bad(nearest(text, ["backups"]).map(str::to_owned)),
        Some(("service", name)) if !name.is_empty() => Ok(Destination::Service(Arc::from(name))),
        Some(("zone", name)) if !name.is_empty() => Ok(Destination::Zone(Arc::from(name))),
        Some((kind, name)) => bad(nearest(kind, ["service", "zone"]).map(|kind| format!("{kind}:{name}"))),
    }
}

/// What the kernel can pass to a program.
pub(in crate::config) fn argument(text: &str) -> Result<()> {
    match text.contains('\0') {
        true => Err(Problem::new("an argument can't contain the character NUL", "text without a NUL character")),
        false => Ok(()),
    }
}

/// The name of a variable of the environment.
pub(in crate::config) fn variable(text: &str) -> Result<()> {
    let expected = "letters, digits and \"_\", such as \"PGHOST\"";
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !text.bytes().all(good) || text.bytes().next().is_none_or(|first| first.is_ascii_digit()) {
        return Err(Problem::new(format!("{text:?} can't be the name of a variable"), expected));
    }
    match text.starts_with("EVENKEEL_") {
        true => Err(Problem::new(format!("`{text}` is set by Evenkeel itself"), "another name")),
        false => Ok(()),
    }
}

/// A unit of systemd. A name without a kind is that of a service, as systemctl(1) has it.
pub(in crate::config) fn unit(text: &str) -> Result<String> {
    let bad =
        || Problem::new(format!("{text:?} can't be the name of a systemd unit"), "a unit such as \"api@1.service\"");
    let filled = PLACEHOLDERS.iter().fold(text.to_owned(), |text, name| text.replace(&format!("${{{name}}}"), "x"));
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    if filled.is_empty() || !filled.bytes().all(good) {
        return Err(match text.split_whitespace().count() {
            0 | 1 => bad(),
            _ => bad().help("it is the name alone; a command is written `run = [\"PROGRAM\", \"ARGUMENT\"]`"),
        });
    }
    if filled.len() > LONGEST_UNIT {
        return Err(bad().help("its name is too long"));
    }
    match filled.rsplit_once('.') {
        Some((name, kind)) if UNITS.contains(&kind) && !name.is_empty() => Ok(text.to_owned()),
        _ => Ok(format!("{text}.service")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_name() {
        for known in Fault::ALL {
            assert_eq!(fault(known.as_str()).unwrap(), known);
        }
        assert_eq!(fault("down").unwrap_err().suggestion.as_deref(), Some("unresponsive"));
        assert_eq!(fault("unresponsiv").unwrap_err().suggestion.as_deref(), Some("unresponsive"));
    }

    #[test]
    fn work_is_sent_to_backups_a_service_or_a_zone() {
        assert_eq!(destination("backups").unwrap(), Destination::Backups);
        assert_eq!(destination("service:b").unwrap(), Destination::Service("b".into()));
        assert_eq!(destination("zone:eu:1").unwrap(), Destination::Zone("eu:1".into()));
        let near = |text: &str| destination(text).unwrap_err().suggestion;
        assert_eq!(near("backup").as_deref(), Some("backups"));
        assert_eq!(near("servce:b").as_deref(), Some("service:b"));
        for bad in ["", "service:", "zone:", "zone", "b"] {
            assert!(destination(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_unit_without_a_kind_is_a_service() {
        assert_eq!(unit("api").unwrap(), "api.service");
        assert_eq!(unit("api@${backend}").unwrap(), "api@${backend}.service");
        assert_eq!(unit("my.app").unwrap(), "my.app.service");
        assert_eq!(unit("api.socket").unwrap(), "api.socket");
        for bad in ["", "a b", "a/b", "restart api", "api@${bakend}", &"x".repeat(256)] {
            assert!(unit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_have_names_that_a_shell_could_read_and_none_of_ours() {
        assert!(variable("PG_HOST2").is_ok());
        for bad in ["", "1A", "A-B", "A=B", "EVENKEEL_BACKEND"] {
            assert!(variable(bad).is_err(), "{bad}");
        }
    }
}
