//! What happens to the ledger is told: as an event, in the metrics, and with the figures that it can't give.

use metrics::gauge;

use crate::event::{Events, Kind, LedgerChange, Subject};
use crate::ledger::Trouble;
use crate::metrics::names;
use crate::report::standings::Standings;

/// Tells what has happened to the ledger. It is called on the ledger's thread.
pub(super) fn tell_trouble(trouble: Trouble, events: &Events, standings: &Standings) {
    let text = trouble.to_string();
    let (is_written, change) = match trouble {
        Trouble::NotWritten { why } => (false, LedgerChange::Failed { reason: one_line(&why) }),
        Trouble::KeptElsewhere { by } => (false, LedgerChange::KeptElsewhere { by }),
        Trouble::Newer { .. } => (false, LedgerChange::Failed { reason: text }),
        Trouble::WrittenAgain { after_s } => (true, LedgerChange::Recovered { after_s: after_s as f64 }),
        Trouble::SetAside { why, file } => {
            (true, LedgerChange::SetAside { reason: one_line(&why), file: file.display().to_string() })
        }
        Trouble::Pruned { before } => (true, LedgerChange::Pruned { before }),
    };
    standings.set_trouble(match &change {
        LedgerChange::Failed { reason } => Some(reason.clone()),
        LedgerChange::KeptElsewhere { by } => Some(format!("{by} keeps the ledger")),
        _ => None,
    });
    gauge!(names::LEDGER_OK.name).set(f64::from(u8::from(is_written)));
    events.tell(Subject::default(), Kind::Ledger(change));
}

/// What SQLite says may have several lines.
fn one_line(why: &str) -> String {
    why.split_whitespace().collect::<Vec<_>>().join(" ")
}
