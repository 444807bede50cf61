//! Which events are asked for.

use crate::admin::query::parameters;
use crate::event::{Event, Filter, KEPT, Level};

/// The most events in one answer, unless `limit` asks for another number.
const SOME: usize = 1000;

/// The levels that can be asked for.
const LEVELS: [Level; 3] = [Level::Info, Level::Warn, Level::Error];

/// What the query of a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct EventQuery {
    /// Those after the event with this id.
    pub(super) since: Option<u64>,
    /// Those before the event with this id.
    before: Option<u64>,
    /// So many.
    pub(super) limit: usize,
    /// What they are about.
    pub(super) wanted: Wanted,
}

/// What events are to be about; all of it has to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    service: Option<String>,
    backend: Option<String>,
    /// Events of this level and those above it.
    level: Option<Level>,
    /// Kinds and groups of kinds, of which one has to fit.
    kinds: Option<Filter>,
}

impl EventQuery {
    /// Reads the query of a request; an error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self { limit: SOME, ..Self::default() };
        for (name, value) in parameters(text, &["kind"])? {
            match &*name {
                "since" => query.since = Some(id("since", &value)?),
                "before" => query.before = Some(id("before", &value)?),
                "limit" => match value.parse() {
                    Ok(limit) if (1..=KEPT).contains(&limit) => query.limit = limit,
                    _ => return Err(format!("limit must be a number from 1 to {KEPT}")),
                },
                "service" => query.wanted.service = Some(value.into_owned()),
                "backend" => query.wanted.backend = Some(value.into_owned()),
                "level" => query.wanted.level = Some(level(&value)?),
                "kind" => kinds(&value, query.wanted.kinds.get_or_insert_default())?,
                other => {
                    return Err(format!(
                        "unknown parameter {other:?}: there are since, before, limit, service, backend, level and kind"
                    ));
                }
            }
        }
        Ok(query)
    }

    /// Whether an event is among those that are asked for, as far as their number goes.
    pub(super) fn has(&self, event: &Event) -> bool {
        self.before.is_none_or(|before| event.id < before) && self.wanted.has(event)
    }
}

impl Wanted {
    /// Whether an event is about what is asked for.
    pub(super) fn has(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, of: Option<&str>| wanted.as_deref().is_none_or(|wanted| of == Some(wanted));
        is(&self.service, event.subject.service.as_deref())
            && is(&self.backend, event.subject.backend.as_deref())
            && self.level.is_none_or(|level| event.kind.level() >= level)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.has(event))
    }
}

fn id(name: &str, value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| format!("{name} must be the id of an event"))
}

fn level(value: &str) -> Result<Level, String> {
    let known = LEVELS.into_iter().find(|level| level.as_str() == value);
    known.ok_or_else(|| format!("level={value}: there are info, warn and error"))
}

/// Adds the kinds of a list such as `operator,backend_*`.
fn kinds(list: &str, kinds: &mut Filter) -> Result<(), String> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.as_str() == word);
    match list.split(',').find(|word| is_level(word) || !kinds.add(word)) {
        None => Ok(()),
        Some(wrong) => Err(format!("kind={wrong}: no event is of this kind; a group is written as in backend_*")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::clock::Moment;
    use crate::event::{Kind, Subject};

    fn event(id: u64, service: &str, backend: Option<&str>, kind: Kind) -> Event {
        let subject = Subject { service: Some(service.into()), backend: backend.map(Into::into), listener: None };
        Event { id, time: SystemTime::UNIX_EPOCH, moment: Moment::NEVER, subject, kind }
    }

    #[test]
    fn a_question_says_since_when_before_when_and_how_many() {
        let asked = |text| EventQuery::parse(text).map(|query| (query.since, query.before, query.limit));
        assert_eq!(asked(""), Ok((None, None, SOME)));
        assert_eq!(asked("since=7&before=9&limit=3"), Ok((Some(7), Some(9), 3)));
        for wrong in ["since=x", "since=-1", "before=", "limit=0", "limit=10001", "from=3"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_that_is_asked_for_has_to_hold() {
        let down = event(5, "api", None, Kind::ServiceDown { total: 2 });
        let removed = event(6, "api", Some("a"), Kind::BackendRemoved { by: "configuration" });
        let has = |text: &str| {
            let query = EventQuery::parse(text).unwrap();
            (query.has(&down), query.has(&removed))
        };
        assert_eq!(has(""), (true, true));
        assert_eq!(has("service=web"), (false, false));
        assert_eq!(has("service=api&backend=a"), (false, true));
        assert_eq!(has("level=warn"), (true, false));
        assert_eq!(has("level=info"), (true, true));
        assert_eq!(has("kind=service_down,backend_*"), (true, true));
        assert_eq!(has("kind=operator&kind=backend_removed"), (false, true));
        assert_eq!(has("level=warn&kind=backend_*"), (false, false));
        assert_eq!(has("before=6"), (true, false));
    }

    #[test]
    fn what_names_no_level_or_kind_is_refused() {
        for wrong in ["level=debug", "level=", "kind=", "kind=warn", "kind=backend", "kind=operator,"] {
            assert!(EventQuery::parse(wrong).is_err(), "{wrong}");
        }
    }
}
