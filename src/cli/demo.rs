//! `evenkeel demo`

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::{bad_configuration, fail, print, run};
use crate::config;
use crate::demo::{Fleet, banner, configuration};

#[derive(Debug, Args)]
pub(super) struct Addresses {
    /// Where the proxy listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))]
    listen: SocketAddr,
    /// Where the admin address listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9900)))]
    admin: SocketAddr,
}

pub(super) fn run(addresses: &Addresses) -> ExitCode {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(error) => return fail(&format!("the demo's backends can't start: {error}")),
    };
    let state_dir = std::env::temp_dir().join(format!("evenkeel-demo-{}", std::process::id()));
    let text = configuration(&fleet.members, addresses.listen, addresses.admin, &state_dir);
    let loaded = match config::parse(&text, Path::new("demo.toml")) {
        Ok(loaded) => loaded,
        Err(mistakes) => return bad_configuration(&mistakes),
    };
    let ended = run::start(loaded, None, |ready| {
        for web in &ready.listeners {
            print(&banner(&fleet.members, web, ready.admin));
        }
    });
    let _ = std::fs::remove_dir_all(&state_dir);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            fail(&format!("{why}\n(another address: evenkeel demo --listen ADDRESS:PORT --admin ADDRESS:PORT)"))
        }
    }
}
