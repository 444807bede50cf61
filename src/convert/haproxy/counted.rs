//! Rules that refuse requests above a counter of a stick table.

use super::act::Rule;
use super::changes::Changes;
use super::expand::Expander;
use super::limits::{self, Counter, Limit};
use crate::convert::output::Value;

impl Expander<'_> {
    /// A counter that requests are refused above. One of all requests of the frontend is the listener's, which is counted once too.
    pub fn limited(&mut self, rule: &Rule, counter: &Counter, change: &mut Changes, of_all: bool) -> bool {
        let place = &rule.line.place;
        match limits::limit(self.sections, self.section, counter, place) {
            Ok(Limit::Rate(..)) if self.section.is_tcp() => {
                let why = "requests are not seen by a listener of sessions: nothing limits this";
                self.findings.error(place, rule.line.text(), why, "`client_limits.new_connections` of the listener");
                false
            }
            Ok(Limit::Rate(limit, true)) if of_all => {
                let known = self.listener.get(&["rate_limit"]);
                if !matches!(known, Some(Value::List(known)) if known.contains(&Value::Table(limit.clone()))) {
                    self.listener.push(&["rate_limit"], limit);
                }
                false
            }
            Ok(Limit::Rate(limit, counts_all)) => {
                if counts_all {
                    let why = "only the requests are counted that come by the routes which it refuses, and not all of the frontend";
                    let advice = "`[[listener.rate_limit]]` counts, and refuses, over all routes: docs/limits.md";
                    self.findings.warning(place, rule.line.text(), why, advice);
                }
                if !change.limits.contains(&limit) {
                    change.limits.push(limit);
                }
                true
            }
            Ok(Limit::OfClients(key, value)) => {
                match value.parse::<i64>() {
                    Ok(number) => self.listener.put(&["client_limits", key], number, place),
                    Err(_) => self.listener.put(&["client_limits", key], value, place),
                }
                false
            }
            Err(why) => {
                let advice = "docs/limits.md has what there is";
                self.findings.error(place, rule.line.text(), format!("{why}: nothing limits this"), advice);
                false
            }
        }
    }
}
