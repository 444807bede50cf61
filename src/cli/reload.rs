//! `evenkeel reload`

use std::process::ExitCode;

use super::ask::AdminOptions;
use super::{fail, print};

pub(super) fn run(admin: &AdminOptions) -> ExitCode {
    match admin.ask("POST", "/api/v1/reload").map(|answer| answer.success()) {
        Ok(Ok(body)) => print(&format!("reloaded: configuration {} runs\n", body["config_generation"])),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}
