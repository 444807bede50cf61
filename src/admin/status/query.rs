//! Which backends the status is to show, where it is not to show all of them.

use crate::admin::query::parameters;
use crate::endpoint::state::State;

/// The most backends in one answer that asks for a page.
const MOST: usize = 10_000;

/// What the query of a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StatusQuery {
    /// This service only.
    pub(super) service: Option<String>,
    /// Backends in one of these states; empty = in whatever state.
    states: Vec<State>,
    /// So many backends at most.
    limit: Option<usize>,
    /// Backends behind this one, in the order of the configuration.
    pub(super) after: Option<BackendName>,
}

/// The name of a backend in the API: `SERVICE/BACKEND`. The name of a service has no slash, that of a backend may have some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BackendName {
    pub(super) service: String,
    pub(super) backend: String,
}

impl StatusQuery {
    /// Reads the query of a request; an error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self::default();
        for (name, value) in parameters(text, &[])? {
            match &*name {
                "service" => query.service = Some(value.into_owned()),
                "state" => query.states = value.split(',').map(state).collect::<Result<_, _>>()?,
                "limit" => match value.parse() {
                    Ok(limit) if (1..=MOST).contains(&limit) => query.limit = Some(limit),
                    _ => return Err(format!("limit must be a number from 1 to {MOST}")),
                },
                "after" => query.after = Some(BackendName::parse(&value)?),
                other => {
                    return Err(format!("unknown parameter {other:?}: there are service, state, limit and after"));
                }
            }
        }
        Ok(query)
    }

    /// Whether some backends are to be left out, and with them the services that have no others.
    pub(super) fn picks(&self) -> bool {
        !self.states.is_empty() || self.limit.is_some() || self.after.is_some()
    }

    /// Whether a backend in this state is to be shown.
    pub(super) fn has(&self, state: State) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }

    /// How many backends there is room for.
    pub(super) fn room(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

impl BackendName {
    fn parse(text: &str) -> Result<Self, String> {
        let (service, backend) = text.split_once('/').ok_or_else(|| format!("after={text}: it is SERVICE/BACKEND"))?;
        Ok(Self { service: service.to_owned(), backend: backend.to_owned() })
    }
}

impl std::fmt::Display for BackendName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.backend)
    }
}

fn state(name: &str) -> Result<State, String> {
    let known = || State::ALL.map(State::as_str).join(", ");
    State::ALL
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(|| format!("state={name}: there are {}", known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_asked_for_by_service_state_and_page() {
        let all = StatusQuery::parse("").unwrap();
        assert!(!all.picks() && all.has(State::Down) && all.room() == usize::MAX);
        let some = StatusQuery::parse("service=api&state=down,ejected&limit=3&after=api/unix:/run/x").unwrap();
        assert!(some.picks() && some.has(State::Ejected) && !some.has(State::Up));
        assert_eq!((some.room(), some.service.as_deref()), (3, Some("api")));
        assert_eq!(some.after.unwrap().to_string(), "api/unix:/run/x");
        assert!(!StatusQuery::parse("service=api").unwrap().picks());
        for wrong in ["state=ill", "state=", "limit=0", "limit=10001", "after=a", "backend=a"] {
            assert!(StatusQuery::parse(wrong).is_err(), "{wrong}");
        }
    }
}
