//! Words that another instance was told, and that hold here as well.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Command, Name, Note, Operators, Said};
use crate::endpoint::Endpoint;
use crate::event::{Kind, Subject};

/// What another instance was told about a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// Drain, disable or enable; `None` = none of them holds any more.
    Work(Option<Command>),
    /// The weight; `None` = as configured.
    Weight(Option<u32>),
}

impl Operators {
    /// Puts in force what another instance was told about this backend, which need not be here (yet). [`keep`](Self::keep) writes it to the file.
    pub fn follow(
        &self,
        (service, backend): (&Arc<str>, &Arc<str>),
        followed: Followed,
        (note, instance): (Note, &str),
        endpoint: Option<&Endpoint>,
    ) {
        let name = Name { service: Arc::clone(service), backend: Arc::clone(backend) };
        let kept = Note { who: elsewhere(&note.who, instance), ..note.clone() };
        let is_over = note.is_over(SystemTime::now());
        {
            let mut said = self.said.entry(name.clone()).or_default();
            match followed {
                Followed::Work(command) => said.wanted = command.filter(|_| !is_over).map(|command| (command, kept)),
                Followed::Weight(weight) => said.weight = weight.filter(|_| !is_over).map(|weight| (weight, kept)),
            }
            if let Some(endpoint) = endpoint {
                said.apply(endpoint);
            }
        }
        self.said.remove_if(&name, |_, said| said.is_empty());
        if is_over {
            // it has run out while this instance was not there to hear it
            return;
        }
        let (command, weight) = match followed {
            Followed::Work(command) => (command.unwrap_or(Command::Enable), None),
            Followed::Weight(weight) => (Command::Weight(weight), weight),
        };
        let Note { who, reason, until } = note;
        let kind = Kind::Operator {
            command: command.name(),
            who,
            reason,
            until,
            weight,
            sessions: None,
            instance: Some(instance.to_owned()),
        };
        self.events.tell(Subject::backend(service, backend), kind);
    }

    /// All commands that hold: the service, the backend, the command, and what was said with it.
    pub fn words(&self) -> Vec<(Arc<str>, Arc<str>, Command, Note)> {
        let words = |name: &Name, said: &Said| {
            let weight = said.weight.clone().map(|(weight, note)| (Command::Weight(Some(weight)), note));
            let of = |(command, note)| (Arc::clone(&name.service), Arc::clone(&name.backend), command, note);
            said.wanted.clone().into_iter().chain(weight).map(of).collect::<Vec<_>>()
        };
        self.said.iter().flat_map(|entry| words(entry.key(), entry.value())).collect()
    }

    /// Whether this process takes commands: no upgrade is under way, and nobody has taken over.
    pub fn is_serving(&self) -> bool {
        self.role() == super::Role::Serving
    }
}

/// Who has said something at another instance, for people.
pub fn elsewhere(who: &str, instance: &str) -> String {
    format!("{who} at {instance}")
}
