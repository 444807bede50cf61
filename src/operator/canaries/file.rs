//! The file that says where canaries are: JSON that people can read. It is replaced as a whole.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Kept;
use crate::canary::{Stage, Standing};

/// Its name in `state_dir`.
pub(super) const NAME: &str = "canaries.json";
/// The version of the file's format.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct File {
    version: u32,
    canaries: BTreeMap<String, Saved>,
}

/// One canary, as it stands in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    stable: String,
    plan: String,
    stage: String,
    step: usize,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
}

/// Reads the file. Where there is none, or none that can be understood, nothing is known, and canaries begin anew: with their smallest share.
pub(super) fn read(path: &Path) -> BTreeMap<String, Kept> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                tracing::error!(file = %path.display(), %error, "where canaries were is not known: they begin anew");
            }
            return BTreeMap::new();
        }
    };
    let understood = serde_json::from_slice(&text).map_err(|error| error.to_string());
    let understood = understood.and_then(|file: File| match file.version {
        VERSION => Ok(file.canaries.into_iter().filter_map(|(name, saved)| Some((name, from_saved(saved)?))).collect()),
        other => Err(format!("it is of version {other}, and this is an Evenkeel that knows {VERSION}")),
    });
    understood.unwrap_or_else(|why| {
        tracing::error!(file = %path.display(), "where canaries were is not known, they begin anew: {why}");
        BTreeMap::new()
    })
}

/// The text of the file.
pub(super) fn text(all: &BTreeMap<String, Kept>) -> io::Result<String> {
    let canaries = all.iter().map(|(name, kept)| (name.clone(), to_saved(kept))).collect();
    Ok(serde_json::to_string_pretty(&File { version: VERSION, canaries })? + "\n")
}

fn to_saved(kept: &Kept) -> Saved {
    let Kept { stable, plan, standing: Standing { stage, step, reason } } = kept.clone();
    Saved { stable, plan, stage: stage.as_str().to_owned(), step, reason }
}

/// `None` = it was in a stage that this version does not know.
fn from_saved(saved: Saved) -> Option<Kept> {
    let Saved { stable, plan, stage, step, reason } = saved;
    Some(Kept { stable, plan, standing: Standing { stage: Stage::named(&stage)?, step, reason } })
}
