//! `evenkeel demo`

use std::io::{IsTerminal as _, stdout};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{bad_configuration, fail, print, run};
use crate::demo::{Fleet, Proxy, Stage, Trouble, banner, configuration, trouble_banner};
use crate::{app, config};

/// The backends of the demo without trouble: as many as a round of round robin wants to be seen.
const BACKENDS: usize = 3;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where the proxy listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))]
    listen: SocketAddr,
    /// Where the admin address listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9900)))]
    admin: SocketAddr,
    /// Get the backends into trouble under load, and tell what Evenkeel does about it
    #[arg(long)]
    trouble: bool,
    /// How long the trouble takes
    #[arg(long, value_name = "N", default_value_t = 120, requires = "trouble",
          value_parser = clap::value_parser!(u64).range(10..=3_600))]
    seconds: u64,
    /// End when the trouble is over, rather than stay up
    #[arg(long, requires = "trouble")]
    exit: bool,
}

pub(super) fn run(demo: &Demo) -> ExitCode {
    let state_dir = std::env::temp_dir().join(format!("evenkeel-demo-{}", std::process::id()));
    let code = if demo.trouble { demo.with_trouble(&state_dir) } else { demo.plain(&state_dir) };
    let _ = std::fs::remove_dir_all(&state_dir);
    code
}

impl Demo {
    fn plain(&self, state_dir: &Path) -> ExitCode {
        let fleet = match Fleet::start(BACKENDS, Duration::ZERO, None) {
            Ok(fleet) => fleet,
            Err(error) => return no_backends(&error),
        };
        serve(&configuration(&fleet.members, self.listen, self.admin, state_dir), |ready| {
            for web in &ready.listeners {
                print(&banner(&fleet.members, web, ready.admin));
            }
        })
    }

    fn with_trouble(&self, state_dir: &Path) -> ExitCode {
        let trouble = match Trouble::start(Duration::from_secs(self.seconds)) {
            Ok(trouble) => trouble,
            Err(error) => return no_backends(&error),
        };
        let has_colours = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let stage = Stage { out: Box::new(stdout()), has_colours, program: program(), ends: self.exit };
        serve(&trouble.configuration(self.listen, self.admin, state_dir), |ready| {
            let web = ready.listeners.first().and_then(|web| web.parse().ok()).unwrap_or(self.listen);
            print(&trouble_banner(&trouble, web, ready.admin, &stage));
            let proxy = Proxy { web, admin: ready.admin, events: Arc::clone(&ready.events) };
            if let Err(error) = trouble.play(proxy, stage) {
                fail(&format!("the trouble can't begin: {error}"));
            }
        })
    }
}

/// Runs the proxy with this configuration to its end.
fn serve(text: &str, ready: impl FnOnce(&app::Ready)) -> ExitCode {
    let loaded = match config::parse(text, Path::new("demo.toml")) {
        Ok(loaded) => loaded,
        Err(mistakes) => return bad_configuration(&mistakes),
    };
    match run::start(loaded, None, ready) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            fail(&format!("{why}\n(another address: evenkeel demo --listen ADDRESS:PORT --admin ADDRESS:PORT)"))
        }
    }
}

fn no_backends(error: &std::io::Error) -> ExitCode {
    fail(&format!("the demo's backends can't start: {error}"))
}

/// The program as it was called, so that the commands that are proposed can be copied.
fn program() -> String {
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if called.as_os_str().is_empty() { "evenkeel".to_owned() } else { called.display().to_string() }
}
