//! `evenkeel drain SERVICE BACKEND`: a backend gets no new work and finishes what it has. (The process itself is drained by SIGTERM.)

use std::process::ExitCode;

use clap::Args;

use super::ask::{Admin, segment};
use super::{fail, print};

#[derive(Debug, Args)]
pub(super) struct Backend {
    /// The service
    service: String,
    /// The backend's id: its address, unless the configuration gives it another
    backend: String,
    #[command(flatten)]
    admin: Admin,
}

pub(super) fn run(Backend { service, backend, admin }: &Backend) -> ExitCode {
    let target = format!("/api/v1/services/{}/backends/{}/drain", segment(service), segment(backend));
    match admin.ask("POST", &target).map(|answer| answer.success()) {
        Ok(Ok(_)) => print(&format!("{backend} of {service} gets no new work\n")),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}
