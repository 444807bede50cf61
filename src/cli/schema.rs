//! `evenkeel schema`

use std::process::ExitCode;

use super::print;
use crate::config;

pub(super) fn run() -> ExitCode {
    print(&format!("{:#}\n", config::schema()))
}
