//! The answers of the agent beside a backend: one line of words, as HAProxy's `agent-check` defines them.
//!
//! ```text
//!   75%                       its weight, as a share of the configured one
//!   up | down | failed | stopped
//!   ready | drain | maint     takes part as configured; keeps its sessions only; gets nothing
//!   maxconn:100               at most so many exchanges at a time; 0 = as configured
//!   # the rest of the line    why
//! ```
//!
//! Words come in any order, separated by spaces, tabs or commas, in upper or lower case. What a line does not mention
//! stays as it was: [`AgentWishes`] holds what the agent has set and not taken back. It is kept apart from what checks
//! and operators set, so that only the agent can revert what the agent did, and can't revert what others did.
//!
//! `maxconn` is the exception: it holds until the next line. There is no word that takes it back, and an agent that has said a
//! number in an hour of need can't know the number that was configured.

use super::{BadReport, once};
use crate::endpoint::standing::{Override, Standing};

/// The longest line that is read.
pub const LONGEST: usize = 1024;
/// The highest share of the configured weight, in per cent.
const HEAVIEST: u32 = 1000;
/// How many characters of the reason are kept.
const REASON: usize = 120;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentLine {
    /// Share of the configured weight, in thousandths.
    pub weight: Option<u32>,
    /// Whether it says that the backend is well.
    pub up: Option<bool>,
    /// The state that the agent wants for the backend.
    pub wanted: Option<Override>,
    /// Exchanges at a time; 0 = no limit.
    pub max_connections: Option<u32>,
    /// Why, for people; without control characters.
    pub reason: Option<String>,
}

/// What an agent has set so far and not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentWishes {
    /// Share of the configured weight, in thousandths.
    pub weight: u32,
    /// Whether it said `down` and not `up` since.
    pub down: bool,
    /// What it set by `drain` or `maint`, until it says `ready`.
    pub wanted: Override,
    /// Exchanges at a time, when its last line said so.
    pub max_connections: Option<u32>,
}

impl AgentLine {
    /// Reads an answer. Only its first line counts.
    ///
    /// # Errors
    ///
    /// Why it was refused. Then nothing of the line has an effect, because a part of what an agent wants may be the
    /// opposite of the whole.
    pub fn read(answer: &[u8]) -> Result<Self, BadReport> {
        let end = answer.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(answer.len());
        if end > LONGEST {
            return Err(BadReport::TooLong);
        }
        let text = String::from_utf8_lossy(&answer[..end]);
        let (words, reason) = match text.split_once('#') {
            Some((words, reason)) => (words, Some(reason)),
            None => (&*text, None),
        };
        let mut line = Self::default();
        for word in words.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
            line.take(&word.to_ascii_lowercase())?;
        }
        if line == Self::default() {
            return Err(BadReport::Form);
        }
        line.reason = reason.map(|reason| reason.trim().chars().filter(|c| !c.is_control()).take(REASON).collect());
        Ok(line)
    }

    fn take(&mut self, word: &str) -> Result<(), BadReport> {
        match word {
            "up" => once(&mut self.up, true, "up"),
            "down" | "fail" | "failed" | "stopped" => once(&mut self.up, false, "down"),
            "ready" => once(&mut self.wanted, Override::Configured, "ready"),
            "drain" => once(&mut self.wanted, Override::Drained, "drain"),
            "maint" => once(&mut self.wanted, Override::Disabled, "maint"),
            _ => {
                if let Some(per_cent) = word.strip_suffix('%') {
                    let per_cent = whole(per_cent).filter(|per_cent| *per_cent <= HEAVIEST);
                    once(&mut self.weight, per_cent.ok_or(BadReport::Number("weight"))? * 10, "weight")
                } else if let Some(limit) = word.strip_prefix("maxconn:") {
                    once(&mut self.max_connections, whole(limit).ok_or(BadReport::Number("maxconn"))?, "maxconn")
                } else {
                    Err(BadReport::Unknown)
                }
            }
        }
    }
}

impl Default for AgentWishes {
    fn default() -> Self {
        Self { weight: 1000, down: false, wanted: Override::Configured, max_connections: None }
    }
}

impl AgentWishes {
    /// Adds a line; what it does not mention stays, except the limit.
    pub fn add(&mut self, line: &AgentLine) {
        self.weight = line.weight.unwrap_or(self.weight);
        self.down = line.up.map_or(self.down, |up| !up);
        self.wanted = line.wanted.unwrap_or(self.wanted);
        self.max_connections = line.max_connections.filter(|limit| *limit > 0);
    }

    /// Writes the weight, the limit and the wanted state, with this `reason`, to the agent's part of a backend's
    /// standing. Whether the agent says `down` is not written here: it counts together with the checks, which write the
    /// health.
    pub fn apply(&self, standing: &Standing, reason: &str) {
        standing.set_agent(self.wanted, reason);
        standing.set_agent_weight(self.weight);
        standing.set_agent_limit(self.max_connections);
    }
}

/// A number of digits only: `parse` would take a sign too.
fn whole(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> AgentLine {
        AgentLine::read(answer.as_bytes()).unwrap()
    }

    fn refused(answer: &str) -> BadReport {
        AgentLine::read(answer.as_bytes()).unwrap_err()
    }

    #[test]
    fn each_word_says_its_thing() {
        let line = AgentLine::default();
        assert_eq!(read("75%\n"), AgentLine { weight: Some(750), ..line.clone() });
        assert_eq!(read("0%\r\n"), AgentLine { weight: Some(0), ..line.clone() });
        assert_eq!(read("up"), AgentLine { up: Some(true), ..line.clone() });
        for word in ["down", "failed", "fail", "stopped", "DOWN"] {
            assert_eq!(read(word), AgentLine { up: Some(false), ..line.clone() });
        }
        assert_eq!(read("ready"), AgentLine { wanted: Some(Override::Configured), ..line.clone() });
        assert_eq!(read("drain"), AgentLine { wanted: Some(Override::Drained), ..line.clone() });
        assert_eq!(read("maint"), AgentLine { wanted: Some(Override::Disabled), ..line.clone() });
        assert_eq!(read("maxconn:64"), AgentLine { max_connections: Some(64), ..line });
    }

    #[test]
    fn words_stand_together_in_any_order_and_the_first_line_counts() {
        let line = read(" ready,\tUp 50%,maxconn:10 # too\u{7} warm \nmaint\n");
        let want = AgentLine {
            weight: Some(500),
            up: Some(true),
            wanted: Some(Override::Configured),
            max_connections: Some(10),
            reason: Some("too warm".to_owned()),
        };
        assert_eq!(line, want);
        let long = format!("down#{}", "x".repeat(500));
        assert_eq!(read(&long).reason.map(|reason| reason.len()), Some(REASON));
    }

    #[test]
    fn lines_that_contradict_themselves_or_make_no_sense_are_refused() {
        assert_eq!(refused("up down"), BadReport::Twice("down"));
        assert_eq!(refused("10% 20%"), BadReport::Twice("weight"));
        assert_eq!(refused("drain maint"), BadReport::Twice("maint"));
        for bad in ["-5%", "+5%", "1.5%", "%", "1001%", "99999999999%", "nan%"] {
            assert_eq!(refused(bad), BadReport::Number("weight"), "{bad}");
        }
        assert_eq!(refused("maxconn:"), BadReport::Number("maxconn"));
        assert_eq!(refused("maxconn:-1"), BadReport::Number("maxconn"));
        assert_eq!(refused("HTTP/1.1 400 Bad Request"), BadReport::Unknown);
        for empty in ["", "\n", "  ,, \nup", "# why"] {
            assert_eq!(refused(empty), BadReport::Form, "{empty:?}");
        }
        assert_eq!(AgentLine::read(&[0xff, b' ', b'u', b'p']), Err(BadReport::Unknown));
        assert_eq!(refused(&" ".repeat(LONGEST + 1)), BadReport::TooLong);
    }

    #[test]
    fn only_the_word_that_undoes_it_undoes_what_was_said() {
        let mut said = AgentWishes::default();
        said.add(&read("drain 50% down"));
        let all = AgentWishes { weight: 500, down: true, wanted: Override::Drained, max_connections: None };
        assert_eq!(said, all);
        said.add(&read("up"));
        assert_eq!((said.down, said.wanted, said.weight), (false, Override::Drained, 500));
        said.add(&read("ready"));
        assert_eq!((said.wanted, said.weight), (Override::Configured, 500));
        said.add(&read("100%"));
        assert_eq!(said, AgentWishes::default());
    }

    #[test]
    fn a_limit_holds_until_the_next_line() {
        let (mut said, standing) = (AgentWishes::default(), Standing::default());
        for (line, limit) in
            [("maxconn:5", 5), ("up maxconn:3", 3), ("up", 100), ("maxconn:200", 100), ("maxconn:0", 100)]
        {
            said.add(&read(line));
            said.apply(&standing, "");
            assert_eq!(standing.limit(100), limit, "{line}");
        }
    }

    #[test]
    fn an_agent_does_not_touch_what_an_operator_said() {
        let standing = Standing::default();
        standing.set_operator(Override::Disabled, "");
        let mut said = AgentWishes::default();
        said.add(&read("drain 50%"));
        said.apply(&standing, "");
        assert_eq!(
            (standing.operator(), standing.agent(), standing.weight(4)),
            (Override::Disabled, Override::Drained, 2)
        );
        said.add(&read("ready 100%"));
        said.apply(&standing, "");
        assert_eq!(
            (standing.operator(), standing.agent(), standing.weight(4)),
            (Override::Disabled, Override::Configured, 4)
        );
    }
}
