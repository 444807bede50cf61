//! `[[notify]]`: which webhooks are sent which events.

use std::collections::HashMap;

use super::{Checker, all, all_or_nothing};
use crate::config::model::Authorities;
use crate::config::tree::KeyPath;
use crate::config::{model, raw, syntax};
use crate::event::Filter;

impl Checker<'_> {
    pub(super) fn notify(&mut self, raw: &[raw::Notify]) -> Option<Vec<model::Notify>> {
        let at = KeyPath::default().key("notify");
        let mut names = HashMap::new();
        let mut checked = Vec::new();
        for (index, notify) in raw.iter().enumerate() {
            let at = at.index(index);
            if let Some(name) = &notify.name
                && let Some(first) = names.insert(name, at.key("name"))
            {
                let help = self.first_in(&first);
                let mistake = self.mistake(&at.key("name"), format!("another webhook is named `{name}`"));
                self.report(mistake.help(help));
            }
            checked.push(self.one_notify(&at, notify));
        }
        all(checked)
    }

    fn one_notify(&mut self, at: &KeyPath, raw: &raw::Notify) -> Option<model::Notify> {
        let webhook = raw.webhook.as_deref().and_then(|webhook| syntax::webhook(webhook).ok());
        let mut on = Filter::default();
        // words that name no event have been reported
        raw.on.iter().for_each(|word| _ = on.add(word));
        if raw.on.is_empty() && !self.present_items(&at.key("on")) {
            let mistake = self.mistake(&at.key("on"), "no event is wanted, so nothing is ever sent");
            self.report(mistake.expected("levels or kinds of events").help("[\"warn\"] = warnings and errors"));
        }
        let receiver = self.receiver(at, raw.secret_file.as_deref(), raw.ca.as_deref());
        let name = raw.name.as_deref()?.into();
        let (secret, ca) = receiver?;
        Some(model::Notify { name, webhook: webhook?, on, secret, ca })
    }

    /// What is shared with whoever is posted to: `secret_file` signs messages, `ca` verifies the receiver.
    pub(super) fn receiver(
        &mut self,
        at: &KeyPath,
        secret_file: Option<&str>,
        ca: Option<&str>,
    ) -> Option<(Option<model::NotifySecret>, Authorities)> {
        let secret = secret_file.map(|file| self.notify_secret(&at.key("secret_file"), file));
        let ca = match ca {
            Some(file) => self.authorities(&at.key("ca"), file).map(Authorities::File),
            None => Some(Authorities::System(self.system_authorities())),
        };
        Some((all_or_nothing(secret)?, ca?))
    }

    /// Whether items of this list were bad, and have been taken out.
    fn present_items(&self, at: &KeyPath) -> bool {
        self.findings.removed(&at.index(0)).is_some() || self.findings.removed(at).is_some()
    }

    /// The content of a file without the white space at its end: editors put a line break there, and receivers cut it
    /// off.
    pub(super) fn notify_secret(&mut self, at: &KeyPath, file: &str) -> Option<model::NotifySecret> {
        let (file, bytes) = self.content(at, file)?;
        if bytes.trim_ascii_end().is_empty() {
            let mistake = self.mistake(at, format!("`{}` holds no secret", file.display()));
            self.report(mistake.expected("a file with a secret").help("a new one: openssl rand -base64 32"));
            return None;
        }
        Some(model::NotifySecret::new(bytes.trim_ascii_end()))
    }
}
