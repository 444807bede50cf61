//! What an operator has said, as it stands in etcd: whom it is about is the key, the rest is the value.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::clock::{parse_rfc3339, rfc3339};
use crate::event::Subject;
use crate::operator::pages::Scope;
use crate::operator::{Command, HEAVIEST, LONGEST_REASON, Note};

/// The longest value that is read, in bytes. The longest that is written has a reason of quotation marks only.
pub const LONGEST: usize = 8 * 1024;
/// The longest name of a person or an instance that is believed.
const LONGEST_NAME: usize = 512;
/// The latest time that is believed: the end of the year 9999.
const LATEST: u64 = 253_402_300_799_999;
/// For how long it is kept that nothing holds any more: an instance that was cut off for less learns who has said so, and puts nothing older over it.
const FADES_AFTER: Duration = Duration::from_secs(86_400);
/// How much longer than the word itself its key is kept: each instance ends it by its own clock.
const OUTLASTS: Duration = Duration::from_secs(60);
/// What stays as it is in a key; all else is escaped, so that a slash stands between two names only.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b':').remove(b'[').remove(b']');

/// What a word is about: of all that is said about it, the last word holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Whether a backend gets work: a service, and a backend of it.
    Backend(Arc<str>, Arc<str>),
    /// The weight of a backend.
    Weight(Arc<str>, Arc<str>),
    /// The maintenance of a service, in its accounts.
    Maintenance(Arc<str>),
    /// The page that clients are shown during maintenance.
    Page(Scope),
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What is to be done.
    pub saying: Saying,
    /// Who has said it, why, and until when it holds.
    pub note: Note,
    /// The instance that it was said to.
    pub instance: String,
    /// When, in milliseconds since 1970; later than the word that it replaces, whatever the clock says.
    pub at: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saying {
    /// A command for a backend holds.
    Holds(Command),
    /// The service is under maintenance.
    Maintenance,
    /// Nothing that was said before holds any more.
    Over,
}

/// The value of a key.
#[derive(Debug, Serialize, Deserialize)]
struct Value {
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    who: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    instance: String,
    at_ms: u64,
}

impl Topic {
    /// The key, behind the prefix of all words.
    pub fn key(&self) -> String {
        let escaped = |name: &str| utf8_percent_encode(name, PLAIN).to_string();
        match self {
            Self::Backend(service, backend) => format!("backend/{}/{}", escaped(service), escaped(backend)),
            Self::Weight(service, backend) => format!("weight/{}/{}", escaped(service), escaped(backend)),
            Self::Maintenance(service) => format!("maintenance/{}", escaped(service)),
            Self::Page(scope) => format!("page/{}/{}", scope.kind(), escaped(scope.name())),
        }
    }

    /// What a key is about; `None` = it is none of ours.
    pub fn of_key(key: &str) -> Option<Self> {
        let name = |text: &str| {
            let name = percent_decode_str(text).decode_utf8().ok()?;
            (!name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control))
                .then(|| Arc::from(&*name))
        };
        let mut parts = key.split('/');
        let topic = match (parts.next()?, parts.next()?, parts.next()) {
            ("backend", service, Some(backend)) => Self::Backend(name(service)?, name(backend)?),
            ("weight", service, Some(backend)) => Self::Weight(name(service)?, name(backend)?),
            ("maintenance", service, None) => Self::Maintenance(name(service)?),
            ("page", "listener", Some(listener)) => Self::Page(Scope::Listener(name(listener)?)),
            ("page", "service", Some(service)) => Self::Page(Scope::Service(name(service)?)),
            _ => return None,
        };
        // one thing has one key
        (parts.next().is_none() && topic.key() == key).then_some(topic)
    }

    /// What it is about: `backend`, `weight`, `maintenance` or `page`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Backend(..) => "backend",
            Self::Weight(..) => "weight",
            Self::Maintenance(_) => "maintenance",
            Self::Page(_) => "page",
        }
    }

    /// The service, where it is about one.
    pub fn service(&self) -> Option<&Arc<str>> {
        match self {
            Self::Backend(service, _) | Self::Weight(service, _) | Self::Maintenance(service) => Some(service),
            Self::Page(Scope::Service(service)) => Some(service),
            Self::Page(Scope::Listener(_)) => None,
        }
    }

    /// The listener, where it is about one.
    pub fn listener(&self) -> Option<&Arc<str>> {
        match self {
            Self::Page(Scope::Listener(listener)) => Some(listener),
            _ => None,
        }
    }

    /// What an event about it is about.
    pub fn subject(&self) -> Subject {
        Subject {
            service: self.service().cloned(),
            backend: self.backend().cloned(),
            listener: self.listener().cloned(),
        }
    }

    /// The backend, where it is about one.
    pub fn backend(&self) -> Option<&Arc<str>> {
        match self {
            Self::Backend(_, backend) | Self::Weight(_, backend) => Some(backend),
            Self::Maintenance(_) | Self::Page(_) => None,
        }
    }

    fn allows(&self, saying: Saying) -> bool {
        match (self, saying) {
            (_, Saying::Over)
            | (Self::Weight(..), Saying::Holds(Command::Weight(Some(_))))
            | (Self::Maintenance(_) | Self::Page(_), Saying::Maintenance) => true,
            (Self::Backend(..), Saying::Holds(command)) => !matches!(command, Command::Weight(_)),
            _ => false,
        }
    }
}

impl Saying {
    /// Its name in the value and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds(command) => command.name(),
            Self::Maintenance => "maintenance",
            Self::Over => "over",
        }
    }
}

impl Word {
    /// The value of its key.
    pub fn to_json(&self) -> Vec<u8> {
        let weight = if let Saying::Holds(Command::Weight(weight)) = self.saying { weight } else { None };
        let value = Value {
            command: self.saying.name().to_owned(),
            weight,
            who: self.note.who.clone(),
            reason: self.note.reason.clone(),
            until: self.note.until.map(rfc3339),
            instance: self.instance.clone(),
            at_ms: self.at,
        };
        serde_json::to_vec(&value).unwrap_or_default()
    }

    /// Reads the value of the key that is about this.
    ///
    /// # Errors
    ///
    /// Why it can't be used, for people.
    pub fn from_json(topic: &Topic, bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LONGEST {
            return Err(format!("it has {} bytes, and {LONGEST} are read at most", bytes.len()));
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let Value { command, weight, who, reason, until, instance, at_ms } = value;
        let saying = match (Command::named(&command), &*command, weight) {
            (Some(command), _, None) => Saying::Holds(command),
            (_, "weight", Some(weight)) if weight <= HEAVIEST => Saying::Holds(Command::Weight(Some(weight))),
            (_, "maintenance", None) => Saying::Maintenance,
            (_, "over", None) => Saying::Over,
            _ => return Err(format!("{command:?} is no command, or has another weight than it may have")),
        };
        if !topic.allows(saying) {
            return Err(format!("{command:?} can't be said about this"));
        }
        let is_line = |text: &str, longest| text.len() <= longest && !text.contains(char::is_control);
        let reason_is_line = reason.as_deref().is_none_or(|reason| is_line(reason, LONGEST_REASON));
        if at_ms > LATEST {
            return Err(format!("{at_ms} is no time"));
        }
        if !is_line(&who, LONGEST_NAME) || !is_line(&instance, LONGEST_NAME) || !reason_is_line {
            return Err("a name or the reason is too long, or is not one line".to_owned());
        }
        let until = match until {
            None => None,
            Some(text) => Some(parse_rfc3339(&text).ok_or_else(|| format!("{text:?} is no time"))?),
        };
        if matches!(topic, Topic::Maintenance(_))
            && saying == Saying::Maintenance
            && (until.is_none() || reason.is_none())
        {
            return Err("a maintenance needs a reason, and a time until which it lasts".to_owned());
        }
        Ok(Self { saying, note: Note { who, reason, until }, instance, at: at_ms })
    }

    /// For how long its key is kept; `None` = until another word comes.
    pub fn fades_after(&self, now: SystemTime) -> Option<Duration> {
        match (self.saying, self.note.until) {
            (Saying::Over, _) => Some(FADES_AFTER),
            (_, Some(until)) => Some(until.duration_since(now).unwrap_or_default() + OUTLASTS),
            (_, None) => None,
        }
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.note.until.is_some_and(|until| until <= now)
    }

    /// Whether this was said after the other one. Of two that were said in the same millisecond, all instances choose the same.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.at, &self.instance) > (other.at, &other.instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(saying: Saying) -> Word {
        let until = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000));
        let note = Note { who: "ci".to_owned(), reason: Some("a \"new\" disk".to_owned()), until };
        Word { saying, note, instance: "edge-1".to_owned(), at: 1_700_000_000_123 }
    }

    #[test]
    fn what_is_written_is_read_and_names_keep_apart() {
        let topics = [
            Topic::Backend("a/b".into(), "[::1]:80".into()),
            Topic::Backend("a".into(), "b/[::1]:80".into()),
            Topic::Weight("%".into(), "unix:/run/ä.sock".into()),
            Topic::Maintenance("a b".into()),
            Topic::Page(Scope::Service("a b".into())),
            Topic::Page(Scope::Listener("a b".into())),
        ];
        let keys: std::collections::BTreeSet<_> = topics.iter().map(Topic::key).collect();
        assert_eq!(keys.len(), topics.len());
        for topic in &topics {
            assert_eq!(Topic::of_key(&topic.key()).as_ref(), Some(topic));
        }
        let [backend, _, weight, maintenance, page, _] = topics;
        for (topic, saying) in [
            (&backend, Saying::Holds(Command::Drain)),
            (&backend, Saying::Holds(Command::Enable)),
            (&weight, Saying::Holds(Command::Weight(Some(0)))),
            (&maintenance, Saying::Maintenance),
            (&maintenance, Saying::Over),
            (&page, Saying::Maintenance),
        ] {
            assert_eq!(Word::from_json(topic, &word(saying).to_json()), Ok(word(saying)));
        }
    }

    #[test]
    fn keys_and_values_of_others_are_refused() {
        for key in [
            "",
            "backend",
            "backend/a",
            "backend/a/",
            "backend/a/b/c",
            "weight/%00/b",
            "backend/%61/b",
            "x/a/b",
            "page/a",
            "page/route/a",
        ] {
            assert_eq!(Topic::of_key(key), None, "{key}");
        }
        let topic = Topic::Backend("a".into(), "b".into());
        let long = format!("{:9000}", "");
        let many = "x".repeat(LONGEST_REASON + 1);
        for value in [
            "",
            "{",
            "[]",
            &long,
            r#"{"command":"sell","who":"a","instance":"i","at_ms":1}"#,
            r#"{"command":"weight","weight":1,"who":"a","instance":"i","at_ms":1}"#,
            r#"{"command":"maintenance","who":"a","instance":"i","at_ms":1}"#,
            r#"{"command":"drain","weight":3,"who":"a","instance":"i","at_ms":1}"#,
            r#"{"command":"drain","who":"a\nb","instance":"i","at_ms":1}"#,
            r#"{"command":"drain","who":"a","until":"soon","instance":"i","at_ms":1}"#,
            r#"{"command":"drain","who":"a","instance":"i","at_ms":-1}"#,
            &format!(r#"{{"command":"drain","who":"a","reason":"{many}","instance":"i","at_ms":1}}"#),
        ] {
            assert!(Word::from_json(&topic, value.as_bytes()).is_err(), "{value}");
        }
        let known = r#"{"command":"drain","who":"a","instance":"i","at_ms":1,"of_a_later_version":[]}"#;
        assert!(Word::from_json(&topic, known.as_bytes()).is_ok());
    }

    #[test]
    fn the_longest_word_can_be_read() {
        let mut word = word(Saying::Holds(Command::Drain));
        word.note.reason = Some("\"".repeat(LONGEST_REASON));
        (word.note.who, word.instance) = ("\\".repeat(LONGEST_NAME), "\"".repeat(LONGEST_NAME));
        let topic = Topic::Backend("a".into(), "b".into());
        assert_eq!(Word::from_json(&topic, &word.to_json()), Ok(word));
    }
}
