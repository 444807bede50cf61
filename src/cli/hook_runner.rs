//! `evenkeel hook-runner`

use std::process::ExitCode;

use crate::hook::runner;

pub(super) fn run() -> ExitCode {
    runner::main()
}
