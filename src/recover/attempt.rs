//! The record of one attempt to repair something: it is kept in the ledger as JSON, and shown as it is kept. A member that a version adds is not in
//! the records of the versions before, so what is missing has its default.

use serde::{Deserialize, Serialize};

/// One attempt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// Its number. It only grows, over restarts as well, for as long as the history is there.
    pub id: i64,
    /// The service.
    pub service: String,
    /// The backend; `None` = the service as a whole.
    pub backend: Option<String>,
    /// The fault, by its name in the API.
    pub fault: String,
    /// How sure the detectors were.
    pub confidence: f64,
    /// Who said so, and why.
    pub votes: Vec<Said>,
    /// The name of the strategy.
    pub strategy: String,
    /// What the strategy does: the word for its kind.
    pub kind: String,
    /// Why this strategy and no other.
    pub why: String,
    /// Which attempt of this strategy against this fault it is, from 1.
    pub number: u32,
    /// The brakes that were looked at, and what each came to.
    pub brakes: Vec<Said>,
    /// Nothing was done: it is what would have been.
    pub dry_run: bool,
    /// How far it is.
    pub phase: Phase,
    /// When the fault was raised, in milliseconds since 1970, as all times here.
    pub raised: i64,
    /// When the attempt began.
    pub start: i64,
    /// When the act began: the command was started, the work was sent elsewhere.
    pub acted: Option<i64>,
    /// When it was known what it came to; `None` = it is not over.
    pub end: Option<i64>,
    /// What it came to; `None` = it is not over.
    pub outcome: Option<Outcome>,
    /// Milliseconds from the fault to the moment since which the service was seen well.
    pub recovery_ms: Option<i64>,
    /// Whether the success, if it is one, was put to the strategy's credit.
    pub credited: bool,
    /// What was learned from it, in words.
    pub lesson: String,
    /// What its act runs or calls, in words; `None` = nothing outside of this process. It is known before the act begins, so a dry run and an attempt
    /// that waits for a person say it as well.
    pub what: Option<String>,
    /// What the command or the webhook came to.
    pub act: Option<ActReport>,
    /// What taking it back came to.
    pub undo: Option<ActReport>,
    /// Who approved it, refused it, stopped it or took it back.
    pub who: Option<String>,
    /// Whether what it did is in force and can be taken back.
    pub in_force: bool,
    /// How many backends the service had when it began.
    #[serde(default)]
    pub backends: usize,
}

/// Something that was said, and by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    /// Who: a detector, a brake.
    pub by: String,
    /// What.
    pub text: String,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It waits for a person to approve it.
    #[default]
    Proposed,
    /// The backend gets no new work, and its exchanges end.
    Draining,
    /// The command runs, or the work is being sent elsewhere.
    Acting,
    /// It was done; the service is to be seen well.
    Verifying,
    /// It made things worse, or somebody wants it back: it is being taken back.
    Undoing,
    /// It is over. What it did may still be in force.
    Ended,
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The service was seen well within the strategy's time.
    Healed,
    /// It was not.
    NotHealed,
    /// It got worse, and the act was taken back where that is possible.
    Worse,
    /// The act itself failed: the command ended with another code than 0, or was killed.
    Failed,
    /// The fault passed before anything was done.
    Passed,
    /// A person refused it, or nobody approved it in time.
    Refused,
    /// A person stopped it, or recovery was paused.
    Stopped,
    /// What it was for is not there any more: the backend or the strategy was taken out of the configuration.
    Gone,
    /// The process ended in the middle of it, or it lost the leadership.
    Unknown,
}

/// What a command or a webhook came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActReport {
    /// What was run or called, in words.
    pub what: String,
    /// Whether it says that it succeeded. That alone makes no attempt a success.
    pub ok: bool,
    /// The exit code or the status of the answer; `None` = there is none.
    pub code: Option<i32>,
    /// What went wrong, in words; empty = nothing.
    pub error: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The end of what it printed, or of the body of the answer, as text.
    pub output: String,
    /// Bytes of output that were left out.
    pub left_out: u64,
}

impl Outcome {
    /// The word for it in the API and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healed => "healed",
            Self::NotHealed => "not_healed",
            Self::Worse => "worse",
            Self::Failed => "failed",
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

impl Phase {
    /// The word for it in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Draining => "draining",
            Self::Acting => "acting",
            Self::Verifying => "verifying",
            Self::Undoing => "undoing",
            Self::Ended => "ended",
        }
    }
}
