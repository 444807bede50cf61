//! `evenkeel slo export | import`: what is promised, as OpenSLO v1 files.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{bad_configuration, fail, note, print, show};
use crate::config;
use crate::openslo::{self, File, Promised};
use crate::sla::maintenance::Planned;

#[derive(Debug, Args)]
pub(super) struct Slo {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what a configuration promises as OpenSLO v1 (YAML)
    Export {
        /// The configuration
        #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "proxy.toml")]
        path: PathBuf,
        /// This service only
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
    },
    /// Print OpenSLO v1 files as `sla` sections for a configuration, and what of them does not fit
    Import {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

pub(super) fn run(asked: &Slo) -> ExitCode {
    match &asked.command {
        Command::Export { path, service } => export(path, service.as_deref()),
        Command::Import { files } => import(files),
    }
}

fn export(path: &std::path::Path, only: Option<&str>) -> ExitCode {
    let config = match config::load(path) {
        Ok(loaded) => {
            show(&loaded.warnings);
            loaded.config
        }
        Err(mistakes) => return bad_configuration(&mistakes),
    };
    let wanted = config.services.iter().filter(|service| only.is_none_or(|only| only == service.name));
    let promised: Vec<_> = wanted
        .filter_map(|service| {
            let sla = service.sla.as_ref()?;
            let maintenance = sla.maintenance.iter().map(written).collect();
            Some(Promised { service: &service.name, promise: &sla.promise, maintenance })
        })
        .collect();
    if promised.is_empty() {
        return fail(&match only {
            Some(name) => format!("nothing is promised of a service `{name}` in {}", path.display()),
            None => format!("nothing is promised in {}: no service has an `sla` section", path.display()),
        });
    }
    match openslo::export(&promised) {
        Ok(yaml) => print(&yaml),
        Err(error) => fail(&error.to_string()),
    }
}

/// A planned time as it stands in a configuration.
fn written(planned: &Planned) -> String {
    match planned {
        Planned::Once { from, to } => format!("{{ from = \"{from}\", to = \"{to}\" }}"),
        Planned::Every(recurring) => format!("{{ every = \"{recurring}\" }}"),
    }
}

fn import(paths: &[PathBuf]) -> ExitCode {
    let mut texts = Vec::with_capacity(paths.len());
    for path in paths {
        match openslo::read(path) {
            Ok(text) => texts.push((path.display().to_string(), text)),
            Err(why) => return fail(&format!("{} can't be read: {why}", path.display())),
        }
    }
    let files: Vec<_> = texts.iter().map(|(name, text)| File { name, text }).collect();
    match openslo::import(&files) {
        Ok(imported) => print(&openslo::sections(&imported)),
        Err(remarks) => {
            remarks.iter().for_each(|remark| note(&remark.to_string()));
            ExitCode::from(super::FAILURE)
        }
    }
}
