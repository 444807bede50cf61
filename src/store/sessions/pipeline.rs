//! Commands that are sent together, and what their answers say.
//!
//! A question is `SET name proposal NX EX seconds`, `GET name`, `PTTL name`; a write is `SET name backend EX seconds`, or, where what is there holds, the first two
//! of those. All of this is there since Redis 2.6.12, so that whatever speaks its protocol will do.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, ServerError, Value};

use super::super::connect::{said, told};
use crate::affinity::shared::{Found, Question, Sessions, Write};
use crate::clock::Moment;

/// How long the answers may take before the connection is given up.
const LIMIT: Duration = Duration::from_secs(2);

/// The longest id of a backend that is taken for one.
const LONGEST_ID: usize = 512;

/// Commands that are sent together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    commands: Pipeline,
    items: Vec<Item>,
    /// It tells whether the store is well.
    pub is_probe: bool,
    /// How many were sent before it over its connection.
    pub number: u64,
}

/// What some of the commands are for.
#[derive(Debug)]
enum Item {
    Ask(Question, String),
    Write(Write),
    Renew,
    Ping,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// How long its answers took.
    pub took: Duration,
    /// It was a probe, and nothing else.
    pub is_pure_probe: bool,
    /// It was a probe.
    pub is_probe: bool,
    /// Sessions that were written.
    pub written: u64,
    /// Sessions that were there already.
    pub known: u64,
    /// Sessions that the store did not take.
    pub refused: u64,
    /// What the store has said when it refused something.
    pub refusal: Option<String>,
    /// Names of sessions that are to be kept for longer, with the seconds.
    pub to_renew: Vec<(String, u64)>,
}

/// A batch whose answers can't be had.
#[derive(Debug)]
pub(super) struct Broken {
    /// Why; for people.
    pub reason: String,
    /// What it was to write.
    pub writes: Vec<Write>,
    /// The number of the batch.
    pub number: u64,
}

impl Batch {
    /// Whether there is nothing to be sent.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Asks for a session.
    pub fn ask(&mut self, question: Question) {
        let name = question.sessions.names.of(question.key);
        if let Some(proposal) = &question.proposal {
            self.set(&name, proposal, &question.sessions, true);
        }
        self.commands.cmd("GET").arg(&name).cmd("PTTL").arg(&name);
        self.items.push(Item::Ask(question, name));
    }

    /// Writes a session.
    pub fn write(&mut self, write: Write) {
        let name = write.sessions.names.of(write.key);
        self.set(&name, &write.backend, &write.sessions, !write.replaces);
        if !write.replaces {
            self.commands.cmd("GET").arg(&name);
        }
        self.items.push(Item::Write(write));
    }

    /// Has a session kept for so many seconds from now.
    pub fn renew(&mut self, name: &str, seconds: u64) {
        self.commands.cmd("EXPIRE").arg(name).arg(seconds);
        self.items.push(Item::Renew);
    }

    /// Asks whether the store is well.
    pub fn probe(&mut self) {
        self.is_probe = true;
        self.commands.cmd("PING");
        self.items.push(Item::Ping);
    }

    fn set(&mut self, name: &str, backend: &str, sessions: &Sessions, only_new: bool) {
        let set = self.commands.cmd("SET").arg(name).arg(backend).arg("EX").arg(sessions.kept_for());
        if only_new {
            set.arg("NX");
        }
    }

    /// Sends it, and takes the answers to those who wait for them.
    pub async fn send(self, mut connection: MultiplexedConnection) -> Result<Report, Broken> {
        let began = Instant::now();
        let count = self.commands.len();
        let answers = tokio::time::timeout(LIMIT, connection.send_packed_commands(&self.commands, 0, count)).await;
        let reason = match answers {
            Ok(Ok(answers)) if answers.len() == count => return self.read(answers, began),
            Ok(Ok(_)) => "it does not answer each command".to_owned(),
            Ok(Err(error)) => format!("the connection broke: {}", said(&error)),
            Err(_) => format!("it does not answer within {} s", LIMIT.as_secs()),
        };
        Err(self.broken(reason))
    }

    fn broken(self, reason: String) -> Broken {
        let number = self.number;
        let writes = self.items.into_iter().filter_map(|item| match item {
            Item::Write(write) => Some(write),
            _ => None,
        });
        Broken { reason, writes: writes.collect(), number }
    }

    fn read(self, answers: Vec<Value>, began: Instant) -> Result<Report, Broken> {
        if self.is_probe
            && let Some(Value::ServerError(error)) = answers.last()
        {
            // it is loading what it holds from the disk, for instance: what was written to it waits until it has
            return Err(self.broken(told(error)));
        }
        let is_pure_probe = self.is_probe && self.items.len() == 1;
        let mut report = Report { took: began.elapsed(), is_probe: self.is_probe, is_pure_probe, ..Report::default() };
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        for item in self.items {
            match item {
                Item::Ask(question, name) => {
                    let set = question.proposal.is_some().then(&mut next);
                    report.asked(question, name, set, next(), &next());
                }
                Item::Write(write) if write.replaces => report.written(next()),
                Item::Write(write) => report.written_if_new(&write, next(), next()),
                Item::Renew | Item::Ping => drop(next()),
            }
        }
        Ok(report)
    }
}

impl Report {
    fn asked(&mut self, question: Question, name: String, set: Option<Value>, got: Value, left_ms: &Value) {
        let found = match (set, got) {
            (Some(Value::Okay), _) => {
                self.written += 1;
                Found::Stored
            }
            (set, got) => {
                if let Some(Value::ServerError(error)) = set {
                    self.refuses(&error);
                }
                match self.backend(got) {
                    Ok(Some(id)) => Found::Backend(id),
                    Ok(None) => Found::Nothing,
                    // whoever asks learns of it when the question is dropped
                    Err(()) => return,
                }
            }
        };
        let Question { sessions, answer, .. } = question;
        let is_due = matches!(left_ms, Value::Int(left) if *left < seconds_to_ms(sessions.renewed_below()));
        if is_due && matches!(found, Found::Backend(_)) {
            self.to_renew.push((name, sessions.kept_for()));
        }
        // it may have waited long enough
        let _ = answer.send(found);
    }

    fn written(&mut self, set: Value) {
        match set {
            Value::ServerError(error) => self.refuses(&error),
            _ => self.written += 1,
        }
    }

    fn written_if_new(&mut self, write: &Write, set: Value, got: Value) {
        match set {
            Value::Okay => self.written += 1,
            Value::ServerError(error) => self.refuses(&error),
            _ => {
                self.known += 1;
                // another instance was first, and its choice holds
                if let Ok(Some(id)) = self.backend(got)
                    && *id != *write.backend
                {
                    write.sessions.table.follow(write.key, &id, Moment::now());
                }
            }
        }
    }

    /// The backend's id in an answer; an answer that is none is reported.
    fn backend(&mut self, got: Value) -> Result<Option<Box<str>>, ()> {
        match got {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) if bytes.len() <= LONGEST_ID => match String::from_utf8(bytes) {
                Ok(id) => Ok(Some(id.into())),
                Err(_) => self.is_nonsense("a value that is no backend's id"),
            },
            Value::ServerError(error) => {
                self.refusal = Some(told(&error));
                Err(())
            }
            _ => self.is_nonsense("an answer that is none to GET"),
        }
    }

    fn is_nonsense<T>(&mut self, what: &str) -> Result<T, ()> {
        self.refusal = Some(what.to_owned());
        Err(())
    }

    fn refuses(&mut self, error: &ServerError) {
        self.refused += 1;
        self.refusal = Some(told(error));
    }
}

fn seconds_to_ms(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}
