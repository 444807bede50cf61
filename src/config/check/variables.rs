//! Variables of other proxies in values where ours are filled in.

use super::Checker;
use crate::config::other_proxies::{self, Foreign};
use crate::config::tree::KeyPath;
use crate::policy::variables::Place;

impl Checker<'_> {
    /// Warns of what would be sent as it stands in the value at this path, though another proxy fills it in.
    pub(super) fn foreign_variables(&mut self, at: &KeyPath, text: &str, place: Place) {
        let Some(Foreign { written, meant }) = other_proxies::foreign(text, place) else { return };
        let quoted: Vec<String> = written.iter().map(|name| format!("`{name}`")).collect();
        let message = match &quoted[..] {
            [only] => format!("{only} is sent as it stands"),
            many => format!("{} are sent as they stand", many.join(", ")),
        };
        let help = match &meant {
            Some(_) => "variables are written `${...}`: docs/headers.md lists them",
            None => "variables are written `${...}`, and docs/headers.md lists those that there are",
        };
        let mistake = self.mistake(at, message).warning();
        self.report(mistake.near(meant).help(help));
    }
}
