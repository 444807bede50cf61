//! What the access log wants to know of an exchange, beyond what is counted of it anyway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HeaderMap;

use super::{Exchange, access};
use crate::policy::access_log::Wants;
use crate::record::access::ExchangeEntry;
use crate::snapshot::Route;

impl Exchange {
    /// What the access log is to say of the request.
    pub fn log_access(&mut self, entry: ExchangeEntry) {
        self.access = Some(Box::new(entry));
    }

    /// What the access log wants to know beyond what is known anyway.
    pub(super) fn wants(&self) -> Wants {
        self.access.as_ref().map_or(Wants::default(), |entry| entry.lines.wants)
    }

    /// Whether it has to be measured how long the exchange waits for what.
    pub fn wants_times(&self) -> bool {
        self.wants().times
    }

    /// This route takes it.
    pub fn takes(&mut self, route: &Route) {
        self.took_route(route.place);
        if let Some(entry) = &mut self.access
            && entry.lines.wants.route
        {
            entry.chosen.route = Some(Arc::clone(&route.text));
        }
    }

    /// It is above the limit with this name, or would be if the limit refused anything.
    pub fn above_limit(&mut self, name: &str) {
        if let Some(entry) = &mut self.access {
            entry.chosen.limit = Some(name.into());
        }
    }

    /// Its client has come in as this user.
    pub fn came_in_as(&mut self, user: &str) {
        if let Some(entry) = &mut self.access {
            entry.chosen.user = Some(user.into());
        }
    }

    /// It has waited for a place at a backend since then, if that was measured.
    pub fn queued_since(&mut self, asked: Option<Instant>) {
        if let Some(asked) = asked {
            *self.outcome.queued.get_or_insert_default() += asked.elapsed();
        }
    }

    /// Its last attempt took so long until it had a connection.
    pub fn connected(&mut self, time: Option<Duration>) {
        self.outcome.connected = time;
    }

    /// The client is answered with these fields.
    pub fn answered_with(&mut self, headers: &HeaderMap) {
        if let Some(entry) = &mut self.access {
            access::note_answer(entry, headers);
        }
    }
}
