//! What a person can say of an attempt.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It may be carried out.
    Approve,
    /// It must not be carried out.
    Refuse,
    /// It is to end now, whatever it has come to. What it has already done stays.
    Stop,
    /// What it did is to be taken back, while it is under way or in force.
    Undo,
}

impl Word {
    /// The name in the API and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Refuse => "refuse",
            Self::Stop => "stop",
            Self::Undo => "undo",
        }
    }
}
