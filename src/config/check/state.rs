//! `[state]`: copies of the ledger.

use std::path::Path;
use std::time::Duration;

use super::{Checker, all_or_nothing};
use crate::config::model::{self, BackupPlace};
use crate::config::raw;
use crate::config::tree::KeyPath;

/// The shortest time between two copies: each is a whole one, and is read back.
const SHORTEST: Duration = Duration::from_secs(1);

impl Checker<'_> {
    /// `Some(None)` = no copies are wanted.
    pub(super) fn backup(&mut self, raw: &raw::State, state_dir: &Path) -> Option<Option<model::Backup>> {
        let at = KeyPath::default().key("state").key("backup");
        all_or_nothing(raw.backup.as_ref().map(|raw| self.one_backup(&at, raw, state_dir)))
    }

    fn one_backup(&mut self, at: &KeyPath, raw: &raw::Backup, state_dir: &Path) -> Option<model::Backup> {
        let (every, keep) = (raw.every.0, raw.keep.0);
        if every < SHORTEST {
            let mistake = self.mistake(&at.key("every"), "copies can't be made so often");
            self.report(mistake.expected("at least 1s").near(Some("1s".to_owned())));
        } else if keep < every {
            let path = if self.present(&at.key("keep")) { at.key("keep") } else { at.key("every") };
            let mistake = self.mistake(&path, "copies are deleted before the next one is made");
            self.report(mistake.expected("`keep` as long as `every`, or longer"));
        }
        let to: BackupPlace = raw.to.as_deref()?.parse().ok()?;
        if let BackupPlace::Folder(folder) = &to
            && folder.starts_with(state_dir)
        {
            let mistake = self.mistake(&at.key("to"), "the copies lie in `state_dir`, and are lost with it");
            self.report(mistake.warning().help("a folder of another disk or machine, or a bucket"));
        }
        Some(model::Backup { to, every, keep, name: raw.name.clone() })
    }

    /// Warns of copies that are wanted of nothing. Only when all else is well.
    pub(super) fn nothing_to_back_up(&mut self, raw: &raw::File) {
        let is_kept = raw.service.values().any(|service| service.sla.is_some() || service.recover.is_some());
        if raw.state.backup.is_some() && !is_kept && !self.findings.has_errors() {
            let at = KeyPath::default().key("state").key("backup");
            let mistake = self.mistake(&at, "there is no ledger to copy");
            self.report(
                mistake.warning().help(
                    "it is made when something is promised of a service ([service.NAME.sla]), or one is repaired",
                ),
            );
        }
    }
}
