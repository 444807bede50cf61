//! What an operator can do from the view, how it is asked of the admin address, and how it is told.

use serde_json::{Value, json};

use super::api::AdminApi;
use super::document::target;

/// Something that an operator does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A command for a backend.
    Command {
        /// Which one.
        command: Command,
        /// The service.
        service: String,
        /// The id of the backend.
        backend: String,
    },
    /// Nothing is repaired any more.
    Pause,
    /// Faults are repaired again.
    Resume,
    /// An attempt that waits is carried out.
    Approve {
        /// Its number.
        attempt: String,
        /// What it is, in words.
        what: String,
    },
}

/// A command for a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// It gets no new work and keeps its sessions.
    Drain,
    /// It takes part again.
    Enable,
    /// It gets nothing.
    Disable,
}

impl Act {
    /// What it is, in few words.
    pub fn title(&self) -> String {
        match self {
            Self::Command { command, service, backend } => {
                let verb = match command {
                    Command::Drain => "Drain",
                    Command::Enable => "Enable",
                    Command::Disable => "Disable",
                };
                format!("{verb} {}", target(service, Some(backend)))
            }
            Self::Pause => "Pause recovery".to_owned(),
            Self::Resume => "Resume recovery".to_owned(),
            Self::Approve { attempt, .. } => format!("Approve attempt {attempt}"),
        }
    }

    /// What it does.
    pub fn consequence(&self) -> &str {
        match self {
            Self::Command { command: Command::Drain, .. } => "It gets no new work, and keeps its sessions.",
            Self::Command { command: Command::Enable, .. } => "It takes part again.",
            Self::Command { command: Command::Disable, .. } => "It gets nothing, and loses its sessions to others.",
            Self::Pause => "What is under way is stopped, and nothing is repaired until it is resumed.",
            Self::Resume => "Faults are repaired again.",
            Self::Approve { what, .. } => what,
        }
    }

    /// Does it, and tells what came of it.
    ///
    /// # Errors
    ///
    /// The words of the admin address on why it was not done.
    pub fn carry_out(&self, api: &dyn AdminApi, reason: &str) -> Result<String, String> {
        let path = self.path();
        let reason = reason.trim();
        let body = if reason.is_empty() { json!({}) } else { json!({ "reason": reason }) };
        let answer = api.ask(&path, &[], Some(&body))?.success()?;
        Ok(self.told(&answer))
    }

    fn path(&self) -> Vec<&str> {
        match self {
            Self::Command { command, service, backend } => {
                let word = match command {
                    Command::Drain => "drain",
                    Command::Enable => "enable",
                    Command::Disable => "disable",
                };
                vec!["services", service, "backends", backend, word]
            }
            Self::Pause => vec!["recovery", "pause"],
            Self::Resume => vec!["recovery", "resume"],
            Self::Approve { attempt, .. } => vec!["recoveries", attempt, "approve"],
        }
    }

    fn told(&self, answer: &Value) -> String {
        let told = match self {
            Self::Command { command, service, backend } => {
                let name = target(service, Some(backend));
                match (command, answer["in_flight"].as_u64()) {
                    (Command::Enable, _) => format!("{name} takes part"),
                    (Command::Drain, Some(left)) => format!("{name} gets no new work; {left} in flight"),
                    (Command::Drain, None) => format!("{name} gets no new work"),
                    (Command::Disable, _) => format!("{name} gets nothing"),
                }
            }
            Self::Pause => "recovery is paused".to_owned(),
            Self::Resume => "recovery is on".to_owned(),
            Self::Approve { attempt, .. } => format!("attempt {attempt} is approved"),
        };
        let kept = if answer["kept"] == false { " (not on the disk: a restart forgets it)" } else { "" };
        format!("{told}{kept}")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::api::Reply;
    use super::*;

    /// Keeps what it was asked, and gives one answer to all of it.
    struct Asked(Mutex<Vec<String>>, Reply);

    impl AdminApi for Asked {
        fn ask(&self, path: &[&str], _: &[(&str, &str)], body: Option<&Value>) -> Result<Reply, String> {
            self.0.lock().unwrap().push(format!("{} {}", path.join("/"), body.unwrap()));
            Ok(self.1.clone())
        }
    }

    fn outcome(act: &Act, reason: &str, status: u16, answer: Value) -> (String, Result<String, String>) {
        let api = Asked(Mutex::default(), Reply { status, body: answer });
        let outcome = act.carry_out(&api, reason);
        let asked = api.0.lock().unwrap().remove(0);
        (asked, outcome)
    }

    fn command(command: Command) -> Act {
        Act::Command { command, service: "api".to_owned(), backend: "a".to_owned() }
    }

    #[test]
    fn each_act_is_asked_for_with_its_reason() {
        let (asked, told) = outcome(&command(Command::Drain), " disk ", 200, json!({ "in_flight": 3, "kept": true }));
        assert_eq!(asked, "services/api/backends/a/drain {\"reason\":\"disk\"}");
        assert_eq!(told.unwrap(), "api/a gets no new work; 3 in flight");
        let approve = Act::Approve { attempt: "17".to_owned(), what: String::new() };
        let others = [
            (Act::Pause, "recovery/pause {}"),
            (Act::Resume, "recovery/resume {}"),
            (approve, "recoveries/17/approve {}"),
        ];
        for (act, request) in others {
            assert_eq!(outcome(&act, "", 200, json!({})).0, request);
        }
    }

    #[test]
    fn what_a_restart_would_forget_is_told() {
        let told = outcome(&command(Command::Disable), "", 200, json!({ "kept": false })).1.unwrap();
        assert_eq!(told, "api/a gets nothing (not on the disk: a restart forgets it)");
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_answer() {
        let refusal = json!({ "detail": "the token \"ci\" may only read" });
        let told = outcome(&command(Command::Enable), "", 403, refusal).1.unwrap_err();
        assert_eq!(told, "the token \"ci\" may only read (403)");
    }
}
